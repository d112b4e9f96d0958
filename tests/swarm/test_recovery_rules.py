from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.swarm.told import record, service_told
from transship.codec import MalformedError
from transship.errors import DockerDownError, DockerError
from transship.migrations import Reach
from transship.plan.record import Made
from transship.swarm.change import edit_node
from transship.swarm.edits import drained
from transship.swarm.endings import Kind
from transship.swarm.fake import FakeSwarm
from transship.swarm.journal import SwarmJournal
from transship.swarm.managers import Manager, named_managers
from transship.swarm.model import Node
from transship.swarm.record import DRAINED, ServiceMove, Stage, from_text, to_text
from transship.swarm.recovery import ServiceSeen, ServiceStatus, _asking, _withdrawn, decide, recover


@pytest.mark.parametrize(
    ("seen", "would"),
    [
        (ServiceSeen(present=False), "forget"),
        (ServiceSeen(present=True), "forget"),
        (ServiceSeen(present=True, claimed=True), "bring-back"),
        (ServiceSeen(present=True, claimed=True, arrived=True), "finish"),
        (ServiceSeen(present=True, claimed=True, changed=True), "bring-back"),
        (ServiceSeen(present=True, claimed=True, changed=True, arrived=True), "finish"),
    ],
)
def test_what_is_seen_decides(seen: ServiceSeen, would: Kind) -> None:
    assert decide(record(), seen).would == would


@pytest.mark.parametrize(("home", "would"), [(True, "clean-up"), (False, "forget")])
def test_what_was_brought_is_removed_later_only_while_the_service_is_at_home(home: bool, would: Kind) -> None:
    assert decide(record(stage="restored"), ServiceSeen(present=True, home=home)).would == would


def test_a_manager_that_is_named_is_asked_about_the_moves_of_its_own_swarm() -> None:
    own = Manager("ssh://h9", frozenset({"h3-id", "h9-id"}), ())
    other = Manager("ssh://elsewhere", frozenset({"x-id"}), ())
    assert _asking([other, own], record()).manager == "ssh://h9"
    assert _asking([other], record()) == record()


def test_a_record_survives_the_label() -> None:
    made = record()
    assert from_text(to_text(made)) == made


@pytest.mark.parametrize(
    ("would", "stage", "removed"),
    [
        ("bring-back", "claimed", Made(image="i", volumes={"data": ""})),
        ("bring-back", "stopping", Made(image="i", volumes={"data": ""})),
        ("bring-back", "changed", Made(image="i")),
        ("clean-up", "restored", Made(image="i", volumes={"data": ""})),
        ("finish", "changed", Made()),
        ("forget", "claimed", Made()),
        ("forget", "changed", Made()),
    ],
)
def test_no_data_is_removed_where_the_service_may_have_run(would: Kind, stage: Stage, removed: Made) -> None:
    made: ServiceMove = record(made=Made(image="i", volumes={"data": ""}), stage=stage)
    assert _withdrawn(ServiceStatus(made, would, "")) == removed


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "x" * 65])
def test_an_id_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(MalformedError):
        from_text(to_text(record(id=name)))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', "{", '{"format": 99, "id": "x"}'])
def test_a_label_that_is_no_record_is_told_as_such(text: str) -> None:
    with pytest.raises(MalformedError):
        from_text(text)


def connected(monkeypatch: pytest.MonkeyPatch, module: str, swarm: FakeSwarm) -> None:
    """Whoever of a module connects to a manager finds this swarm, and no host."""

    @contextmanager
    def found(_reach: object) -> Iterator[Any]:
        yield SimpleNamespace(swarm=swarm)

    monkeypatch.setattr(f"{module}.connections", found)


def test_a_manager_that_is_named_is_asked_again_while_the_swarm_elects_a_leader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    swarm = FakeSwarm({"h1": "h1-id", "h2": "h2-id"})
    nodes, undecided = swarm.nodes, [DockerDownError("the swarm does not have a leader")]

    def asked() -> list[dict[str, Any]]:
        if undecided:
            raise undecided.pop()
        return nodes()

    monkeypatch.setattr(swarm, "nodes", asked)
    connected(monkeypatch, "transship.swarm.managers", swarm)
    assert named_managers(Reach(at=("ssh://h1",))) == [Manager("ssh://h1", frozenset({"h1-id", "h2-id"}), ())]


def test_a_host_that_is_named_and_no_manager_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    swarm = FakeSwarm({"h1": "h1-id"})

    def refused() -> list[dict[str, Any]]:
        raise DockerError("This node is not a swarm manager")

    monkeypatch.setattr(swarm, "nodes", refused)
    connected(monkeypatch, "transship.swarm.managers", swarm)
    assert named_managers(Reach(at=("ssh://h1",))) == []


@pytest.mark.parametrize("gone", ["service", "label"])
def test_a_drained_node_is_given_back_where_somebody_else_has_ended_the_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """`docker stack deploy` puts other labels in the place of a service's."""
    swarm = FakeSwarm({"h1": "h1-id", "h2": "h2-id", "h3": "h3-id"})
    service = swarm.create_service(service_told()["Spec"]) if gone == "label" else "removed"
    made = record(service=service, method="drain", pins=(), volumes=(), stage="changed")
    edit_node(swarm, "h2-id", partial(drained, move=made.id))
    with SwarmJournal.open(tmp_path) as journal:
        journal.moves.save(made)
    connected(monkeypatch, "transship.swarm.recovery", swarm)
    assert [each.would for each in recover(Reach(tmp_path))] == ["forget"]
    node = Node.read(swarm.node("h2-id"))
    assert (node.availability, DRAINED in node.labels) == ("active", False)
    assert recover(Reach(tmp_path)) == []
