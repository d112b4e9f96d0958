from __future__ import annotations

import marshal
import os
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MOST = 4


def processes() -> int:
    """How many to share work with where there is enough of it: one is this process alone."""
    return min(len(os.sched_getaffinity(0)), _MOST)


class Forked:
    """A child of this process that computes plain values, one after the other, while this process does other things.

    Forked, not a thread, as what it is for holds the interpreter too often for threads to gain anything. `work` may
    call the operating system and must not touch what other threads use.
    """

    def __init__(self, work: Callable[[], Iterable[Any]]) -> None:
        out, into = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                os.close(out)
                with open(into, "wb") as pipe:
                    for value in work():
                        marshal.dump(value, pipe)
                os._exit(0)
            finally:
                os._exit(1)
        os.close(into)
        self._pipe = open(out, "rb")  # noqa: SIM115 - closed in end()

    def take(self) -> Any | None:
        """Wait for the next value; None where the child failed, and this process should see for itself."""
        try:
            return marshal.load(self._pipe)  # noqa: S302 - written by a child of this process
        except (EOFError, ValueError, TypeError):
            return None

    def end(self) -> None:
        """End the child, whatever it does."""
        self._pipe.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
