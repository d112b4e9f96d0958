"""What one process alone may touch on this host, until it ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from typing import Any

from . import control
from .faults import AgentError, ProtocolError, from_os

FOLDER = "/run/transship/locks"
_POLL_S = 0.05
_MOMENT_S = 0.25
"""How long a lock may be held by somebody who only looks whether it is, or has yet to write down who they are."""

_LONGEST = 4096
_SHOWN = 200


class LockedError(AgentError):
    """Another process that lives holds the lock `name`. `holder` is what it says of itself: words, possibly none."""

    def __init__(self, name: str, holder: dict[str, str]) -> None:
        super().__init__(f"{name} is held by the migration {holder.get('id') or 'of somebody else'}", "ELOCKED")
        self.name = name
        self.holder = holder


class Locks:
    """Locks of this process. The kernel drops them when it ends, whatever the reason.

    Each is a file with a lock on it (flock) which says who holds it, and which goes when the lock is dropped in order.
    """

    def __init__(self, folder: str = FOLDER) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def take(self, names: list[str], holder: dict[str, str], patience: float) -> None:
        """Take all of them or none. Raises `LockedError` if one is still held by another after `patience` seconds."""
        deadline = time.monotonic() + max(patience, _MOMENT_S)
        try:
            for folder in (os.path.dirname(self._folder), self._folder):
                if not os.path.isdir(folder):
                    os.makedirs(folder, 0o700, exist_ok=True)
            while True:
                refused = self._take(sorted(set(names)), control.dumps(holder).encode("ascii"))
                if refused is None:
                    return
                if time.monotonic() >= deadline:
                    raise refused
                time.sleep(_POLL_S)
        except OSError as error:
            raise from_os(error, os.fsencode(error.filename or self._folder)) from error

    def _take(self, names: list[str], text: bytes) -> LockedError | None:
        for name in names:
            path = self._path(name)
            fd = _lock(path)
            if fd is None:
                self.drop()
                return LockedError(name, _holder(path))
            self._held[name] = fd
            os.ftruncate(fd, 0)
            os.pwrite(fd, text, 0)
        return None

    def drop(self) -> None:
        """Drop all locks of this process."""
        for name, fd in self._held.items():
            os.unlink(self._path(name))
            os.close(fd)
        self._held.clear()

    def sweep(self) -> None:
        """Take away the files of those who were killed with a lock in their hands."""
        for file in os.listdir(self._folder):
            path = os.path.join(self._folder, file)
            fd = _lock(path)
            if fd is not None:
                os.unlink(path)
                os.close(fd)

    def held_elsewhere(self, name: str) -> bool:
        """Whether another process that lives holds the lock."""
        if name in self._held:
            return False
        try:
            fd = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def _path(self, name: str) -> str:
        # A volume's name may be as long as a file's, so there is no room for what it is.
        return os.path.join(self._folder, hashlib.sha256(name.encode("utf-8")).hexdigest()[:40])


def _lock(path: str) -> int | None:
    """Open the file and lock it; None where another process holds it."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.exists(path) and os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # whoever held it has dropped it, and the file with it, since we opened that


def _holder(path: str) -> dict[str, str]:
    """What a lock's file says of its holder. Nothing where it cannot be read: it may just have gone."""
    try:
        with open(path, "rb") as file:
            found = control.loads(file.read(_LONGEST))
    except (OSError, ProtocolError):
        return {}
    return {name: _printable(word) for name, word in found.items() if isinstance(word, str)}


def _printable(word: Any) -> str:
    return "".join(c if c.isprintable() else "?" for c in word[:_SHOWN])
