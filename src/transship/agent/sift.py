"""Which of the remembered entries of a tree are not as they were: looked for by several processes."""

from __future__ import annotations

import marshal
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from .frames import write_all
from .opendirs import OpenDirectories
from .walk import GONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .spool import Spool

    IsSame = Callable[[tuple[Any, ...], os.stat_result], bool]
    """Whether a note says all of what has this status."""

_MOST_PROCESSES = 4
_WORTH_A_PROCESS = 5000
_MOST_BYTES = 8 << 20
_PER_PATH = 100


class Differences(NamedTuple):
    """The paths in the order of a walk. What came new has none: the directory that holds it differs."""

    changed: list[bytes]
    gone: list[bytes]


def sift(root: int, notes: Spool, is_same: IsSame) -> Differences | None:
    """Compare all `notes` (tuples whose first is the path) with the tree; None where too many differ to list them.

    Each process takes a part of the notes. Forked, as threads would wait for each other: a status takes little longer
    to get than to look at.
    """
    count = min(len(os.sched_getaffinity(0)), _MOST_PROCESSES, 1 + notes.count // _WORTH_A_PROCESS)
    others = [_Process(root, notes.part(number, count), is_same) for number in range(1, count)]
    try:
        found = [_compare(root, notes.part(0, count), is_same), *(other.result() for other in others)]
    finally:
        for other in others:
            other.end()
    differences = Differences([], [])
    for part in found:
        if part is None:
            return None
        differences.changed.extend(part.changed)
        differences.gone.extend(part.gone)
    return differences


class _Process:
    """A child that compares a part of the notes."""

    def __init__(self, root: int, notes: Iterable[tuple[Any, ...]], is_same: IsSame) -> None:
        self._status = 0
        self._pipe, way = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                found = _compare(root, notes, is_same)
                write_all(way, marshal.dumps(found and tuple(found)))
                os._exit(0)
            finally:
                os._exit(1)
        os.close(way)

    def result(self) -> Differences | None:
        """What it found; None also if it failed, as whoever looks at everything then meets the same error."""
        with open(self._pipe, "rb", closefd=False) as file:
            data = file.read()
        if self.end():
            return None
        found = marshal.loads(data)  # noqa: S302 - written by a child of this process
        return Differences(*found) if found else None

    def end(self) -> int:
        """Wait for it, and return how it ended: 0 is well. It ends by itself when nobody reads. Twice is fine."""
        if self._pid:
            os.close(self._pipe)
            _, self._status = os.waitpid(self._pid, 0)
            self._pid = 0
        return self._status


def _compare(root: int, notes: Iterable[tuple[Any, ...]], is_same: IsSame) -> Differences | None:
    found = Differences([], [])
    room = _MOST_BYTES
    directories = OpenDirectories(root)
    current = b""
    try:
        for note in notes:
            path = note[0]
            parent, _, name = path.rpartition(b"\0")
            try:
                if parent != current:
                    current = b"\0"  # nowhere, should it fail
                    directories.go(parent.split(b"\0") if parent else [])
                    current = parent
                if is_same(note, os.stat(name or b".", dir_fd=directories.fd, follow_symlinks=False)):
                    continue
                found.changed.append(path)
            except OSError as error:
                if error.errno not in GONE:
                    return None
                found.gone.append(path)
            room -= _PER_PATH + len(path)
            if room < 0:
                return None
    finally:
        directories.close()
    return found
