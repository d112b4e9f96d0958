import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a listener may want to show, store or measure.

    `at` is in seconds since the recorder was made, on a monotonic clock. `bytes` counts what the phase moved until
    now, `total` what it will move if that is known. `detail` is plain words for a person and holds no secret.
    """

    kind: Literal["started", "progress", "completed", "failed"]
    phase: str
    at: float
    detail: str = ""
    bytes: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """One ended phase: when it began, how long it took, what crossed. Times in seconds since the recorder was made."""

    name: str
    start_s: float
    seconds: float
    bytes: int = 0
    detail: str = ""
    failed: bool = False


Listener = Callable[[Event], None]


class Phase:
    """An open phase, to be told when bytes have moved."""

    def __init__(self, recorder: "Recorder", name: str, detail: str, total: int | None) -> None:
        self.name = name
        self.detail = detail
        self.total = total
        self.bytes = 0
        self._recorder = recorder

    def advance(self, count: int) -> None:
        """Count `count` more bytes and tell the listeners."""
        self.bytes += count
        self._recorder.emit("progress", self)

    def reach(self, count: int, total: int | None) -> None:
        """Say how many bytes have moved until now, of how many if that is known."""
        self.bytes, self.total = count, total
        self._recorder.emit("progress", self)


@dataclass
class Recorder:
    """The clock of one move, and all that it has to say.

    Phases may nest and may run in several threads at once; listeners are called one at a time, in the thread that
    caused the event, and must not block. A listener that raises ends the phase that it was told of, and hears no more:
    what is done about it must not fail for the same reason.
    """

    listeners: list[Listener] = field(default_factory=list)
    phases: list[PhaseRecord] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> float:
        """Seconds since this recorder was made."""
        return time.monotonic() - self._began

    @contextmanager
    def phase(self, name: str, detail: str = "", *, total: int | None = None) -> Iterator[Phase]:
        """Measure the block. The phase is recorded when the block ends, also when it ends with an exception."""
        phase = Phase(self, name, detail, total)
        start = self.now()
        self.emit("started", phase)
        failed = True
        try:
            yield phase
            failed = False
        finally:
            record = PhaseRecord(name, start, self.now() - start, phase.bytes, phase.detail, failed)
            with self._lock:
                self.phases.append(record)
            self.emit("failed" if failed else "completed", phase)

    def emit(self, kind: Literal["started", "progress", "completed", "failed"], phase: Phase) -> None:
        """Tell every listener what happened to `phase`."""
        event = Event(kind, phase.name, self.now(), phase.detail, phase.bytes, phase.total)
        with self._lock:
            for listener in tuple(self.listeners):
                try:
                    listener(event)
                except BaseException:
                    self.listeners.remove(listener)
                    raise
