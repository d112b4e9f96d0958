from __future__ import annotations

import errno
import hashlib
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = 64 << 10
"""Files up to this size are sent whole and without block digests."""
RECORD = struct.Struct(">Q16s")
"""One block that is not a hole: its index, its digest."""
CHUNK = 256 << 10
ZEROS = bytes(CHUNK)
_SMALLEST = 4 << 10
_AIM = 1 << 19
_MOST = 1 << 21
MOST_BYTES = _MOST * RECORD.size


def block_size(allocated: int, known: int = 0) -> int:
    """The size of the blocks of a file with so many bytes allocated; `known` (0: none) is kept while it can be.

    Small blocks make small patches, as databases write 4 to 16 KiB at a time; their number bounds the memory (24
    bytes each). A power of two.
    """
    size = _SMALLEST
    while allocated > size * _AIM:
        size *= 2
    if known and known <= 2 * size and allocated <= known * _MOST:
        return known
    return size


def extents(fd: int, end: int, position: int = 0) -> Iterator[tuple[int, int]]:
    """Where a file has data from `position` to `end`, as (start, stop); one where the file system cannot tell."""
    while position < end:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
            stop = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            if error.errno != errno.EINVAL:
                raise
            start, stop = position, end
        if start >= end:
            return
        yield start, min(stop, end)
        position = stop


def chunks(fd: int, end: int, size: int, begin: int = 0, step: int = CHUNK) -> Iterator[tuple[int, bytes]]:
    """The file's data from `begin` to `end` as (offset, bytes), in order, cut at multiples of blocks of `size` bytes.

    Holes are left out, as far as they fill blocks. A file that shrinks meanwhile gives less.
    """
    step = max(step, size)
    done = begin
    for start, stop in extents(fd, end, begin):
        position = max(done, start - start % size)
        done = min(end, stop + -stop % size)
        while position < done:
            data = read(fd, min(step - position % step, done - position), position)
            if not data:
                return
            yield position, data
            position += len(data)


def read(fd: int, count: int, offset: int) -> bytes:
    """`count` bytes, fewer only at the end of the file."""
    data = os.pread(fd, count, offset)
    if len(data) == count or not data:
        return data
    parts = [data]
    got = len(data)
    while got < count:
        part = os.pread(fd, count - got, offset + got)
        if not part:
            break
        parts.append(part)
        got += len(part)
    return b"".join(parts)


def digests(offset: int, data: bytes, size: int) -> list[bytes]:
    """The packed record of each block of `data`, which begins at `offset`."""
    sha256 = hashlib.sha256
    pack = RECORD.pack
    first = offset // size
    if len(data) <= size:
        return [pack(first, sha256(data).digest()[:16])]
    view = memoryview(data)
    return [
        pack(first + number, sha256(view[at : at + size]).digest()[:16])
        for number, at in enumerate(range(0, len(data), size))
    ]


def of_content(content: bytes) -> bytes:
    """The packed digest of a small file's content as one block of `SMALL` bytes; nothing for an empty file."""
    return b"".join(digests(0, content, SMALL)) if content else b""
