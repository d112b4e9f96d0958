"""The files of a folder, one after the other, as fast as they can be read: memory images, which nothing else changes.

Each is its name's length, its name, its size, its content; a name of no length ends them.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from .faults import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .stream import Outgoing

_HEAD = struct.Struct(">HQ")
_CHUNK = 512 << 10


def send(folder: str, out: Outgoing) -> int:
    """Send all files of the folder and return how many bytes of content that is."""
    total = 0
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            out.add(_HEAD.pack(len(os.fsencode(name)), size) + os.fsencode(name))
            left = size
            while left:
                part = os.read(file.fileno(), min(left, _CHUNK))
                if not part:
                    raise ProtocolError(f"{name} was cut short while it was sent")
                out.add(b"", part)
                left -= len(part)
            total += size
    out.add(_HEAD.pack(0, 0))
    return total


def receive(folder: str, payloads: Iterable[bytes]) -> int:
    """Write the files that arrive into the folder, which has none of them, and return how many bytes that is.

    Raises `ProtocolError` where a name leads out of the folder or the stream ends early.
    """
    total = 0
    reader = _Reader(payloads)
    while True:
        length, size = _HEAD.unpack(reader.exactly(_HEAD.size))
        if not length:
            return total
        name = reader.exactly(length)
        if name in (b".", b"..") or b"/" in name or b"\0" in name:
            raise ProtocolError(f"an image is called {name!r}")
        with open(os.path.join(os.fsencode(folder), name), "xb") as file:
            for part in reader.parts(size):
                file.write(part)
        total += size


class _Reader:
    """A stream that comes in pieces of any size."""

    def __init__(self, payloads: Iterable[bytes]) -> None:
        self._payloads = iter(payloads)
        self._rest = memoryview(b"")

    def exactly(self, count: int) -> bytes:
        return b"".join(self.parts(count))

    def parts(self, count: int) -> Iterator[memoryview]:
        while count:
            if not self._rest:
                self._rest = memoryview(next(self._payloads))
            part, self._rest = self._rest[:count], self._rest[count:]
            count -= len(part)
            yield part
