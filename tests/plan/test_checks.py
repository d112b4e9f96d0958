from dataclasses import replace

import pytest

from tests.plan.observed import FOLDER, FREE, SEEN, SPEC, seen
from transship.hosts.facts_script import Listener
from transship.plan.checks import PLAIN_RULES, RULES
from transship.plan.checks import check as check_rules
from transship.plan.copied import ALWAYS_THERE
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.spec.model import Mount, NetworkAttachment, NetworkSpec, VolumeSpec

BIND = Mount("bind", "/srv/data", "/data", read_only=False, form="string")
VOLUME = VolumeSpec("data", "local", anonymous=False, destination="/data", options={}, labels={})
BACK = NetworkAttachment(NetworkSpec("back", "bridge"))
ELSEWHERE = NetworkSpec("back", "bridge", ipam={"Config": [{"Subnet": "10.8.0.0/16"}]})
PORT = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}
LOCAL_PORT = {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}}
OPEN = Listener("tcp", "0.0.0.0", 8080)  # noqa: S104 - nothing is bound here

CASES: list[tuple[str, str, Observation, MoveOptions]] = [
    ("error", "container-state", seen(state={"status": "paused"}), MoveOptions()),
    ("error", "container-state", seen(state={"status": "restarting"}), MoveOptions()),
    ("error", "auto-remove", seen(spec={"host_config": {"AutoRemove": True}}), MoveOptions()),
    ("error", "borrowed-network", seen(spec={"network_mode": "container:db"}), MoveOptions()),
    ("error", "lent-network", seen(company={"dependants": ("sidecar",)}), MoveOptions()),
    ("error", "linked", seen(spec={"host_config": {"Links": ["db:db"]}}), MoveOptions()),
    ("error", "swarm-task", seen(spec={"config": {"Labels": {"com.docker.swarm.task.id": "x"}}}), MoveOptions()),
    ("note", "compose", seen(spec={"config": {"Labels": {"com.docker.compose.project": "x"}}}), MoveOptions()),
    ("error", "borrowed-namespace", seen(spec={"host_config": {"PidMode": "container:db"}}), MoveOptions()),
    ("error", "borrowed-namespace", seen(spec={"host_config": {"IpcMode": "container:db"}}), MoveOptions()),
    ("error", "same-host", seen(there={"has_source": True}), MoveOptions()),
    ("error", "platform", seen(spec={"image": replace(SPEC.image, platform="linux/arm64")}), MoveOptions()),
    ("error", "platform", seen(target={"architecture": "arm", "variant": "v7"}), MoveOptions()),
    ("error", "name-taken", seen(there={"containers": frozenset({"web"})}), MoveOptions()),
    ("error", "name", seen(), MoveOptions(name="-x")),
    (
        "error",
        "port-taken",
        seen(spec={"host_config": PORT}, there={"published": {("::", "8080/tcp"): "x"}}),
        MoveOptions(),
    ),
    ("error", "port-taken", seen(spec={"host_config": PORT}, target={"listeners": (OPEN,)}), MoveOptions()),
    ("error", "port-taken", seen(spec={"host_config": LOCAL_PORT}, target={"listeners": (OPEN,)}), MoveOptions()),
    ("error", "bind-mount", seen(spec={"mounts": (BIND,)}), MoveOptions()),
    ("error", "bind-mount", seen(spec={"mounts": (BIND,)}), MoveOptions(binds="copy")),
    (
        "warning",
        "lost-field",
        seen(spec={"host_config": {"Annotations": {"a": "b"}}}, there={"api_version": (1, 41)}),
        MoveOptions(),
    ),
    ("warning", "bind-skipped", seen(spec={"mounts": (BIND,)}), MoveOptions(binds="skip")),
    (
        "error",
        "bind-missing",
        seen(spec={"mounts": (BIND,)}, there={"paths": {"/srv/data": FREE}}),
        MoveOptions(binds="expect"),
    ),
    (
        "warning",
        "bind-unseen",
        seen(spec={"mounts": (BIND,)}, there={"paths": None}),
        MoveOptions(binds="expect"),
    ),
    ("error", "volume", seen(spec={"volumes": (VOLUME,)}), MoveOptions()),
    ("warning", "volume-empty", seen(spec={"volumes": (VOLUME,)}), MoveOptions(without_volumes=True)),
    (
        "error",
        "volume-exists",
        seen(spec={"volumes": (VOLUME,)}, there={"volumes": frozenset({"data"})}),
        MoveOptions(without_volumes=True),
    ),
    (
        "error",
        "swarm-network",
        seen(spec={"networks": (NetworkAttachment(NetworkSpec("mesh", "overlay", scope="swarm")),)}),
        MoveOptions(),
    ),
    (
        "error",
        "network-driver",
        seen(spec={"networks": (NetworkAttachment(NetworkSpec("x", "weave")),)}),
        MoveOptions(),
    ),
    (
        "error",
        "network-differs",
        seen(spec={"networks": (BACK,)}, there={"networks": {"back": NetworkSpec("back", "macvlan")}}),
        MoveOptions(),
    ),
    (
        "error",
        "network-address",
        seen(spec={"networks": (replace(BACK, ipv4="10.9.0.7"),)}, there={"networks": {"back": ELSEWHERE}}),
        MoveOptions(),
    ),
    ("error", "runtime", seen(spec={"host_config": {"Runtime": "nvidia"}}), MoveOptions()),
    ("error", "log-driver", seen(spec={"host_config": {"LogConfig": {"Type": "loki"}}}), MoveOptions()),
    ("note", "unknown-field", seen(state={"unknown_fields": ("HostConfig.New",)}), MoveOptions()),
    ("note", "tag-differs", seen(there={"foreign_tags": frozenset({"nginx:1"})}), MoveOptions()),
    ("error", "no-space", seen(target={"docker_free_bytes": 50_000_000}), MoveOptions()),
]


