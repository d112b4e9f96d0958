import json
import time
from dataclasses import replace

import pytest

from transship.errors import CommandError
from transship.hosts.base import Completed
from transship.hosts.facts import CRIU_FEATURES, Facts, measure_link, observe_criu, observe_host
from transship.hosts.facts_script import GATHER_SCRIPT, Listener, read_answer
from transship.hosts.fake import FakeDocker, FakeHost
from transship.hosts.open import open_host
from transship.lab import Lab

ANSWER = b"""root=sudo
docker_free=1000
temporary_free=500
python=/usr/bin/python3
python_version=Python 3.13.5
criu=Version: 4.1.1
memory_available=4096
tcp=00000000:0016
tcp=0100007F:1F90
tcp6=00000000000000000000000000000000:0016
tcp6=B80D0120000000000000000001000000:01BB
udp=3500007F:0035
"""


def gathering(answer: bytes) -> FakeHost:
    return FakeHost(programs=lambda _argv, _stdin: Completed(0, answer, b""))


def test_addresses_of_listeners_are_read_as_the_kernel_writes_them() -> None:
    _, listeners = read_answer(ANSWER.decode())
    assert listeners == (
        Listener("tcp", "0.0.0.0", 22),  # noqa: S104
        Listener("tcp", "127.0.0.1", 8080),
        Listener("tcp", "2001:db8::1", 443),
        Listener("tcp", "::", 22),
        Listener("udp", "127.0.0.53", 53),
    )


def test_facts_have_what_docker_and_the_host_tell() -> None:
    facts = observe_host(gathering(ANSWER))
    assert (facts.platform, facts.image_store, facts.rootless, facts.userns_remap) == (
        "linux/amd64",
        "graphdriver",
        False,
        False,
    )
    assert (facts.root_access, facts.python_path, facts.python_version) == ("sudo", "/usr/bin/python3", "3.13.5")
    assert (facts.docker_free_bytes, facts.temporary_free_bytes) == (1_024_000, 512_000)
    assert (facts.memory_available_bytes, facts.criu_version) == (4_194_304, "4.1.1")
    assert abs(facts.clock_skew_s) <= facts.clock_uncertainty_s + 0.001


def test_host_that_says_nothing_leaves_facts_open() -> None:
    facts = observe_host(gathering(b"\ngarbage\n"))
    assert (facts.root_access, facts.python_version, facts.criu_version, facts.listeners) == ("docker", None, None, ())


def test_host_with_its_api_alone_has_no_facts_of_the_shell() -> None:
    facts = observe_host(FakeHost())
    assert not facts.can_run
    assert (facts.root_access, facts.listeners, facts.docker_free_bytes, facts.python_path) == (None,) * 4
    assert observe_criu(FakeHost(), facts) == facts


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}, {"image_store": "containerd"}),
        ({"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}, {"rootless": True}),
        ({"SecurityOptions": ["name=userns"]}, {"userns_remap": True}),
        ({"Architecture": "armv7l"}, {"variant": "v7"}),
        ({"Swarm": {"LocalNodeState": "active", "ControlAvailable": True}}, {"swarm_manager": True}),
        ({"ExperimentalBuild": True, "LiveRestoreEnabled": True}, {"experimental": True, "live_restore": True}),
        ({"SystemTime": "2026-01-02T03:04:05.123456789+01:00"}, {}),
    ],
)
def test_words_of_the_daemon_become_facts(told: dict[str, object], wanted: dict[str, object]) -> None:
    docker = FakeDocker()
    docker.daemon.update(told)
    facts = observe_host(FakeHost(docker=docker))
    assert {key: getattr(facts, key) for key in wanted} == wanted


def test_other_docker_root_is_asked_for_its_own_space() -> None:
    asked: list[str] = []

    def answer(argv: object, stdin: bytes) -> Completed:
        assert isinstance(argv, list)
        asked.append(argv[-1])
        return Completed(0, b"docker_free=%d" % len(asked), b"")

    host = FakeHost(programs=answer)
    host.docker.daemon["DockerRootDir"] = "/data/docker"
    assert observe_host(host).docker_free_bytes == 2048
    assert asked == ["/var/lib/docker", "/data/docker"]


def test_facts_survive_json() -> None:
    facts = replace(observe_host(gathering(ANSWER)), criu_features=("timens",))
    assert Facts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
    with pytest.raises(TypeError):
        Facts.from_json({**facts.to_json(), "unknown": 1})


def test_script_that_fails_is_an_error() -> None:
    with pytest.raises(CommandError):
        observe_host(FakeHost(programs=lambda _argv, _stdin: Completed(2, b"", b"")))


@pytest.mark.lab
@pytest.mark.parametrize(("user", "access"), [("root", "root"), ("mover", "docker")])
def test_real_host_is_observed(hosts_lab: Lab, user: str, access: str) -> None:
    node = hosts_lab.hosts["h1"]
    with open_host(f"ssh://{user}@{node.ssh_alias}", ssh_config=hosts_lab.ssh_config) as host:
        facts = observe_host(host)
        assert (facts.root_access, facts.system, facts.storage_driver) == (access, "linux", "overlay2")
        assert facts.docker_free_bytes
        assert facts.python_version
        assert facts.criu_version
        assert facts.listeners
        assert Listener("tcp", "0.0.0.0", 22) in facts.listeners  # noqa: S104
        assert abs(facts.clock_skew_s) <= facts.clock_uncertainty_s
        features = observe_criu(host, facts).criu_features
        assert features is None if user != "root" else set(features or ()) < set(CRIU_FEATURES)
        fastest = min(_seconds(host) for _ in range(3))
        assert fastest < 0.25


def _seconds(host: object) -> float:
    began = time.monotonic()
    observe_host(host)  # type: ignore[arg-type]
    return time.monotonic() - began


@pytest.mark.lab
def test_way_to_sudo_is_found(hosts_lab: Lab) -> None:
    node = hosts_lab.hosts["h1"]
    done = node.run(["su", "admin", "-c", "sh -s -- /"], stdin=GATHER_SCRIPT)
    assert read_answer(done.stdout.decode())[0]["root"] == "sudo"


@pytest.mark.lab
def test_rate_of_a_link_is_measured(hosts_lab: Lab) -> None:
    node = hosts_lab.hosts["h1"]
    with open_host(f"ssh://{node.ssh_alias}", ssh_config=hosts_lab.ssh_config) as host:
        node.set_rate("80mbit")
        try:
            link = measure_link(host, seconds=0.3)
        finally:
            node.set_rate(None)
    assert 6e6 < link.up < 13e6
    assert 6e6 < link.down < 13e6


def test_link_of_a_host_with_its_api_alone_cannot_be_measured() -> None:
    with pytest.raises(CommandError):
        measure_link(FakeHost())
