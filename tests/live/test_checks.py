"""What live refuses or says before anything is touched, and what it says of CRIU's own refusals."""

from dataclasses import replace
from typing import Any

import pytest

from tests.plan.observed import SPEC, found, seen
from transship.errors import UsageError
from transship.hosts.memory import MemorySeen
from transship.live.checks import LIVE_RULES, address_moves
from transship.live.refusals import explained
from transship.live.sandbox import Surroundings, endpoints, moved_spec, sandbox_body
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.sandbox.whole import CONFIGURATION, LABEL, whole
from transship.spec.model import NetworkAttachment, NetworkSpec, VolumeSpec

LAN = NetworkAttachment(NetworkSpec("lan", "macvlan"), ipv4="198.18.0.50", aliases=("db",))
MOVABLE = replace(SPEC, network_mode="lan", networks=(LAN,))
CRIU: dict[str, Any] = {
    "experimental": True,
    "criu_version": "4.2.1",
    "criu_features": ("uffd-noncoop",),
    "cpu_features": ("sse2",),
    "memory_available_bytes": 4_000_000_000,
}
REMOTE = VolumeSpec("media", "local", anonymous=False, destination="/media", options={"type": "nfs"}, labels={})
GOES_ON = "note connections-go-on"


def ready(**changes: dict[str, Any]) -> Observation:
    """A container that can move live between two hosts that can do that, but for what a test says."""
    words: dict[str, dict[str, Any]] = {
        "source": CRIU,
        "target": CRIU,
        "spec": {"network_mode": "lan", "networks": (LAN,)},
        "state": {"memory": MemorySeen(100_000_000, 3)},
        "there": {},
    }
    return seen(**{part: {**said, **changes.get(part, {})} for part, said in words.items()})


def test_what_can_move_is_told_that_its_connections_go_on() -> None:
    assert found(ready(), LIVE_RULES) == [GOES_ON]


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"experimental": False}, "no-live"),
        ({"criu_version": None}, "no-live"),
        ({"root_access": "docker"}, "live-root"),
        ({"criu_problem": "Dirty tracking is OFF"}, "criu-check"),
        ({"criu_features": ()}, "no-userfaultfd"),
        ({"memory_available_bytes": 100_000_000}, "live-memory"),
    ],
)
def test_a_host_that_lacks_something_is_refused(side: str, facts: dict[str, Any], code: str) -> None:
    assert found(ready(**{side: facts}), LIVE_RULES) == [f"error {code}", GOES_ON]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"source": {"cpu_features": ("avx512f", "sse2")}}, "live-cpu"),
        ({"target": {"architecture": "riscv64"}}, "no-sandbox"),
        ({"there": {"api_version": (1, 42)}}, "no-annotations"),
        ({"there": {"containers": frozenset({"web-sandbox"})}}, "sandbox-name"),
        ({"spec": {"host_config": {"Devices": [{"PathOnHost": "/dev/kvm"}]}}}, "live-device"),
        ({"spec": {"host_config": {"DeviceRequests": [{"Driver": "nvidia"}]}}}, "live-gpu"),
        ({"spec": {"host_config": {"Runtime": "nvidia"}}}, "live-runtime"),
        ({"spec": {"volumes": (REMOTE,)}}, "live-volume"),
        ({"spec": {"host_config": {"PidMode": "host"}}}, "live-namespace"),
        ({"state": {"exec_sessions": 1}}, "live-exec"),
        ({"state": {"exec_sessions": 2, "health": "healthy"}}, "live-exec"),
        ({"state": {"memory": MemorySeen(1, 1, traced=True)}}, "live-traced"),
        ({"state": {"memory": MemorySeen(1, 1, rings=True)}}, "live-io-uring"),
        ({"state": {"status": "exited"}}, "live-stopped"),
    ],
)
def test_what_cannot_go_on_elsewhere_is_refused(changes: dict[str, dict[str, Any]], code: str) -> None:
    assert found(ready(**changes), LIVE_RULES) == [f"error {code}", GOES_ON]


def test_a_health_check_may_run_beforehand() -> None:
    assert found(ready(state={"exec_sessions": 1, "health": "healthy"}), LIVE_RULES) == [GOES_ON]


def test_connections_of_an_address_that_stays_are_said_to_end() -> None:
    assert address_moves(MOVABLE)
    bridge = replace(LAN, network=NetworkSpec("lan", "bridge"))
    assert found(ready(spec={"networks": (bridge,)}), LIVE_RULES) == ["warning connections-end"]


def test_the_risk_of_memory_that_comes_later_is_stated() -> None:
    options = MoveOptions(strategy="live", post_copy=True)
    assert found(ready(), LIVE_RULES, options) == [GOES_ON, "warning post-copy"]
    assert found(ready(), LIVE_RULES, MoveOptions(strategy="live", path="direct")) == [GOES_ON, "error live-path"]


def test_only_live_has_memory_come_later() -> None:
    with pytest.raises(UsageError, match="--post-copy"):
        MoveOptions(strategy="sync", post_copy=True)


def test_the_two_containers_have_together_what_the_one_had() -> None:
    whole = replace(
        MOVABLE,
        config={"Hostname": "cache", "Env": ["A=1"]},
        host_config={"Dns": ["198.18.0.1"], "Memory": 1 << 30, "Sysctls": {"net.a": "1", "kernel.b": "2"}},
    )
    body = sandbox_body(whole, Surroundings("sandbox:1", "cache", "/run/docker.sock", (1, 45)))
    moved = moved_spec(whole, configuration="/run/criu.conf")
    assert (body["Hostname"], body["Labels"][LABEL], body["HostConfig"]["Dns"]) == ("cache", "web", ["198.18.0.1"])
    assert body["HostConfig"]["NetworkMode"] == "none"
    assert [mount["Source"] for mount in body["HostConfig"]["Mounts"]] == ["/run/docker.sock"]
    assert body["Cmd"][1].startswith("GET /containers/web/json ")
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


def test_the_two_containers_are_together_what_the_one_was() -> None:
    one = replace(
        MOVABLE,
        image=replace(SPEC.image, config={"ExposedPorts": {"80/tcp": {}}}),
        config={"Hostname": "cache", "Env": ["A=1"]},
        host_config={
            "Dns": ["198.18.0.1"],
            "Memory": 1 << 30,
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
            "Sysctls": {"kernel.b": "2", "net.a": "1"},
        },
    )
    # As Docker tells of the sandbox: it exposes what the image does, and has a name more.
    sandbox = replace(
        one,
        name="web-sandbox",
        networks=(replace(LAN, aliases=("db", "web")),),
        config={"Hostname": "cache", "ExposedPorts": {"80/tcp": {}}},
        host_config={key: one.host_config[key] for key in ("Dns", "PortBindings")} | {"Sysctls": {"net.a": "1"}},
    )
    assert whole(moved_spec(one, configuration="/run/criu.conf"), sandbox) == one
    nameless = replace(one, config={"Env": ["A=1"]})
    called_by_docker = replace(sandbox, config={"Hostname": "0123456789ab"})
    assert whole(moved_spec(nameless, configuration="/run/criu.conf"), called_by_docker) == nameless


def test_what_criu_says_is_explained_where_it_is_known() -> None:
    known = "sockets: Can't get 1:16 opt: Operation not supported"
    assert explained(known).startswith(known)
    assert "CRIU 4.2 can" in explained(known)
    assert explained("something else") == "something else"
