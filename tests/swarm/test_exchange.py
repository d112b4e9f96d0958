"""A container becomes a service on its node, and a service a container."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.swarm.conftest import PORT, SERVES, Cluster, wait_for
from transship.hosts.open import open_host
from transship.lab.node import Node
from transship.metrics.downtime import Probe
from transship.observe.source import read_spec
from transship.spec.compare import ALLOWED, differences
from transship.spec.model import ContainerSpec

pytestmark = pytest.mark.lab

PROBE = Probe("http", PORT, "/kept")
DATA = "/var/lib/docker/volumes/data/_data"
KEPT = f"{DATA}/kept"
GRACE = ("--stop-grace-period", "3s")
STUBBORN = "trap '' TERM; httpd -p 80 -h /www; while :; do sleep 0.05; done"
"""Serves /www, and is still there when somebody is killed who waits for its end."""
VOLUME = ("--mount", "type=volume,source=data,target=/www")


def inspect(node: Node, container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.output(["docker", "inspect", container]))[0]
    return found


def read(cluster: Cluster, node: Node, container: str) -> ContainerSpec:
    with open_host(cluster.address(node), ssh_config=cluster.lab.ssh_config) as host:
        return read_spec(host.docker, host.docker.inspect_container(container))


def lost_between(before: ContainerSpec, after: ContainerSpec, *ignored: str) -> list[str]:
    """In what they differ. Mounts are said in another form, and a tmpfs is one of them."""
    return [str(each) for each in differences(before, after, ignore=(*ALLOWED, "mounts", *ignored))]


def run_plain(cluster: Cluster, *words: str, program: str = SERVES) -> None:
    options = ("--name", "web", "--restart", "unless-stopped", "-v", "data:/www", "-p", f"{PORT}:80", "-e", "A=1")
    cluster.h2.output(["docker", "run", "-d", *options, *words, "busybox", "sh", "-c", program])
    cluster.h2.output(["sh", "-c", f"echo kept > {KEPT}"])


def words_of(cluster: Cluster, kind: str) -> tuple[str, ...]:
    where = ("--on", "h2") if kind == "adopt" else ()
    return ("swarm", kind, "web", *where, *cluster.reach)


def adopt(cluster: Cluster, *words: str) -> tuple[int, str]:
    done = cluster.transship(*words_of(cluster, "adopt"), *words)
    return done.code, done.out + done.err


def copies(cluster: Cluster) -> int:
    """How many containers run, on all nodes."""
    return sum(len(node.output(["docker", "ps", "-q"]).split()) for node in (cluster.h1, cluster.h2, cluster.h3))


MUCH = (
    *("--label", "mine=1", "--cap-add", "NET_ADMIN", "--cap-drop", "MKNOD", "--hostname", "own", "--user", "0:0"),
    *("--sysctl", "net.ipv4.ip_unprivileged_port_start=0", "--ulimit", "nofile=1000:2000", "--init", "--tty"),
    *("--tmpfs", "/scratch:size=1m,mode=1770", "--dns", "9.9.9.9", "--dns-search", "example.org"),
    *("--dns-option", "ndots:2", "--add-host", "db:10.0.0.1", "--stop-timeout", "3", "--stop-signal", "SIGTERM"),
    *("--memory", "64m", "--pids-limit", "100", "--group-add", "5", "--interactive"),
    *("--workdir", "/www", "--log-opt", "max-size=1m", "--env", "TEMPLATE={{.Node.Hostname}}"),
    *(
        "--health-cmd",
        "true",
        "--health-interval",
        "1s",
        "--health-start-period",
        "1s",
        "--health-start-interval",
        "1s",
    ),
)


def test_a_container_becomes_a_service_and_a_container_again_with_all_that_swarm_knows(cluster: Cluster) -> None:
    run_plain(cluster, *MUCH)
    before = read(cluster, cluster.h2, "web")
    done = cluster.transship(*words_of(cluster, "adopt"), "--json")
    assert done.code == 0, done.err
    assert (done.result["outcome"], done.result["node"], done.result["differences"]) == ("adopted", "h2", [])
    assert cluster.nodes_of("web") == ["h2"]
    assert PROBE.answers(cluster.h2.address)
    assert cluster.spec("web")["Labels"] == {}
    (task,) = cluster.h2.output(["docker", "ps", "-q"]).split()
    told = ("RestartPolicy", "PortBindings", "Isolation", "MemorySwap", "Tmpfs")  # by the service, or in other words
    ignored = {*(f"host_config.{each}" for each in told), "config.StopTimeout", "config.ExposedPorts", "config.Labels"}
    assert lost_between(before, read(cluster, cluster.h2, task), *ignored, "name") == []
    aside = inspect(cluster.h2, done.result["left"])
    assert aside["State"]["Status"] == "exited"

    refused = cluster.transship(*words_of(cluster, "release"))
    assert refused.code == 3, "what its task wrote is lost: that is asked"
    back = cluster.transship(*words_of(cluster, "release"), "--yes", "--json")
    assert back.code == 0, back.err
    assert back.result["outcome"] == "released"
    assert PROBE.answers(cluster.h2.address)
    assert cluster.h1.output(["docker", "service", "ls", "-q"]).split() == []
    assert copies(cluster) == 1
    after = read(cluster, cluster.h2, "web")
    ignored = {"host_config.MemorySwap", "host_config.Tmpfs", "config.ExposedPorts"}
    assert lost_between(before, after, *ignored) == []
    assert [(mount.source, mount.target) for mount in after.mounts if mount.type == "volume"] == [("data", "/www")]
    told = cluster.transship("history", "--json").result["services"]
    assert [each["method"] for each in told[:2]] == ["release", "adopt"]


def test_what_cannot_be_is_refused_and_nothing_is_touched(cluster: Cluster) -> None:
    run_plain(cluster, "--privileged")
    before = inspect(cluster.h2, "web")["State"]
    code, said = adopt(cluster)
    assert code == 3
    assert "Privileged" in said
    code, said = adopt(cluster, "--at", "h9=ssh://root@nowhere")
    assert (code, "--at h9=" in said, "its nodes are h" in said) == (3, True, True), said
    cluster.h1.output(["docker", "node", "update", "--availability", "pause", "h2"])
    code, said = adopt(cluster, "--yes")
    assert (code, "its availability is pause" in said) == (3, True), said
    cluster.h1.output(["docker", "node", "update", "--availability", "active", "h2"])
    cluster.h2.output(["docker", "rename", "web", "no.name.of.a.service"])
    refused = cluster.transship("swarm", "adopt", "no.name.of.a.service", "--on", "h2", *cluster.reach, "--yes")
    assert (refused.code, "Swarm refuses" in refused.err) == (3, True), refused.err
    assert inspect(cluster.h2, "no.name.of.a.service")["State"] == before
    assert cluster.h1.output(["docker", "service", "ls", "-q"]).split() == []


def test_a_service_that_does_not_come_up_or_is_not_wanted_gives_the_container_back(cluster: Cluster) -> None:
    needs_its_own_file = (
        "if test -e /www/started && test ! -e /mine; then test -e /www/patient || exit 3; "
        f"else touch /www/started /mine; fi; {SERVES}"
    )
    healthy = ("--health-cmd", "test -e /mine", "--health-interval", "1s", "--health-retries", "300")
    run_plain(cluster, *healthy, program=needs_its_own_file)
    before = inspect(cluster.h2, "web")
    code, said = adopt(cluster, "--yes")
    assert code == 4, said
    assert "non-zero exit (3)" in said

    def as_before() -> bool:
        after = inspect(cluster.h2, "web")
        same = (after["Id"], after["HostConfig"]["RestartPolicy"]) == (
            before["Id"],
            before["HostConfig"]["RestartPolicy"],
        )
        return same and cluster.h1.output(["docker", "service", "ls", "-q"]).split() == []

    assert as_before()
    wait_for(lambda: PROBE.answers(cluster.h2.address))
    cluster.h2.output(["touch", f"{DATA}/patient"])  # now its task neither ends nor becomes healthy
    with cluster.start(*words_of(cluster, "adopt"), "--yes") as process:
        cluster.await_phase(process, "arrive")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 4, said
    assert "interrupted; web runs as before" in said
    assert as_before()
    assert copies(cluster) == 1


def test_a_container_that_does_not_come_up_gives_the_service_back_on_its_node(cluster: Cluster) -> None:
    cluster.lab.load(cluster.h3, "busybox")  # it begins on any worker, and must not fail there
    fails_the_second_time = f"cd /www; echo >> count; test $(wc -l < count) -ne 2 || exit 3; {SERVES}"
    cluster.create("web", fails_the_second_time, "--restart-condition", "none", *VOLUME)
    (node,) = cluster.nodes_of("web")
    before = cluster.spec("web")
    done = cluster.transship(*words_of(cluster, "release"), "--yes", "--json")
    assert done.code == 4, done.err
    assert done.result["outcome"] == "rolled-back"
    assert cluster.spec("web") == before
    assert cluster.nodes_of("web") == [node], "another node would have taken it, and does not have its data"
    assert copies(cluster) == 1
    (told,) = [
        each for each in cluster.transship("history", "--json").result["services"] if each["method"] == "release"
    ][:1]
    assert told["outcome"] == "rolled-back"


@pytest.mark.parametrize(
    ("kind", "phase", "then"),
    [
        ("adopt", "stop", ["container"]), ("adopt", "arrive", ["container", "service"]),
        ("adopt", "finish", ["service"]), ("release", "stop", ["service"]),
        ("release", "healthy", ["container"]), ("release", "finish", ["container"]),
    ],
)  # fmt: skip
def test_killed_in_the_middle_it_is_recovered_with_its_data_and_one_copy(
    cluster: Cluster, tmp_path: Path, kind: str, phase: str, then: list[str]
) -> None:
    """Only in `arrive` it depends on who is quicker: Swarm may have been told to start the task, or not."""
    program = STUBBORN if phase == "stop" else SERVES
    healthy = ("--health-cmd", "true", "--health-interval", "3s") if phase == "healthy" else ()
    if kind == "adopt":
        run_plain(cluster, "--stop-timeout", "3", program=program)
    else:
        publish = ("--publish", f"mode=host,target=80,published={PORT}")
        cluster.create("web", program, "--constraint", "node.hostname==h2", *publish, *VOLUME, *healthy, *GRACE)
        cluster.h2.output(["sh", "-c", f"echo kept > {KEPT}"])
    with cluster.start(*words_of(cluster, kind), "--yes") as process:
        cluster.await_phase(process, phase)
        process.kill()
    open_ones = cluster.transship("status", "--json").result["services"]
    assert [(each["service"], each["method"]) for each in open_ones] in (
        [[("web", kind)], []] if phase == "finish" else [[("web", kind)]]
    )
    assert copies(cluster) <= 1
    other = ("--state-dir", str(tmp_path), "status", "--json", "--host", cluster.address(cluster.h1))
    assert [each["would"] for each in cluster.transship(*other).result["services"]] in (
        [["elsewhere"], []] if phase == "finish" else [["elsewhere"]]
    )
    # A manager may be named, among other hosts, instead of the one that was asked.
    named = ("--host", cluster.address(cluster.h2), "--host", cluster.address(cluster.h1)) if phase == "arrive" else ()
    done = cluster.transship("recover", "--yes", "--json", *named)
    assert done.code == 0, done.err
    wait_for(lambda: PROBE.answers(cluster.h2.address))
    assert copies(cluster) == 1
    services = cluster.h1.output(["docker", "service", "ls", "-q"]).split()
    became = "service" if services else "container"
    assert became in then
    ended = [each["would"] for each in done.result["services"]]
    if became != {"adopt": "service", "release": "container"}[kind]:
        assert ended == ["bring-back"]
    else:
        assert ended == ["finish"] or (phase, ended) == ("finish", [])
    assert not services or cluster.spec("web")["Labels"] == {}
    if not services:
        assert inspect(cluster.h2, "web")["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert cluster.transship("recover", "--yes", "--json").result["services"] == []


def test_configs_and_secrets_stay_inside_the_swarm(cluster: Cluster) -> None:
    cluster.h1.output(["sh", "-c", "echo hidden | docker secret create key -"])
    cluster.create("web", SERVES, "--constraint", "node.hostname==h2", "--secret", "key")
    done = cluster.transship(*words_of(cluster, "release"), "--yes")
    assert done.code == 3
    assert "are not read out" in done.err
    assert "hidden" not in done.err
    cluster.h1.output(["docker", "service", "rm", "web"])
    cluster.h1.output(["docker", "secret", "rm", "key"])
