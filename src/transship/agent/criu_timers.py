"""Timers that CRIU would write down as if nobody had set them."""

from __future__ import annotations

import os

from .criu_messages import LENGTH, MAGIC_BYTES, fields, message, messages

_FILES = "files.img"
_TIMERFD = 12
_VALUE, _INTERVAL = (7, 8), (9, 10)
"""Seconds and nanoseconds until it goes off next, and between two times: as in CRIU's images/timerfd.proto."""


def wind_up(images: str) -> int:
    """Let every periodic timerfd that has gone off, and was not read since, go on after the restore. Returns how many.

    The kernel winds such a timer up when it is read, and says until then that it stands still. CRIU believes that: the
    restored program reads once, and then waits for ever (CRIU's issue 3162). Every timer is hit whose period is
    shorter than the freeze. With its interval as the time until it goes off next it goes on.
    """
    path = os.path.join(images, _FILES)
    with open(path, "rb") as file:
        data = file.read()
    written, wound = [data[:MAGIC_BYTES]], 0
    for each in messages(data, _FILES):
        found = dict(fields(each))
        timer = found.get(_TIMERFD)
        if isinstance(timer, bytes) and (going := _going(timer)):
            found[_TIMERFD], wound = going, wound + 1
            each = message(found)  # noqa: PLW2901 - it takes its place
        written += [LENGTH.pack(len(each)), each]
    if wound:
        with open(path, "wb") as file:
            file.write(b"".join(written))
    return wound


def _going(timer: bytes) -> bytes:
    """The timer as it shall be restored; nothing where it is right as it is."""
    found = dict(fields(timer))
    if any(found.get(each) for each in _VALUE) or not any(found.get(each) for each in _INTERVAL):
        return b""
    return message({**found, **{value: found[interval] for value, interval in zip(_VALUE, _INTERVAL)}})
