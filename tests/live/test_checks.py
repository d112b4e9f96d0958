"""What live refuses before anything is touched, and what it says of CRIU's own refusals."""

from dataclasses import replace
from typing import Any

import pytest

from tests.plan.observed import FACTS, SPEC
from transship.hosts.facts import Facts
from transship.live.checks import LiveHost, address_moves, container_findings, host_findings, target_findings
from transship.live.refusals import explained
from transship.live.sandbox import CONFIGURATION, LABEL, endpoints, moved_spec, sandbox_body
from transship.spec.model import NetworkAttachment, NetworkSpec

READY = LiveHost(replace(FACTS, experimental=True, criu_version="4.2.1"), "", frozenset({"uffd-noncoop"}))
LAN = NetworkAttachment(NetworkSpec("lan", "macvlan"), ipv4="198.18.0.50", aliases=("db",))
MOVABLE = replace(SPEC, network_mode="lan", networks=(LAN,))


def test_a_host_with_all_that_is_needed_has_no_findings() -> None:
    assert list(host_findings(READY)) == []
    assert list(target_findings(READY.facts, (1, 45))) == []


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (replace(READY, facts=replace(READY.facts, experimental=False)), "no-live"),
        (replace(READY, facts=replace(READY.facts, root_access="docker")), "live-root"),
        (replace(READY, problem="Dirty tracking is OFF"), "criu-check"),
        (replace(READY, features=frozenset()), "no-userfaultfd"),
    ],
)
def test_a_host_that_lacks_something_is_refused_with_what_to_do(host: LiveHost, code: str) -> None:
    (finding,) = host_findings(host)
    assert (finding.severity, finding.code) == ("error", code)
    assert finding.hint


@pytest.mark.parametrize(
    ("facts", "version", "code"),
    [
        (replace(FACTS, architecture="riscv64"), (1, 45), "no-sandbox"),
        (FACTS, (1, 42), "no-annotations"),
    ],
)
def test_a_target_that_cannot_hold_the_sandbox_is_refused(facts: Facts, version: tuple[int, int], code: str) -> None:
    assert [finding.code for finding in target_findings(facts, version)] == [code]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"Devices": [{"PathOnHost": "/dev/kvm"}]}, "live-device"),
        ({"DeviceRequests": [{"Driver": "nvidia"}]}, "live-gpu"),
        ({"PidMode": "host"}, "live-namespace"),
    ],
)
def test_a_container_with_state_outside_is_refused(said: dict[str, Any], code: str) -> None:
    findings = list(container_findings(replace(MOVABLE, host_config=said)))
    assert [finding.code for finding in findings if finding.severity == "error"] == [code]


def test_whether_connections_go_on_is_said() -> None:
    assert address_moves(MOVABLE)
    assert [finding.code for finding in container_findings(MOVABLE)] == ["connections-go-on"]
    bridge = replace(MOVABLE, networks=(replace(LAN, network=NetworkSpec("lan", "bridge")),))
    assert not address_moves(bridge)
    assert [finding.code for finding in container_findings(bridge)] == ["connections-end"]


def test_the_two_containers_have_together_what_the_one_had() -> None:
    whole = replace(
        MOVABLE,
        config={"Hostname": "cache", "Env": ["A=1"]},
        host_config={"Dns": ["198.18.0.1"], "Memory": 1 << 30, "Sysctls": {"net.a": "1", "kernel.b": "2"}},
    )
    body = sandbox_body(whole, image="sandbox:1", hostname="cache", api_version=(1, 45))
    moved = moved_spec(whole, configuration="/run/criu.conf")
    assert (body["Hostname"], body["Labels"][LABEL], body["HostConfig"]["Dns"]) == ("cache", "web", ["198.18.0.1"])
    assert body["HostConfig"]["NetworkMode"] == "none"
    assert "Env" not in body
    assert body["HostConfig"]["Sysctls"] == {"net.a": "1"}
    assert moved.network_mode == "container:web-sandbox"
    assert moved.config == {"Env": ["A=1"]}
    assert moved.host_config["Memory"] == 1 << 30
    assert moved.host_config["Sysctls"] == {"kernel.b": "2"}
    assert moved.host_config["Annotations"] == {CONFIGURATION: "/run/criu.conf"}
    ((network, endpoint),) = endpoints(whole)
    assert (network, endpoint["IPAMConfig"]["IPv4Address"]) == ("lan", "198.18.0.50")
    assert endpoint["Aliases"] == ["db", "web"]


def test_what_criu_says_is_explained_where_it_is_known() -> None:
    known = "sockets: Can't get 1:16 opt: Operation not supported"
    assert explained(known).startswith(known)
    assert "CRIU 4.2 can" in explained(known)
    assert explained("something else") == "something else"
