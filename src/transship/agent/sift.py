"""Which of the remembered entries of a tree are not as they were: looked for by several processes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .forked import Forked, processes
from .opendirs import OpenDirectories
from .walk import GONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .spool import Spool

    IsSame = Callable[[tuple[Any, ...], os.stat_result], bool]
    """Whether a note says all of what has this status."""

_WORTH_A_PROCESS = 5000
_MOST_BYTES = 8 << 20
_PER_PATH = 100


class Differences(NamedTuple):
    """The paths in the order of a walk. What came new has none: the directory that holds it differs."""

    changed: list[bytes]
    gone: list[bytes]


def sift(root: int, notes: Spool, is_same: IsSame) -> Differences | None:
    """Compare all `notes` (tuples whose first is the path) with the tree; None where too many differ to list them.

    Each process takes a part of the notes. One that fails counts as too many: a walk then meets the same error.
    """
    count = min(processes(), 1 + notes.count // _WORTH_A_PROCESS)
    with ExitStack() as ending:
        others = []
        for number in range(1, count):
            others.append(Forked(partial(_share, root, notes.part(number, count), is_same)))
            ending.callback(others[-1].end)
        found = [_compare(root, notes.part(0, count), is_same), *(other.take() for other in others)]
    differences = Differences([], [])
    for part in found:
        if part is None:
            return None
        differences.changed.extend(part[0])
        differences.gone.extend(part[1])
    return differences


def _share(root: int, notes: Iterable[tuple[Any, ...]], is_same: IsSame) -> Iterator[tuple[list[bytes], ...] | None]:
    found = _compare(root, notes, is_same)
    yield tuple(found) if found else None


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
