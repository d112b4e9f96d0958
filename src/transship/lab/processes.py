import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from transship.errors import LabError

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, also after its number was given to another: the number and the kernel's start time of it."""

    pid: int
    started: int
    """In clock ticks since the machine was booted."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now, or None. A zombie has ended, so it is none."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()
        if fields[0] in {"Z", "X"}:
            return None
        return cls(pid, int(fields[19]))

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The process that a file names, whether it runs or not; None if the file does not say."""
        try:
            pid, started = file.read_text().split()
        except (FileNotFoundError, ValueError):  # it is being written
            return None
        return cls(int(pid), int(started))

    @property
    def alive(self) -> bool:
        return ProcessId.of(self.pid) == self

    def kill(self) -> None:
        """End the process at once, if it still runs."""
        if self.alive:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return  # it ended between the look and the signal


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Return as soon as `condition` holds. Raises `LabError` when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(POLL_S)
