import pytest

from tests.conftest import MakeLab
from transship.errors import LabError
from transship.lab import HostOptions, Lab, LabOptions

pytestmark = pytest.mark.lab


def test_hosts_trust_a_registry_without_tls(make_lab: MakeLab) -> None:
    lab = make_lab(LabOptions(hosts=(HostOptions(), HostOptions()), registry="insecure"))
    h1, h2 = lab.nodes
    reference = lab.push(h1, lab.load(h1, "busybox"))
    assert h2.output(["docker", "run", "--rm", reference, "echo", "ahoy"]) == "ahoy\n"
    assert h1.output(["curl", "-s", f"http://{lab.registry}/v2/_catalog"]) == '{"repositories":["busybox"]}\n'


def test_a_lab_without_a_registry_says_so(lab: Lab) -> None:
    with pytest.raises(LabError, match="has no registry"):
        _ = lab.registry
