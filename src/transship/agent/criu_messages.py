"""The form of CRIU's images: after a number that says which image it is, protobuf messages with their lengths."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .faults import AgentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAGIC_BYTES = 8
LENGTH = struct.Struct("<I")
_MORE = 0x80
_NUMBER, _BYTES = 0, 2


def messages(data: bytes, name: str) -> Iterator[bytes]:
    """The messages of an image. Raises `AgentError` where it is cut short."""
    at = MAGIC_BYTES
    while at < len(data):
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        if at + length > len(data):
            raise AgentError(f"CRIU's {name} is cut short")
        yield data[at : at + length]
        at += length


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in their order: numbers, and what has a length. Others raise `AgentError`."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == _NUMBER:
            yield key >> 3, value
        elif key & 7 == _BYTES and at + value <= len(message):
            yield key >> 3, message[at : at + value]
            at += value
        else:
            raise AgentError("an image of CRIU's holds what this version does not know")


def numbers(message: bytes) -> dict[int, int]:
    """The fields of a message that has numbers only."""
    found: dict[int, int] = {}
    for number, value in fields(message):
        if isinstance(value, bytes):
            raise AgentError("CRIU's map of pages holds what this version does not know")
        found[number] = value
    return found


def message(values: Mapping[int, int | bytes]) -> bytes:
    """A message with these fields, each once."""
    return b"".join(_field(number, value) for number, value in values.items())


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return _encoded(number << 3 | _BYTES) + _encoded(len(value)) + value
    return _encoded(number << 3 | _NUMBER) + _encoded(value)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise AgentError("a message in an image of CRIU's is cut short")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < _MORE:
            return value, at


def _encoded(value: int) -> bytes:
    parts = bytearray()
    while value >= _MORE:
        parts.append(value & 0x7F | _MORE)
        value >>= 7
    parts.append(value)
    return bytes(parts)
