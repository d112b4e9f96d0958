import os
import signal
from dataclasses import dataclass

import pytest

from transship import engine
from transship.errors import (
    DockerError,
    NeedsRecoveryError,
    RolledBackError,
    SourceNotRetiredError,
    TransferError,
    TransshipError,
)
from transship.hosts.fake import FakeHost
from transship.metrics.events import Event, Recorder
from transship.plan.steps import Move, Plan


@dataclass
class Note:
    """A step that writes down what is done to it, and fails where it is told to."""

    name: str
    log: list[str]
    fails: BaseException | None = None
    undo_fails: BaseException | None = None
    guards: bool = False
    phase: str = "note"
    interrupts: bool = False

    def describe(self) -> str:
        return self.name

    def run(self, move: Move) -> None:
        self.log.append(f"run {self.name}")
        if self.interrupts:
            os.kill(os.getpid(), signal.SIGINT)
        if self.fails:
            raise self.fails

    def undo(self, move: Move) -> None:
        self.log.append(f"undo {self.name}")
        if self.interrupts:
            os.kill(os.getpid(), signal.SIGINT)
        if self.undo_fails:
            raise self.undo_fails


def move() -> Move:
    return Move("0" * 8, FakeHost("old"), FakeHost("new"), Recorder())


def plan(prepare: list[Note], cutover: list[Note], retire: list[Note]) -> Plan:
    return Plan("stop-start", prepare, cutover, retire)


def test_steps_run_in_order_and_nothing_is_undone_when_all_goes_well() -> None:
    log: list[str] = []
    engine.run(plan([Note("a", log)], [Note("b", log)], [Note("c", log)]), move())
    assert log == ["run a", "run b", "run c"]


def test_a_failure_undoes_everything_that_was_begun_newest_first() -> None:
    log: list[str] = []
    steps = [Note("a", log), Note("b", log, fails=TransferError("the link is cut", hint="mend it")), Note("c", log)]
    with pytest.raises(
        RolledBackError, match="the link is cut; all was undone, and the source on old was not touched"
    ) as caught:
        engine.run(plan(steps, [], []), move())
    assert log == ["run a", "run b", "undo b", "undo a"]
    assert caught.value.hint == "mend it"
    assert isinstance(caught.value.__cause__, TransferError)


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), KeyError("a bug"), SystemExit(1)])
def test_whatever_ends_a_move_before_the_point_of_no_return_is_undone(cause: BaseException) -> None:
    log: list[str] = []
    with pytest.raises(RolledBackError):
        engine.run(plan([Note("a", log)], [Note("b", log, fails=cause)], [Note("c", log)]), move())
    assert log == ["run a", "run b", "undo b", "undo a"]


def test_an_undo_that_fails_is_reported_and_the_others_are_still_undone() -> None:
    log: list[str] = []
    steps = [Note("a", log), Note("b", log, undo_fails=DockerError("in use")), Note("c", log, fails=DockerError("no"))]
    with pytest.raises(RolledBackError, match=r"could not be undone: b \(in use\)"):
        engine.run(plan(steps, [], []), move())
    assert log[-3:] == ["undo c", "undo b", "undo a"]


def test_where_a_guarding_undo_fails_nothing_before_it_is_undone() -> None:
    log: list[str] = []
    stop = Note("stop", log, guards=True)
    start = Note("start", log, guards=True, undo_fails=DockerError("no answer"))
    with pytest.raises(NeedsRecoveryError, match=r"start \(no answer\)"):
        engine.run(plan([], [stop, start, Note("healthy", log, fails=TransferError("sick"))], []), move())
    assert "undo stop" not in log


def test_a_failure_after_the_point_of_no_return_undoes_nothing() -> None:
    log: list[str] = []
    with pytest.raises(SourceNotRetiredError, match="serves on new"):
        engine.run(plan([Note("a", log)], [], [Note("c", log, fails=DockerError("no"))]), move())
    assert log == ["run a", "run c"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_and_later_ones_do_not_cut_the_undo_short(number: signal.Signals) -> None:
    log: list[str] = []

    @dataclass
    class Signalled(Note):
        def run(self, move: Move) -> None:
            super().run(move)
            os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGINT)
    steps = [Note("a", log), Signalled("b", log), Note("c", log)]
    undoing = Note("u", log)
    with pytest.raises(RolledBackError, match="interrupted"):
        engine.run(plan([undoing, *steps], [], []), move())
    assert log == ["run u", "run a", "run b", "undo b", "undo a", "undo u"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_during_the_undo_changes_nothing() -> None:
    log: list[str] = []
    first = Note("a", log)
    second = Note("b", log, interrupts=True)
    with pytest.raises(RolledBackError):
        engine.run(plan([first, second], [], []), move())
    assert log == ["run a", "run b", "undo b", "undo a"]


def test_a_listener_that_fails_does_not_keep_the_undo_from_being_done() -> None:
    log: list[str] = []

    def gone(event: Event) -> None:
        if event.phase == "stop":
            raise OSError("the terminal is gone")

    under_way = move()
    under_way.recorder.listeners.append(gone)
    with pytest.raises(RolledBackError):
        engine.run(plan([Note("a", log)], [Note("b", log, phase="stop")], []), under_way)
    assert log == ["run a", "undo b", "undo a"]


def test_every_step_is_a_phase_of_its_own_word() -> None:
    under_way = move()
    steps = [Note("a", [], phase="create"), Note("b", [], phase="", fails=TransshipError("x"))]
    with pytest.raises(RolledBackError):
        engine.run(plan(steps, [], []), under_way)
    assert [(record.name, record.failed) for record in under_way.recorder.phases] == [
        ("create", False),
        ("undo", False),
    ]


def test_the_service_comes_back_before_anything_is_cleaned_up() -> None:
    log: list[str] = []
    prepare = [Note("network", log)]
    cutover = [
        Note("stop", log, guards=True),
        Note("image", log),
        Note("container", log),
        Note("start", log, guards=True),
        Note("healthy", log, fails=DockerError("sick")),
    ]
    with pytest.raises(RolledBackError, match="runs as before"):
        engine.run(plan(prepare, cutover, []), move())
    undone = [line.removeprefix("undo ") for line in log if line.startswith("undo")]
    assert undone == ["start", "stop", "healthy", "container", "image", "network"]
