from __future__ import annotations

import hashlib
import stat
import struct
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from . import blocks
from .entry import FILE, digest
from .inventory import Item, describe, entry_digest, open_file, vanished
from .links import HardLinks
from .revisit import Revisit
from .spool import Spool, signature

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from .walk import Single

    Known = tuple[bytes, bytes, tuple[int, ...] | None]
    """A path, what stands for its entry, and the signature by which it will be known again, None if it will not."""

STEP = 1024
"""Entries between two marks, and in one window."""
_BLOCK = 64 << 10
_TICK_NS = 50_000_000
"""Longer than any tick of the clock that file systems take their times from."""
_ZEROS = bytes(_BLOCK)
_OFFSET = struct.Struct(">Q")


class Manifest:
    """A tree's contents as one digest, with the means to find where two trees differ.

    `marks` are the running digest after every `STEP` entries: where two manifests' marks first differ is the window
    that holds the first different entry, and only that is compared entry by entry.
    """

    def __init__(self, entries: Iterable[Known]) -> None:
        running = hashlib.sha256()
        self.marks: list[str] = []
        self.notes = Spool()
        """Of each entry its path, what stands for it, and its signature."""
        for path, known, seen in entries:
            running.update(path + b"\0\0" + known)
            self.notes.append((path, known, seen))
            if self.notes.count % STEP == 0:
                self.marks.append(running.hexdigest()[:32])
        self.digest = running.hexdigest()
        self.entries = self.notes.count

    def window(self, number: int) -> list[str]:
        """What stands for each of the entries from `number * STEP` on, its path included."""
        first = number * STEP
        return [digest(path + b"\0\0" + known).hex() for path, known, _ in islice(self.notes, first, first + STEP)]

    def path(self, position: int) -> bytes | None:
        """The path of one entry; None beyond the last."""
        return next((path for path, _, _ in islice(self.notes, position, None)), None)

    def close(self) -> None:
        self.notes.close()


def of_tree(root: int, single: Single | None = None, *, full: bool, past: Manifest | None = None) -> Iterator[Known]:
    """What a manifest is made of, read from the disk; `full` reads the files' content as well.

    With a `past` manifest of the same tree (without contents) whatever has kept its signature is not read again.
    """
    steady_ns = time.time_ns() - _TICK_NS
    links = HardLinks()
    notes = past.notes if past and not full else None
    for note, found, gone in Revisit(root, notes, _is_same, vanished, single):
        if found is None:
            if note and not gone:
                yield cast("Known", note)
            continue
        entry = describe(found, links)
        if entry is None:
            continue
        known = entry_digest(entry)
        if full and entry.kind == FILE:
            known += content_digest(Item(found, entry))
        # A change within the same tick of the kernel's clock would leave the same signature.
        yield found.path, known, signature(found.status) if found.status.st_ctime_ns < steady_ns and not full else None


def _is_same(note: tuple[Any, ...], status: os.stat_result) -> bool:
    """Files with several names never are: they are described by the first of them, which may not be the one it was."""
    return note[2] == signature(status) and (status.st_nlink == 1 or stat.S_ISDIR(status.st_mode))


def content_digest(item: Item) -> bytes:
    """A digest of a file's content: of its blocks that are not zeros, so holes cost nothing and make no difference."""
    running = hashlib.sha256()
    with open(open_file(item.found), "rb", buffering=0) as file:
        for offset, data in blocks.chunks(file.fileno(), item.found.status.st_size, _BLOCK):
            for start in range(0, len(data), _BLOCK):
                block = data[start : start + _BLOCK]
                if block != _ZEROS[: len(block)]:
                    running.update(_OFFSET.pack(offset + start))
                    running.update(block)
    return running.digest()[:16]
