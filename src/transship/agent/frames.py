from __future__ import annotations

import os
import struct
import zlib
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
_READ = 1 << 16


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
    return head[:-4] + struct.pack(">I", check) + frame.payload


def read(source: Callable[[int], bytes]) -> bytes | None:
    """Read the bytes of one frame with `source(limit)`, which returns at most `limit` bytes and none at the end.

    None where the stream ends between frames. Raises `ProtocolError` for anything that is not a whole frame of this
    version. What is held in memory never exceeds what arrived, nor `MAX_PAYLOAD`. The checksum is not looked at.
    """
    head = _exactly(source, HEADER.size)
    if not head:
        return None
    if len(head) < HEADER.size:
        raise ProtocolError("the stream ends inside a frame's header")
    magic, version, kind, _, length, _ = HEADER.unpack(head)
    if magic != MAGIC:
        raise ProtocolError(f"the stream holds {head[:8]!r} where a frame should begin")
    if version != VERSION:
        raise ProtocolError(f"the other end speaks version {version} of the protocol, this one version {VERSION}")
    if length > MAX_PAYLOAD or not REQUEST <= kind <= STATE:
        raise ProtocolError(f"a frame of type {kind} and {length} bytes is none of this protocol")
    payload = _exactly(source, length)
    if len(payload) < length:
        raise ProtocolError("the stream ends inside a frame")
    return head + payload


def kind_of(raw: bytes) -> int:
    """The type of a frame that `read` returned."""
    return raw[len(MAGIC) + 1]


def decode(raw: bytes) -> Frame:
    """The frame in the bytes that `read` returned. Raises `ProtocolError` where its checksum is wrong."""
    _, _, kind, codec, _, check = HEADER.unpack_from(raw)
    payload = raw[HEADER.size :]
    if zlib.crc32(payload, zlib.crc32(raw[: HEADER.size - 4])) != check:
        raise ProtocolError("a frame arrived damaged (its checksum is wrong)")
    return Frame(kind, codec, payload)


def _exactly(source: Callable[[int], bytes], count: int) -> bytes:
    parts = []
    while count:
        part = source(min(count, _READ))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte of `data` to a pipe."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