def check(observed: Observation, options: MoveOptions) -> tuple[Finding, ...]:
    return check_rules(observed, options, (*RULES, *PLAIN_RULES))


def test_an_ordinary_move_has_no_findings() -> None:
    assert check(SEEN, MoveOptions()) == ()


@pytest.mark.parametrize(
    ("severity", "code", "observed", "options"), CASES, ids=[f"{c[1]}-{i}" for i, c in enumerate(CASES)]
)
def test_a_trap_is_found_and_explained(severity: str, code: str, observed: Observation, options: MoveOptions) -> None:
    (finding,) = check(observed, options)
    assert (finding.severity, finding.code) == (severity, code)
    assert finding.message
    assert finding.hint or severity != "error", "an error says what to do"
    assert "\n" not in finding.message


@pytest.mark.parametrize(
    ("observed", "options"),
    [
        (
            seen(spec={"host_config": LOCAL_PORT}, target={"listeners": (Listener("tcp", "127.0.0.2", 8080),)}),
            MoveOptions(),
        ),
        (seen(spec={"host_config": PORT}, target={"listeners": (Listener("udp", "0.0.0.0", 8080),)}), MoveOptions()),  # noqa: S104
        (seen(spec={"host_config": PORT}, there={"published": {("", "8080/udp"): "dns"}}), MoveOptions()),
        (seen(spec={"host_config": PORT}, target={"listeners": None}), MoveOptions()),
        (
            seen(spec={"host_config": LOCAL_PORT}, there={"published": {("10.0.0.1", "8080/tcp"): "x"}}),
            MoveOptions(),
        ),
        (
            seen(
                spec={"host_config": PORT, "network_mode": "host"},
                state={"listeners": ()},
                target={"listeners": (OPEN,)},
            ),
            MoveOptions(),
        ),
        (seen(spec={"host_config": {"LogConfig": {"Type": "none"}}}), MoveOptions()),
        (seen(spec={"image": replace(SPEC.image, platform="linux/386")}), MoveOptions()),
        (seen(spec={"image": replace(SPEC.image, platform="linux")}), MoveOptions()),
        (seen(spec={"networks": (BACK,)}, there={"networks": {"back": ELSEWHERE}}), MoveOptions()),
        (
            seen(spec={"networks": (replace(BACK, ipv4="10.8.0.7"),)}, there={"networks": {"back": ELSEWHERE}}),
            MoveOptions(),
        ),
        (seen(spec={"networks": (BACK,)}, there={"networks": {"back": BACK.network}}), MoveOptions()),
        (seen(spec={"networks": (BACK,)}), MoveOptions()),
        (seen(there={"containers": frozenset({"web"})}), MoveOptions(name="web2")),
        (seen(target={"docker_free_bytes": 0}, there={"image": "sha256:1"}), MoveOptions()),
        (seen(target={"docker_free_bytes": None}), MoveOptions()),
        (seen(spec={"mounts": (BIND,)}, there={"paths": {"/srv/data": FOLDER}}), MoveOptions(binds="expect")),
    ],
)
def test_what_is_no_trap_is_not_found(observed: Observation, options: MoveOptions) -> None:
    assert check(observed, options) == ()


@pytest.mark.parametrize(
    "path", ["/var/run/docker.sock", "/run/docker.sock", "/proc", "/sys/fs/cgroup", "/dev/fuse", "/etc/localtime"]
)
def test_paths_that_every_host_has_are_mounted_again(path: str) -> None:
    bind = replace(BIND, source=path)
    assert check(seen(spec={"mounts": (bind,)}), MoveOptions()) == ()


def test_a_task_is_moved_by_its_own_command() -> None:
    labels = {"com.docker.swarm.task.id": "x", "com.docker.swarm.service.name": "web"}
    (found,) = [
        each for each in check(seen(spec={"config": {"Labels": labels}}), MoveOptions()) if each.code == "swarm-task"
    ]
    assert "transship swarm move web" in found.hint


@pytest.mark.parametrize("path", ["/", "/etc", "/var/run", "/devices", "/home/dev", "/procure", "/etc/localtime.d"])
def test_other_system_paths_are_not_taken_for_those(path: str) -> None:
    assert not ALWAYS_THERE.fullmatch(path)
