from __future__ import annotations

import marshal
import os
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from .frames import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_ITEMS = 512
_CHUNK_BYTES = 1 << 20


class Spool:
    """A sequence of tuples in a file without a name: memory is one chunk, however many there are.

    The file is this process's own and nothing else can open it, which is why its format may be Python's. It is gone
    with the process. Write all, then read as often as wanted.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed in close()
        self._fd = self._file.fileno()
        self._pending: list[tuple[Any, ...]] = []
        self._pending_bytes = 0
        self._chunks: list[tuple[int, int]] = []
        """Where in the file each chunk is, and its length."""
        self.count = 0

    def append(self, item: tuple[Any, ...], weight: int = 0) -> None:
        """Add a tuple of plain values; `weight` is roughly its bytes where they are many."""
        self._pending.append(item)
        self.count += 1
        self._pending_bytes += weight
        if len(self._pending) >= _CHUNK_ITEMS or self._pending_bytes >= _CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        data = marshal.dumps(self._pending)
        offset = sum(self._chunks[-1]) if self._chunks else 0
        self._chunks.append((offset, len(data)))
        write_all(self._fd, data)
        self._pending = []
        self._pending_bytes = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self.part(0, 1)

    def part(self, number: int, count: int) -> Iterator[tuple[Any, ...]]:
        """One of `count` parts of about the same length, in their order."""
        if self._pending:
            self._flush()
        first, end = (len(self._chunks) * each // count for each in (number, number + 1))
        return self._items(self._chunks[first:end])

    def _items(self, chunks: list[tuple[int, int]]) -> Iterator[tuple[Any, ...]]:
        for offset, length in chunks:
            yield from marshal.loads(self._read(offset, length))  # noqa: S302 - written by this process alone

    def _read(self, offset: int, length: int) -> bytes:
        parts = []
        while length:
            part = os.pread(self._fd, length, offset)
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()


class Remembered(NamedTuple):
    """What was sent of one path, or what the target said that it has.

    `signature` is what lstat said when it was read, None where the target told; a file whose signature is the same
    and which is `settled` has not changed. `digest` is the encoded entry's. `blocks` are the content's digests
    (blocks.py) with their `block_size`, empty and 0 where none were kept.
    """

    path: bytes
    signature: tuple[int, ...] | None
    settled: bool
    digest: bytes
    block_size: int
    blocks: bytes


def signature(status: os.stat_result) -> tuple[int, ...]:
    """What changes whenever a file does: the kernel sets ctime on every change, and nobody else can."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_nlink,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def nlink_of(seen: tuple[int, ...]) -> int:
    """The number of links in a signature."""
    return seen[2]


def inode_of(seen: tuple[int, ...]) -> tuple[int, ...]:
    """Device and inode in a signature."""
    return seen[:2]
