from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from . import compress, records
from .frames import Frame, encode, write_all

if TYPE_CHECKING:
    from .compress import Chooser

_FULL = 256 << 10
_WAITING = 4
_BURST_SECONDS = 0.1


class Pace:
    """A limit in bytes per second on what goes out; 0 is none."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free_at = time.monotonic()

    def wait(self, count: int) -> None:
        """Sleep until `count` bytes may go."""
        if not self._rate:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now - _BURST_SECONDS)
        if self._free_at > now:
            time.sleep(self._free_at - now)
        self._free_at += count / self._rate


class Outgoing:
    """Records on their way out: gathered into frames, then compressed and written by a thread of its own.

    Memory is a few frames, however slow the link. Use it as a context manager: leaving it waits until all is written.
    Errors of the thread are raised by the next call, or on leaving.
    """

    def __init__(self, fd: int, frame_type: int, chooser: Chooser, pace: Pace) -> None:
        self._fd = fd
        self._type = frame_type
        self._chooser = chooser
        self._pace = pace
        self._parts: list[bytes | memoryview] = []
        self._size = 0
        self._queue: deque[bytes | None] = deque()
        self._changed = threading.Condition()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="outgoing", daemon=True)
        self.count = 0
        self.raw = 0
        """Bytes in frames before compression."""
        self.wire = 0
        """Bytes written."""
        self.codec = compress.NONE
        """The best codec that any frame used."""

    def __enter__(self) -> Outgoing:  # noqa: PYI034 - Python 3.8 has no Self
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        self._enqueue(None)
        self._thread.join()
        if kind is None and self._error:
            raise self._error

    def add(self, record: bytes, content: bytes | memoryview = b"") -> None:
        """Send one record; `content` is its end where that need not be copied."""
        self._parts.append(record)
        if content:
            self._parts.append(content)
        self._size += len(record) + len(content)
        self.count += 1
        if self._size >= _FULL:
            self._flush()

    def end(self) -> None:
        """Send the record that says how many there were."""
        self.add(records.end(self.count))

    def _flush(self) -> None:
        if self._parts:
            self._enqueue(b"".join(self._parts))
            self._parts = []
            self._size = 0

    def _enqueue(self, payload: bytes | None) -> None:
        with self._changed:
            while len(self._queue) >= _WAITING and not self._error:
                self._changed.wait()
            if self._error and payload is not None:
                raise self._error
            self._queue.append(payload)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                payload = self._queue.popleft()
                self._changed.notify_all()
            if payload is None:
                return
            try:
                self._write(payload)
            except OSError as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return

    def _write(self, payload: bytes) -> None:
        codec, data = self._chooser.pack(payload)
        frame = encode(Frame(self._type, codec, data))
        began = time.perf_counter()  # to whoever compresses, a limit is nothing but a slow link
        self._pace.wait(len(frame))
        write_all(self._fd, frame)
        self._chooser.sent(len(frame), time.perf_counter() - began)
        self.codec = max(self.codec, codec)
        self.raw += len(payload)
        self.wire += len(frame)
