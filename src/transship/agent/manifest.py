from __future__ import annotations

import hashlib
import struct
import time
from itertools import islice
from typing import TYPE_CHECKING, cast

from . import blocks
from .entry import FILE, digest
from .inventory import Item, entry_digest, inventory, open_file
from .spool import Spool, signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .entry import Entry
    from .inventory import Knows
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
        self._spool = Spool()
        for path, known, seen in entries:
            running.update(path + b"\0\0" + known)
            self._spool.append((path, known, seen))
            if self._spool.count % STEP == 0:
                self.marks.append(running.hexdigest()[:32])
        self.digest = running.hexdigest()
        self.entries = self._spool.count

    def window(self, number: int) -> list[str]:
        """What stands for each of the entries from `number * STEP` on, its path included."""
        first = number * STEP
        return [digest(path + b"\0\0" + known).hex() for path, known, _ in islice(self._spool, first, first + STEP)]

    def path(self, position: int) -> bytes | None:
        """The path of one entry; None beyond the last."""
        return next((path for path, _, _ in islice(self._spool, position, None)), None)

    def memory(self) -> Knows:
        """Answers with what an entry's digest was, if its signature says that it has not changed since.

        To be asked in the order of the paths, as a walk goes.
        """
        entries = iter(self._spool)
        current = next(entries, None)

        def knows(path: bytes, seen: tuple[int, ...]) -> bytes | None:
            nonlocal current
            while current is not None and current[0] < path:
                current = next(entries, None)
            if current is None or current[0] != path or current[2] != seen:
                return None
            known: bytes = current[1]
            return known

        return knows

    def close(self) -> None:
        self._spool.close()


def of_tree(root: int, single: Single | None = None, *, full: bool, past: Manifest | None = None) -> Iterator[Known]:
    """What a manifest is made of, read from the disk; `full` reads the files' content as well.

    With a `past` manifest of the same tree (without contents) whatever has kept its signature is not read again.
    """
    steady_ns = time.time_ns() - _TICK_NS
    for item in inventory(root, single, past.memory() if past and not full else None):
        if item.entry is None and item.known is None:
            continue
        known = item.known or entry_digest(cast("Entry", item.entry))
        if full and item.entry and item.entry.kind == FILE:
            known += content_digest(item)
        seen = signature(item.found.status)
        # A change within the same tick of the kernel's clock would leave the same signature.
        yield item.found.path, known, seen if item.found.status.st_ctime_ns < steady_ns and not full else None


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
