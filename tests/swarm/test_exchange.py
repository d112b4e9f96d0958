"""A container becomes a service on its node, and a service a container."""

import json
from typing import Any

import pytest

from tests.swarm.conftest import PORT, SERVES, Cluster, wait_for
from transship.lab.node import Node
from transship.metrics.downtime import Probe

pytestmark = pytest.mark.lab

PROBE = Probe("http", PORT, "/kept")


def inspect(node: Node, container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.output(["docker", "inspect", container]))[0]
    return found


def run_plain(cluster: Cluster, *words: str, program: str = SERVES) -> None:
    options = (
        "--name",
        "web",
        "--restart",
        "unless-stopped",
        "-v",
        "data:/www",
        "-p",
        f"{PORT}:80",
        "-e",
        "A=1",
        *words,
    )
    cluster.h2.output(["docker", "run", "-d", *options, "busybox", "sh", "-c", program])
    cluster.h2.output(["sh", "-c", "echo kept > /var/lib/docker/volumes/data/_data/kept"])


def adopt(cluster: Cluster, *words: str) -> tuple[int, str]:
    done = cluster.transship("swarm", "adopt", "web", "--on", cluster.address(cluster.h2), *cluster.reach[:2], *words)
    return done.code, done.out + done.err


def test_a_container_becomes_a_service_and_a_container_again(cluster: Cluster) -> None:
    run_plain(cluster, "--label", "mine=1", "--cap-add", "NET_ADMIN")
    code, said = adopt(cluster)
    assert code == 0, said
    assert cluster.nodes_of("web") == ["h2"]
    assert PROBE.answers(cluster.h2.address)
    container = cluster.spec("web")["TaskTemplate"]["ContainerSpec"]
    assert (container["Env"], container["Labels"]) == (["A=1"], {"mine": "1"})
    names = cluster.h2.output(["docker", "ps", "-a", "--format", "{{.Names}} {{.State}}"]).splitlines()
    (left,) = (each for each in names if each.startswith("web.adopted."))
    assert left.endswith("exited")

    refused = cluster.transship("swarm", "release", "web", *cluster.reach)
    assert refused.code == 3, "what its task wrote is lost: that is asked"
    done = cluster.transship("swarm", "release", "web", *cluster.reach, "--yes")
    assert done.code == 0, done.err
    assert PROBE.answers(cluster.h2.address)
    assert cluster.h1.output(["docker", "service", "ls", "-q"]).split() == []
    again = inspect(cluster.h2, "web")
    assert again["Config"]["Labels"] == {"mine": "1"}
    assert again["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert again["HostConfig"]["CapAdd"] == ["CAP_NET_ADMIN"]
    assert [each["Name"] for each in again["Mounts"]] == ["data"]


def test_what_cannot_be_kept_is_asked_about_and_nothing_is_touched(cluster: Cluster) -> None:
    run_plain(cluster, "--privileged")
    before = inspect(cluster.h2, "web")
    code, said = adopt(cluster)
    assert code == 3
    assert "Privileged" in said
    assert inspect(cluster.h2, "web")["State"] == before["State"]


def test_a_service_that_does_not_come_up_gives_the_container_back(cluster: Cluster) -> None:
    needs_its_own_file = f"test -e /www/started && test ! -e /mine && exit 3; touch /www/started /mine; {SERVES}"
    run_plain(cluster, program=needs_its_own_file)
    before = inspect(cluster.h2, "web")
    code, said = adopt(cluster, "--yes")
    assert code == 4, said
    assert "non-zero exit (3)" in said
    assert cluster.h1.output(["docker", "service", "ls", "-q"]).split() == []
    after = inspect(cluster.h2, "web")
    assert after["Id"] == before["Id"]
    wait_for(lambda: PROBE.answers(cluster.h2.address))
    assert after["HostConfig"]["RestartPolicy"] == before["HostConfig"]["RestartPolicy"]


def test_configs_and_secrets_stay_inside_the_swarm(cluster: Cluster) -> None:
    cluster.h1.output(["sh", "-c", "echo hidden | docker secret create key -"])
    cluster.create("web", SERVES, "--constraint", "node.hostname==h2", "--secret", "key")
    done = cluster.transship("swarm", "release", "web", *cluster.reach, "--yes")
    assert done.code == 3
    assert "are not read out" in done.err
    assert "hidden" not in done.err
    cluster.h1.output(["docker", "service", "rm", "web"])
    cluster.h1.output(["docker", "secret", "rm", "key"])
