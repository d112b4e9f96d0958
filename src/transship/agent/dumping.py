"""A dump that is under way, as whoever thaws the container without the one who asked for it must know it.

At its end CRIU freezes what it found frozen: a container that was thawed meanwhile would stand still again.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import suppress

from .faults import AgentError
from .memory_folder import path_of

_NAME = "dumping"
_PATIENCE_S = 600.0


def begin(folder: str) -> int:
    """Say that a dump begins; returns a file to be kept open by all who dump, and closed by the caller."""
    handle = os.open(os.path.join(folder, _NAME), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def may_be_killed(handle: int, group: int) -> None:
    """The dump is done, and only gives pages: the processes of `group` may be killed to end it."""
    os.pwrite(handle, b"%d" % group, 0)


def end(name: str) -> None:
    """Return when no dump works on the container of the move `name`. Raises `AgentError` where one does not end."""
    try:
        handle = os.open(os.path.join(path_of(name), _NAME), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _free(handle):
            if time.monotonic() > deadline:
                raise AgentError("CRIU does not let go of the container", "ECRIU")
            group = os.pread(handle, 16, 0)
            if group:
                with suppress(ProcessLookupError):
                    os.killpg(int(group), signal.SIGKILL)
            time.sleep(0.02)
    finally:
        os.close(handle)


def _free(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
