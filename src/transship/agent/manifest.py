from __future__ import annotations

import hashlib
import struct
from itertools import islice
from typing import TYPE_CHECKING

from . import blocks
from .entry import FILE, digest
from .inventory import Item, entry_digest, inventory, open_file
from .spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .walk import Single

STEP = 1024
"""Entries between two marks, and in one window."""
_BLOCK = 64 << 10
_ZEROS = bytes(_BLOCK)
_OFFSET = struct.Struct(">Q")


class Manifest:
    """A tree's contents as one digest, with the means to find where two trees differ.

    `marks` are the running digest after every `STEP` entries: where two manifests' marks first differ is the window
    that holds the first different entry, and only that is compared entry by entry.
    """

    def __init__(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        running = hashlib.sha256()
        self.marks: list[str] = []
        self._spool = Spool()
        for path, known in entries:
            running.update(path + b"\0\0" + known)
            self._spool.append((path, known))
            if self._spool.count % STEP == 0:
                self.marks.append(running.hexdigest()[:32])
        self.digest = running.hexdigest()
        self.entries = self._spool.count

    def window(self, number: int) -> list[str]:
        """What stands for each of the entries from `number * STEP` on, its path included."""
        first = number * STEP
        return [digest(path + b"\0\0" + known).hex() for path, known in islice(self._spool, first, first + STEP)]

    def path(self, position: int) -> bytes | None:
        """The path of one entry; None beyond the last."""
        return next((path for path, _ in islice(self._spool, position, None)), None)

    def close(self) -> None:
        self._spool.close()


def of_tree(root: int, single: Single | None = None, *, full: bool) -> Iterator[tuple[bytes, bytes]]:
    """What a manifest is made of, read from the disk; `full` reads the files' content as well."""
    for item in inventory(root, single):
        if item.entry is None:
            continue
        known = entry_digest(item.entry)
        if full and item.entry.kind == FILE:
            known += content_digest(item)
        yield item.entry.path, known


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
