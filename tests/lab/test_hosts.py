import pytest

from transship.lab import Lab

pytestmark = pytest.mark.lab


def test_hosts_run_docker(lab: Lab) -> None:
    for node in lab.nodes:
        assert node.docker.info()["CgroupVersion"] == "2"
