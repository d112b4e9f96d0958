"""A coordinator that is killed, and a manager that is lost."""

import json
from pathlib import Path

import pytest

from tests.swarm.conftest import SERVES, Cluster
from transship.swarm.record import CLAIM

pytestmark = pytest.mark.lab

VOLUME = ("--mount", "type=volume,source=data,target=/data")
IMPATIENT = """
import transship.undo
transship.undo.PATIENCE_S = 2.0
from transship.cli.main import run
run()
"""
"""The command, but for how long it waits for a manager that is gone when it leads back."""
HOME = ("--constraint", "node.hostname==h2")


def recovered(cluster: Cluster, *words: str) -> list[dict[str, str]]:
    done = cluster.transship("recover", "--yes", "--json", *words)
    assert done.code == 0, done.err
    found: list[dict[str, str]] = done.result["services"]
    return found


@pytest.mark.parametrize(
    ("phase", "end"), [("round-1", "abort"), ("stop", "recover"), ("last-round", "recover"), ("change", "recover")]
)
def test_a_killed_coordinator_is_recovered(cluster: Cluster, phase: str, end: str) -> None:
    cluster.create("db", SERVES, *HOME, *VOLUME)
    cluster.h2.output(["sh", "-c", "echo kept > /var/lib/docker/volumes/data/_data/kept"])
    before = cluster.spec("db")
    cluster.kill_at(phase, "db", "h3")
    assert CLAIM in cluster.spec("db")["Labels"]
    (told,) = json.loads(cluster.transship("status", "--json").out.splitlines()[-1])["services"]
    assert told["service"] == "db"
    refused = cluster.move("db", "h3")
    assert refused.code == 3
    assert "was cut off" in refused.err

    ended = cluster.transship(end, told["migration"], "--yes", "--json")
    assert ended.code == 0, ended.err
    (done,) = ended.result["services"]
    (where,) = cluster.nodes_of("db")
    if done["would"] == "finish":
        assert phase == "change", "before that nothing is on h3"
        assert where == "h3"
        assert cluster.h3.output(["cat", "/var/lib/docker/volumes/data/_data/kept"]) == "kept\n"
    else:
        assert (done["would"], where) == ("bring-back", "h2")
        assert cluster.spec("db") == before
        left = cluster.h3.output(["docker", "volume", "ls", "-q"]).split()
        assert left == [] or (phase == "change" and left == ["data"]), "only what it may have written stays"
    assert cluster.availability(cluster.h3) == ("active", {}), "nobody is at work any more"
    assert CLAIM not in cluster.spec("db")["Labels"]
    assert recovered(cluster) == []


def test_another_machine_leaves_alone_what_is_under_way_and_ends_what_was_cut_off(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.create("db", SERVES, *HOME, *VOLUME)
    cluster.h2.output(["dd", "if=/dev/urandom", "of=/var/lib/docker/volumes/data/_data/blob", "bs=1M", "count=30"])
    before = cluster.spec("db")
    words = ("--yes", "--json", "--host", cluster.address(cluster.h1))

    def elsewhere() -> dict[str, str]:
        done = cluster.transship("--state-dir", str(tmp_path / "elsewhere"), "recover", *words)
        assert done.code == 0, done.err
        (told,) = done.result["services"]
        return dict(told)

    with cluster.start("swarm", "move", "db", "--to", "h3", *cluster.reach, "--limit-rate", "50KiB/s") as process:
        cluster.await_phase(process, "round-1")
        assert elsewhere()["would"] == "wait"
        assert CLAIM in cluster.spec("db")["Labels"]
        assert process.poll() is None
        process.kill()
    assert elsewhere()["would"] == "bring-back"
    assert (cluster.spec("db"), cluster.nodes_of("db")) == (before, ["h2"])
    assert cluster.availability(cluster.h3) == ("active", {})


def test_a_drain_that_was_cut_off_gives_the_node_back(cluster: Cluster) -> None:
    cluster.create("web", SERVES)
    (source,) = cluster.nodes_of("web")
    target = "h3" if source == "h2" else "h2"
    before = cluster.spec("web")
    cluster.kill_at("arrive", "web", target, "--method", "drain")
    recovered(cluster)
    assert cluster.availability(cluster.lab.hosts[source]) == ("active", {})
    assert cluster.spec("web") == before
    assert len(cluster.nodes_of("web")) == 1


def test_a_lost_manager_is_said_and_recovered_when_it_is_back(cluster: Cluster) -> None:
    cluster.create("db", SERVES, *HOME, *VOLUME, "--stop-grace-period", "1s")
    before = cluster.spec("db")
    words = ("swarm", "move", "db", "--to", "h3", *cluster.reach, "--timeout", "5s")
    move = cluster.start(*words, program=("-c", IMPATIENT))
    with move:
        assert move.stderr is not None
        for line in move.stderr:
            if line.strip().startswith("stop:"):
                break
        cluster.h1.cut()
        said = move.stderr.read()
    try:
        assert move.returncode == 6, said
        assert "could not be led back" in said
    finally:
        cluster.h1.mend()
    (done,) = recovered(cluster)
    assert done["would"] == "bring-back"
    assert cluster.spec("db") == before
    assert cluster.nodes_of("db") == ["h2"]
