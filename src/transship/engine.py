import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType

from transship.errors import (
    LostError,
    NeedsRecoveryError,
    RolledBackError,
    SourceNotRetiredError,
    TransshipError,
    UnreachableError,
)
from transship.plan.record import Record
from transship.plan.steps import Move, Plan, Step
from transship.undo import CLEANING_S, Patience, bring_back, clean_up


def run(plan: Plan, move: Move) -> None:
    """Carry out `plan`.

    When it returns, the container serves on the target and the source is retired. Whatever ends it before the point
    of no return, Ctrl-C and our own bugs too, is undone first:

    Raises:
        RefusedError: another migration holds the container, or a host cannot be locked; nothing was touched.
        RolledBackError: the source runs as before; the message names what could not be removed from the target.
        NeedsRecoveryError: the target could not be proven stopped, or the source could not be started again.
        SourceNotRetiredError: the target serves and the source is stopped, but it could not be renamed or removed.

    """
    with first_interrupt_only() as interrupts:
        with move.recorder.phase("claim", "lock it on both hosts"):
            move.custody.claim()
        try:
            for step in (*plan.prepare, *plan.cutover):
                _run(step, move)
            move.custody.advance("committed")
        except BaseException as cause:  # a bug of ours must not leave a stopped source behind either
            interrupts.armed = False
            raise _roll_back(move, cause) from cause
        interrupts.armed = False
        _retire(plan, move)


def _run(step: Step, move: Move, patiently: Patience | None = None) -> None:
    note, clock = move.custody.note, move.recorder
    with move.recorder.phase(step.phase, step.describe()) if step.phase else nullcontext():
        note(step.describe(), "intent", clock.now())
        if patiently:
            patiently(partial(step.run, move))
        else:
            step.run(move)
    note(step.describe(), "done", clock.now())


def _retire(plan: Plan, move: Move) -> None:
    patiently = Patience(time.monotonic() + CLEANING_S)
    try:
        for step in plan.retire:
            _run(step, move, patiently)
    except Exception as cause:  # a bug of ours does not change that it has moved
        raise SourceNotRetiredError(
            f"the container serves on {move.target.name}, but its source could not be retired: {_reason(cause)}",
            hint=f"it does not start by itself on {move.source.name}; transship recover {move.id} tries again",
        ) from cause
    move.custody.end("moved")


def _roll_back(move: Move, cause: BaseException) -> TransshipError:
    """Take everything back, and return the error that says how that ended.

    First the service: nothing is removed while it is not certain that the source is what it was.
    """
    untouched = move.custody.record.stage == "preparing"
    with move.recorder.phase("undo"):
        # What was at work on a host that is gone cannot be ended; the service must come back all the same.
        with suppress(TransshipError):
            move.resources.close()
        try:
            bring_back(move)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody must look
            return _needs_recovery(move, cause, error)
        if untouched and _can_be_continued(move.custody.record) and isinstance(cause, UnreachableError | LostError):
            return _to_be_continued(move, cause)
        left_behind = clean_up(move.custody.record, move.target, move.target_root, move.recorder)
    as_before = "runs as before" if move.custody.record.running else "is as before"
    source = f"the source on {move.source.name} {'was not touched' if untouched else as_before}"
    if left_behind:
        return RolledBackError(
            f"{_reason(cause)}; {source}, but this could not be removed: {', '.join(left_behind)}",
            hint=f"transship recover {move.id} tries again",
        )
    move.custody.end("rolled-back", _reason(cause))
    hint = cause.hint if isinstance(cause, TransshipError) else ""
    return RolledBackError(f"{_reason(cause)}; all was undone, and {source}", hint=hint)


def _can_be_continued(record: Record) -> bool:
    return record.made.copying and not record.memory and not record.settles


def _to_be_continued(move: Move, cause: TransshipError) -> TransshipError:
    return RolledBackError(
        f"{_reason(cause)}; the source on {move.source.name} was not touched, and what has arrived on "
        f"{move.target.name} stays there",
        hint=f"the same transship move goes on from that; transship abort {move.id} removes it",
    )


def _needs_recovery(move: Move, cause: BaseException, error: Exception) -> TransshipError:
    return NeedsRecoveryError(
        f"{_reason(cause)}; and this could not be undone: {error}",
        hint=f"transship status {move.id} says what runs where, transship recover {move.id} ends it",
    )


def _reason(cause: BaseException) -> str:
    if isinstance(cause, KeyboardInterrupt):
        return "interrupted"
    return str(cause) if isinstance(cause, TransshipError) else f"a bug of transship: {type(cause).__name__}: {cause}"


@dataclass
class Interrupts:
    """Whether the next signal still cancels. Afterwards all are ignored."""

    armed: bool = True


@contextmanager
def first_interrupt_only() -> Iterator[Interrupts]:
    """Let the first Ctrl-C (or SIGTERM, or the end of the terminal) cancel, and no further one cut the undo short.

    Outside the main thread no signal arrives, and none is handled.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if interrupts.armed:
            interrupts.armed = False
            raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]  # nohup stays nohup
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
