"""The digests of a large file's blocks, computed by several processes."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from . import blocks
from .forked import Forked, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    Digested = tuple[int, int, bytes]
    """Offset and length of some blocks, and their packed digests."""

WORTH = 32 << 20
"""From this size on it takes longer to read a file than to start processes."""
_SPAN = 4 << 20
_STEP = 64 << 10


def digested(fd: int, end: int, size: int) -> Iterator[Digested]:
    """What `blocks.chunks` would give of a file, in the same order, in smaller pieces and without the data."""
    span = max(_SPAN, size)
    starts = range(0, end, span)
    count = processes() if end >= WORTH else 1
    with ExitStack() as ending:
        others = []
        for number in range(count if count > 1 else 0):
            others.append(Forked(partial(_spans, fd, end, size, starts[number::count])))
            ending.callback(others[-1].end)
        for number, start in enumerate(starts):
            found = others[number % count].take() if others else None
            yield from _span(fd, end, size, start) if found is None else found


def _spans(fd: int, end: int, size: int, starts: range) -> Iterator[list[Digested]]:
    for start in starts:
        yield _span(fd, end, size, start)


def _span(fd: int, end: int, size: int, start: int) -> list[Digested]:
    stop = min(end, start + max(_SPAN, size))
    return [
        (offset, len(data), b"".join(blocks.digests(offset, data, size)))
        for offset, data in blocks.chunks(fd, stop, size, start, _STEP)
    ]
