import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.custody import Told, moving, record
from transship import engine, undo
from transship.errors import (
    LockedError,
    NeedsRecoveryError,
    RolledBackError,
    SourceNotRetiredError,
    TransferError,
    TransshipError,
    UnreachableError,
)
from transship.hosts.fake import FakeHost
from transship.hosts.fake_images import pack
from transship.metrics.events import Event, Listener
from transship.plan.steps import Move, Plan


@dataclass
class Note:
    """A step that writes down that it runs, does something, and fails where it is told to."""

    name: str
    fails: BaseException | None = None
    phase: str = "note"
    then: Callable[[Move], object] = str

    def describe(self) -> str:
        return self.name

    def run(self, move: Move) -> None:
        assert isinstance(move.custody, Told)
        move.custody.log.append(self.name)
        self.then(move)
        if self.fails:
            raise self.fails


def hosts() -> tuple[FakeHost, FakeHost]:
    """Two hosts; the container of `tests.custody.RECORD` runs on the first."""
    source, target = FakeHost("old"), FakeHost("new")
    source.docker.images.add([pack({"bin/web": b""})], name="web:1")
    source.docker.create_container("web", {"Image": "web:1"})
    source.docker.container("web").id = "a" * 64
    return source, target


def move(*listeners: Listener) -> tuple[Move, list[str]]:
    told = Told()
    return moving(*hosts(), *listeners, custody=told), told.log


def plan(prepare: list[Note], cutover: list[Note], retire: list[Note]) -> Plan:
    return Plan("stop-start", prepare, cutover, retire)


def test_steps_run_in_order_with_the_point_of_no_return_before_the_source_retires() -> None:
    under_way, log = move()
    engine.run(plan([Note("a")], [Note("b")], [Note("c")]), under_way)
    assert log == ["claim", "a", "b", "committed", "c", "moved"]


def test_what_another_migration_holds_is_not_touched() -> None:
    under_way, log = move()

    def refuse() -> None:
        raise LockedError("a move of web is under way")

    under_way.custody.claim = refuse  # type: ignore[method-assign]
    with pytest.raises(LockedError):
        engine.run(plan([Note("a")], [], []), under_way)
    assert log == []


@pytest.mark.parametrize("cause", [TransferError("the link is cut", hint="mend it"), KeyError("a bug"), SystemExit(1)])
def test_whatever_ends_a_move_while_the_source_serves_leaves_it_untouched(cause: BaseException) -> None:
    under_way, log = move()
    with pytest.raises(RolledBackError, match="all was undone, and the source on old was not touched") as caught:
        engine.run(plan([Note("a"), Note("b", fails=cause)], [Note("c")], []), under_way)
    assert log == ["claim", "a", "b", "rolled-back"]
    assert caught.value.hint == getattr(cause, "hint", "")
    assert caught.value.__cause__ is cause


def test_an_agent_that_cannot_be_ended_does_not_keep_the_source_from_being_brought_back() -> None:
    under_way, log = move()

    def gone() -> None:
        raise UnreachableError("gone")

    under_way.resources.callback(gone)
    with pytest.raises(RolledBackError, match="no; all was undone"):
        engine.run(plan([Note("a", fails=TransferError("no"))], [], []), under_way)
    assert log == ["claim", "a", "rolled-back"]


def test_a_source_that_did_not_run_is_not_said_to_run() -> None:
    under_way = moving(*hosts(), custody=Told(record(running=False)))
    fenced = Note("fence", then=lambda each: each.custody.advance("fenced"))
    with pytest.raises(RolledBackError, match="the source on old is as before"):
        engine.run(plan([], [fenced, Note("b", fails=TransferError("no"))], []), under_way)


def test_what_cannot_be_removed_is_named_and_the_rest_is_removed() -> None:
    under_way, log = move()
    docker = under_way.target.docker
    docker.create_volume({"Name": "data"})
    docker.create_volume({"Name": "more"})
    under_way.made.volumes |= {"data": "", "more": ""}
    assert isinstance(under_way.target, FakeHost)
    under_way.target.docker.fail("remove_volume", KeyError("a bug"))
    with pytest.raises(RolledBackError, match=r"could not be removed: the volume data \(.*a bug") as caught:
        engine.run(plan([Note("a", fails=TransferError("no"))], [], []), under_way)
    assert "recover 0badcafe" in caught.value.hint
    assert "rolled-back" not in log, "something is left to do"
    with pytest.raises(TransshipError):
        docker.inspect_volume("more")


def test_while_the_target_cannot_be_proven_stopped_nothing_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "PATIENCE_S", 0.0)
    under_way, log = move()
    under_way.made.volumes["data"] = ""
    under_way.target.docker.create_volume({"Name": "data"})

    def lose(_: Move) -> None:
        assert isinstance(under_way.target, FakeHost)
        under_way.made.container = "b" * 64
        for _each in range(3):
            under_way.target.docker.fail("set_restart_policy", UnreachableError("gone"))

    steps = [Note("release", then=lambda each: each.custody.advance("released")), Note("start", then=lose)]
    with pytest.raises(NeedsRecoveryError, match="could not be undone: gone") as caught:
        engine.run(plan([], [*steps, Note("healthy", fails=TransferError("sick"))], []), under_way)
    assert "recover 0badcafe" in caught.value.hint
    assert "reclaim" not in log
    assert under_way.custody.record.stage == "released"
    assert under_way.target.docker.inspect_volume("data")


def test_a_failure_after_the_point_of_no_return_undoes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CLEANING_S", 0.0)
    under_way, log = move()
    with pytest.raises(SourceNotRetiredError, match="serves on new"):
        engine.run(plan([Note("a")], [], [Note("c", fails=TransferError("no"))]), under_way)
    assert log == ["claim", "a", "committed", "c"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_and_later_ones_do_not_cut_the_undo_short(number: signal.Signals) -> None:
    def again(event: Event) -> None:
        if event.phase == "undo" and event.kind == "started":
            os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGINT)
    under_way, log = move(again)
    steps = [Note("a"), Note("b", then=lambda _: os.kill(os.getpid(), number)), Note("c")]
    with pytest.raises(RolledBackError, match="interrupted"):
        engine.run(plan(steps, [], []), under_way)
    assert log == ["claim", "a", "b", "rolled-back"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_listener_that_fails_does_not_keep_the_undo_from_being_done() -> None:
    def gone(event: Event) -> None:
        if event.phase == "stop":
            raise OSError("the terminal is gone")

    under_way, log = move(gone)
    with pytest.raises(RolledBackError):
        engine.run(plan([Note("a")], [Note("b", phase="stop")], []), under_way)
    assert log[-1] == "rolled-back"


def test_every_step_is_a_phase_of_its_own_word() -> None:
    under_way, _ = move()
    steps = [Note("a", phase="create"), Note("b", phase="", fails=TransshipError("x"))]
    with pytest.raises(RolledBackError):
        engine.run(plan(steps, [], []), under_way)
    phases = [(record.name, record.failed) for record in under_way.recorder.phases]
    assert phases == [("claim", False), ("create", False), ("undo", False)]
