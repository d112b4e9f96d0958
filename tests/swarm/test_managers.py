"""A swarm of three managers, one of which is lost while a service moves."""

from collections.abc import Iterator

import pytest

from tests.conftest import own_name
from tests.swarm.conftest import Cluster, Ended, made_swarm, wait_for
from transship.lab import HostOptions, Lab, LabOptions

pytestmark = pytest.mark.lab

STUBBORN = "trap '' TERM; while :; do sleep 1; done"
LONG_S = 180.0


@pytest.fixture
def managers() -> Iterator[Cluster]:
    """A swarm of its own, as the others need theirs: h1 leads, and web runs on h2."""
    with Lab(LabOptions(name=own_name(), hosts=(HostOptions(),) * 3)) as lab:
        made = made_swarm(lab)
        made.h1.output(["docker", "node", "promote", "h2", "h3"])
        wait_for(lambda: states(made, "h1") == ["Leader", "Reachable", "Reachable"], LONG_S)
        lab.load(made.h2, "busybox")
        words = ("--detach", "--no-resolve-image", "--name", "web", "--constraint", "node.hostname==h2")
        grace = ("--stop-grace-period", "5s", "--update-monitor", "1s")
        made.h1.output(["docker", "service", "create", *words, *grace, "busybox", "sh", "-c", STUBBORN])
        wait_for(lambda: made.nodes_of("web") == ["h2"])
        yield made


def states(made: Cluster, asked: str) -> list[str]:
    """What a node says the managers are; nothing while it cannot say."""
    done = made.lab.hosts[asked].run(["docker", "node", "ls", "--format", "{{.ManagerStatus}}"])
    return sorted(done.stdout.decode().split())


def moving(made: Cluster, to: str, manager: str) -> tuple[str, ...]:
    """The words of a move that asks one of the managers."""
    return ("swarm", "move", "web", "--to", to, "--manager", made.address(made.lab.hosts[manager]), *made.reach[2:])


def test_a_leader_that_is_lost_is_waited_for_and_any_manager_may_be_asked_to_recover(managers: Cluster) -> None:
    with managers.start(*moving(managers, "h3", "h2"), "--timeout", "3m") as process:
        managers.await_phase(process, "change")
        managers.h1.stop_dockerd(crash=True)
        out, err = process.communicate(timeout=LONG_S)
    ended = Ended(process.returncode, out, err)
    assert ended.code == 0, ended.err
    assert "its task moved from h2 to h3" in ended.out

    managers.h1.start_dockerd()
    wait_for(lambda: states(managers, "h1") == ["Leader", "Reachable", "Reachable"], LONG_S)
    with managers.start(*moving(managers, "h2", "h1")) as process:
        managers.await_phase(process, "arrive")
        process.kill()
    managers.h1.stop_dockerd(crash=True)
    lost = managers.transship("recover", "--yes", "--json")
    assert lost.code == 6, "the manager that was asked is gone"
    done = managers.transship("recover", "--yes", "--json", "--host", managers.address(managers.h3))
    assert done.code == 0, done.err
    (told,) = done.result["services"]
    assert told["would"] in {"finish", "bring-back"}
    running = managers.h3.output(["docker", "service", "ps", "--filter", "desired-state=running", "--format",
                                  "{{.Node}}", "web"])  # fmt: skip
    assert running.split() == ["h2" if told["would"] == "finish" else "h3"]
    assert managers.transship("recover", "--yes", "--json").result["services"] == []
