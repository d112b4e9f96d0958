from __future__ import annotations

import fcntl
import os
import struct
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from .faults import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC = b"TS"
VERSION = 1
HEADER = struct.Struct(">2sBBBII")
"""Magic, version, type, codec, length of the payload, CRC-32 of the four before it and the payload."""

REQUEST = 1
"""Coordinator to agent: one JSON object."""
REPLY = 2
"""Agent to coordinator: one JSON object."""
RECORDS = 3
"""Source to target: what changed in a tree (records.py)."""
STATE = 4
"""Target to source: what a tree already holds (records.py)."""

MAX_PAYLOAD = 1 << 20
_CHECK = struct.Struct(">I")
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031


class Frame(NamedTuple):
    """One message. `payload` is still compressed with `codec` (0: not at all)."""

    type: int
    codec: int
    payload: bytes


def encode(frame: Frame) -> bytes:
    """The frame's bytes on the wire."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise ProtocolError(f"a frame of {len(frame.payload)} bytes is longer than {MAX_PAYLOAD}")
    head = HEADER.pack(MAGIC, VERSION, frame.type, frame.codec, len(frame.payload), 0)
    check = zlib.crc32(frame.payload, zlib.crc32(head[:-4]))
    return b"".join([head[:-4], _CHECK.pack(check), frame.payload])


class Head(NamedTuple):
    """What a frame begins with. `raw` is as it came; `length` bytes of payload follow."""

    type: int
    codec: int
    length: int
    check: int
    raw: bytes


def read_head(source: Callable[[int], bytes]) -> Head | None:
    """Read the head of a frame with `source(limit)`, which returns at most `limit` bytes and none at the end.

    None where the stream ends. Raises `ProtocolError` for anything that is not the head of a frame of this version.
    """
    raw = _exactly(source, HEADER.size)
    if not raw:
        return None
    if len(raw) < HEADER.size:
        raise ProtocolError("the stream ends inside a frame's header")
    magic, version, kind, codec, length, check = HEADER.unpack(raw)
    if magic != MAGIC:
        raise ProtocolError(f"the stream holds {raw[:8]!r} where a frame should begin")
    if version != VERSION:
        raise ProtocolError(f"the other end speaks version {version} of the protocol, this one version {VERSION}")
    if length > MAX_PAYLOAD or not REQUEST <= kind <= STATE:
        raise ProtocolError(f"a frame of type {kind} and {length} bytes is none of this protocol")
    return Head(kind, codec, length, check, raw)


def read_body(source: Callable[[int], bytes], head: Head) -> Frame:
    """Read the rest of a frame. Raises `ProtocolError` where it is cut short or its checksum is wrong.

    What is held in memory never exceeds what arrived, nor `MAX_PAYLOAD`.
    """
    payload = _exactly(source, head.length)
    if len(payload) < head.length:
        raise ProtocolError("the stream ends inside a frame")
    if zlib.crc32(payload, zlib.crc32(head.raw[:-4])) != head.check:
        raise ProtocolError("a frame arrived damaged (its checksum is wrong)")
    return Frame(head.type, head.codec, payload)


def read(source: Callable[[int], bytes]) -> Frame | None:
    """Read a whole frame; None where the stream ends before it."""
    head = read_head(source)
    return None if head is None else read_body(source, head)


def _exactly(source: Callable[[int], bytes], count: int) -> bytes:
    first = source(count)
    if len(first) == count or not first:
        return first
    parts = [first]
    count -= len(first)
    while count:
        part = source(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte of `data` to a pipe or a file."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def widen(fd: int) -> None:
    """Let a pipe hold a few frames, so that both of its ends can work at once. What is no pipe stays as it is."""
    with suppress(OSError):
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_BYTES)
