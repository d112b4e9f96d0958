from __future__ import annotations

import os
import time
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW_BYTES = 8 << 20
_PROBE_EVERY = 16
_GZIP = 31
_FAST, _STORED = 1, 0


class Squeeze:
    """A file for writing that sends gzip, whose parts are compressed or stored, whichever gets more across.

    Every part is a gzip member of its own, so that the choice can change at any time; all that reads gzip reads members
    that follow each other. What counts is how fast the reader's side takes data in each of the two ways: from
    time to time the other one is tried for a window.
    """

    def __init__(self, fd: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._fd = fd
        self._clock = clock
        self._level = _FAST
        self._rates: dict[int, float] = {}
        self._bytes = 0
        self._seconds = 0.0
        self._windows = 0

    @property
    def compressing(self) -> bool:
        return self._level != _STORED

    def write(self, data: bytes) -> int:
        """Send a part; blocks as long as the reader does."""
        began = self._clock()
        packer = zlib.compressobj(self._level, zlib.DEFLATED, _GZIP)
        rest = memoryview(packer.compress(data) + packer.flush())
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._seconds += self._clock() - began
        self._bytes += len(data)
        if self._bytes >= _WINDOW_BYTES:
            self._choose()
        return len(data)

    def _choose(self) -> None:
        self._rates[self._level] = self._bytes / max(self._seconds, 1e-9)
        self._bytes, self._seconds = 0, 0.0
        self._windows += 1
        self._level = max(self._rates, key=lambda level: self._rates[level])
        if self._windows % _PROBE_EVERY == 1:
            self._level = _STORED if self._level == _FAST else _FAST
