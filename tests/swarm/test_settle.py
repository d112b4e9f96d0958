"""Claiming a service, changing it, and both ends of a move, on a swarm in memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.swarm.test_recovery_rules import connected
from tests.swarm.told import record, service_told
from transship.errors import DockerDownError, EndedError, LockedError, UnhealthyError
from transship.swarm import watch as watching
from transship.swarm.api import unpin
from transship.swarm.change import claim, claimed_by, edit_node, edit_service, is_drained_by
from transship.swarm.edits import before, constrained, drained, hurried, labelled, scaled
from transship.swarm.fake import FakeSwarm
from transship.swarm.model import Node, Service, replicas_of
from transship.swarm.pins import Pins
from transship.swarm.reach import Reach
from transship.swarm.record import CLAIM, DRAINED, PIN, ServiceMove
from transship.swarm.settle import finish, go_back, is_at
from transship.swarm.watch import Goal, Watch, tasks_of
from transship.undo import Patience

NODES = {"h1": "h1-id", "h2": "h2-id", "h3": "h3-id"}
HOME = Goal(1, frozenset({"h2-id"}))
AWAY = Goal(1, frozenset({"h3-id"}))


@pytest.fixture
def swarm() -> FakeSwarm:
    return FakeSwarm(NODES)


def begun(swarm: FakeSwarm, *constraints: str, **more: Any) -> tuple[ServiceMove, dict[str, Any]]:
    """A service that runs on h2 and is claimed, the record of that, and the service's spec before."""
    told = service_told(constraints=(*constraints, "node.id==h2-id"))["Spec"]
    service = Service.read(swarm.service(swarm.create_service(told)))
    words = {"pins": (*constraints, "node.id==h3-id"), **more}
    made = record(service=service.id, before=before(service), **words)
    claim(swarm, made, service, Patience())
    return made, told


def moved(swarm: FakeSwarm, made: ServiceMove) -> None:
    edit_service(swarm, made, lambda spec: hurried(constrained(spec, made.pins), at_once=True, start_first=True))


def test_a_service_is_claimed_once(swarm: FakeSwarm) -> None:
    told = service_told(constraints=("node.id==h2-id",))["Spec"]
    service = Service.read(swarm.service(swarm.create_service(told)))
    first = record(service=service.id, before=before(service))
    claim(swarm, first, service, Patience())
    claimed = Service.read(swarm.service(service.id))
    holder = claimed_by(claimed)
    assert holder is not None
    assert (holder.id, holder.before, holder.coordinator) == (first.id, first.before, "here")
    assert "somebody@" not in claimed.labels[CLAIM], "every user of the swarm can read labels"
    assert "root@" not in claimed.labels[CLAIM]
    with pytest.raises(LockedError):
        claim(swarm, record(id="other", service=service.id), service, Patience())
    with pytest.raises(EndedError):
        edit_service(swarm, record(id="other", service=service.id), lambda spec: spec)


