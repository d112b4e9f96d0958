from __future__ import annotations

import os
import struct
import time
import zlib

from . import compress

_PART = 256 << 10
_HEAD = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
_TAIL = struct.Struct("<II")
_ZLIB_HEAD, _ZLIB_TAIL = 2, 4


class Squeeze:
    """A file for writing that sends gzip, whose parts are compressed where that pays, else stored.

    Every part is a gzip member of its own, so that the choice can change at any time; all that reads gzip reads members
    that follow each other.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._chooser = compress.Chooser(compress.ZLIB)

    def write(self, data: bytes) -> int:
        """Send all of it; blocks as long as the reader does."""
        for at in range(0, len(data), _PART):
            self._send(data[at : at + _PART])
        return len(data)

    def _send(self, part: bytes) -> None:
        packed = self._chooser.pack(part)
        deflated = packed.data if packed.codec == compress.ZLIB else zlib.compress(part, 0)
        member = _HEAD + deflated[_ZLIB_HEAD:-_ZLIB_TAIL] + _TAIL.pack(zlib.crc32(part), len(part))
        rest = memoryview(member)
        began = time.perf_counter()
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._chooser.sent(len(member), time.perf_counter() - began)