def test_unpin_is_refused_where_somebody_changes_the_service_meanwhile(
    swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = begun(swarm)
    moved(swarm, made)
    finish(swarm, made)
    connected(monkeypatch, "transship.swarm.api", swarm)
    read = swarm.services

    def then_changed() -> list[dict[str, Any]]:
        told = read()
        swarm.update_service(made.service, told[0]["Version"]["Index"], labelled(told[0]["Spec"], "theirs", "1"))
        return told

    with monkeypatch.context() as patch:
        patch.setattr(swarm, "services", then_changed)
        with pytest.raises(LockedError, match="somebody has changed web"):
            unpin("web", Reach("ssh://h1"))
    assert swarm.service(made.service)["Spec"]["Labels"].keys() == {PIN, "theirs"}
    assert unpin("web", Reach("ssh://h1")) == ("node.id==h3-id",)


def test_somebody_elses_change_meanwhile_is_kept(swarm: FakeSwarm) -> None:
    made, _ = begun(swarm)
    interrupted: list[bool] = []

    def edit(spec: dict[str, Any]) -> dict[str, Any]:
        if not interrupted:
            interrupted.append(True)
            now = swarm.service(made.service)
            swarm.update_service(made.service, now["Version"]["Index"], labelled(now["Spec"], "theirs", "1"))
        return constrained(spec, made.pins)

    edit_service(swarm, made, edit)
    spec = swarm.service(made.service)["Spec"]
    assert spec["Labels"].keys() == {CLAIM, "theirs"}
    assert is_at(swarm, made, AWAY)


def test_an_arrived_service_keeps_its_pin_and_nothing_else_of_the_move(swarm: FakeSwarm) -> None:
    made, told = begun(swarm, "node.role==worker")
    moved(swarm, made)
    finish(swarm, made)
    spec = swarm.service(made.service)["Spec"]
    assert Pins.of(spec["Labels"]) == Pins(("node.id==h3-id",), ("node.id==h2-id",))
    assert labelled(spec, PIN, None) == constrained(told, made.pins)
    assert is_at(swarm, made, AWAY)


def test_an_unpinned_service_keeps_nothing_and_stays(swarm: FakeSwarm) -> None:
    made, told = begun(swarm, "node.role==worker", unpin=True)
    moved(swarm, made)
    finish(swarm, made)
    assert swarm.service(made.service)["Spec"] == constrained(told, ["node.role==worker"])
    assert is_at(swarm, made, AWAY)


@pytest.mark.parametrize("stage", ["claimed", "scaled", "changed"])
def test_a_service_is_led_back_from_anywhere(swarm: FakeSwarm, stage: str) -> None:
    made, told = begun(swarm, stage="claimed" if stage == "claimed" else "changed")
    if stage == "scaled":
        edit_service(swarm, made, partial(scaled, replicas=0))
    if stage == "changed":
        moved(swarm, made)
    go_back(swarm, made, 5.0)
    assert swarm.service(made.service)["Spec"] == told
    assert is_at(swarm, made, HOME)
    with pytest.raises(EndedError):
        go_back(swarm, made, 5.0)


def test_the_way_back_never_runs_two_copies_of_a_service_with_data(
    swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order of its updates is: a task that is slow to end is waited for before another one begins."""
    made, told = begun(swarm, stage="changed")
    moved(swarm, made)
    slow = next(task for task in swarm._tasks if task["NodeID"] == "h3-id")
    update, ask, asked, begins = swarm.update_service, swarm.tasks, [], []

    def slowly(ref: str, version: int, spec: dict[str, Any]) -> None:
        begins.append((replicas_of(spec), slow["Status"]["State"]))
        update(ref, version, spec)
        if len(begins) == 1:
            slow["Status"]["State"] = "running"

    def tasks(service: str = "") -> list[dict[str, Any]]:
        asked.append(len(begins))
        if asked.count(1) == 3:
            slow["Status"]["State"] = "shutdown"
        return ask(service)

    monkeypatch.setattr(swarm, "update_service", slowly)
    monkeypatch.setattr(swarm, "tasks", tasks)
    go_back(swarm, made, 60.0)
    assert begins == [(0, "running"), (1, "shutdown"), (1, "shutdown")]
    assert swarm.service(made.service)["Spec"] == told


def test_a_target_that_is_lost_keeps_no_service_with_data_from_the_way_back(swarm: FakeSwarm) -> None:
    made, told = begun(swarm, stage="changed")
    moved(swarm, made)
    swarm.lose("h3-id")
    go_back(swarm, made, 60.0)
    assert swarm.service(made.service)["Spec"] == told
    assert is_at(swarm, made, HOME)


def test_a_drained_node_is_given_back_at_either_end(swarm: FakeSwarm) -> None:
    for end in (finish, partial(go_back, timeout_s=5.0)):
        made, _ = begun(swarm, method="drain", pins=(), stage="changed")
        edit_node(swarm, "h2-id", partial(drained, move=made.id))
        assert is_drained_by(swarm, made)
        end(swarm, made)
        node = Node.read(swarm.node("h2-id"))
        assert (node.availability, DRAINED in node.labels) == ("active", False)


def test_a_manager_that_is_gone_for_a_moment_is_waited_for(swarm: FakeSwarm) -> None:
    made, told = begun(swarm, stage="changed")
    moved(swarm, made)
    swarm.errors = [DockerDownError("it restarts") for _ in range(3)]
    go_back(swarm, made, 5.0)
    assert swarm.service(made.service)["Spec"] == told


@pytest.mark.parametrize("end", [finish, partial(go_back, timeout_s=5.0)])
def test_an_end_whose_last_answer_was_lost_is_an_end(
    swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch, end: Callable[[FakeSwarm, ServiceMove], None]
) -> None:
    made, _ = begun(swarm, stage="changed")
    moved(swarm, made)
    update = swarm.update_service

    def unheard(service: str, version: int, spec: dict[str, Any]) -> None:
        update(service, version, spec)
        if CLAIM not in spec["Labels"]:
            raise DockerDownError("the connection broke")

    monkeypatch.setattr(swarm, "update_service", unheard)
    end(swarm, made)
    assert CLAIM not in swarm.service(made.service)["Spec"]["Labels"]


def test_a_manager_that_is_gone_says_nothing_of_the_service(swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = begun(swarm)
    watch = Watch(swarm, made.service, tasks_of(swarm, made.service))
    silent, ask = [DockerDownError("it restarts") for _ in range(3)], swarm.tasks

    def tasks(service: str = "") -> list[dict[str, Any]]:
        if silent:
            raise silent.pop()
        return ask(service)

    monkeypatch.setattr(swarm, "tasks", tasks)
    watch.stay(HOME, 0.1)
    assert silent == []
    with pytest.raises(UnhealthyError, match="did not stay up"):
        watch.stay(AWAY, 0.1)


def test_a_leader_that_does_not_know_its_nodes_yet_is_waited_for(
    swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PENDING_S", 0.05)
    made, told = begun(swarm, stage="changed")
    known, ask, asked = tasks_of(swarm, made.service), swarm.nodes, []
    for node in NODES.values():
        swarm.tell_state(node, "unknown")
    moved(swarm, made)

    def nodes() -> list[dict[str, Any]]:
        asked.append(1)
        if len(asked) == 2:
            for node in NODES.values():
                swarm.tell_state(node, "ready")
        return ask()

    monkeypatch.setattr(swarm, "nodes", nodes)
    Watch(swarm, made.service, known).arrive(AWAY, 60.0)
    assert len(asked) >= 2
    for node in NODES.values():
        swarm.tell_state(node, "unknown")
    asked.clear()
    go_back(swarm, made, 60.0)
    assert swarm.service(made.service)["Spec"] == told


def test_a_task_that_fails_or_finds_no_node_is_told(swarm: FakeSwarm) -> None:
    made, _ = begun(swarm)
    known = tasks_of(swarm, made.service)
    swarm.failing = {"h3-id"}
    moved(swarm, made)
    with pytest.raises(UnhealthyError, match="failed on its new node"):
        Watch(swarm, made.service, known).arrive(AWAY, 30.0)
    edit_service(swarm, made, lambda spec: constrained(spec, ["node.id==h9-id"]))
    known = [each for each in tasks_of(swarm, made.service) if each.state != "pending"]
    with pytest.raises(UnhealthyError, match="finds no node"):
        Watch(swarm, made.service, known).arrive(AWAY, 30.0)
