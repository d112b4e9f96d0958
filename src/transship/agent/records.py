"""What a frame of type RECORDS or STATE holds: whole records, one after the other.

A tree's round is a sequence of records in the order of their paths, ended by `End`. Offsets and sizes are in bytes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, Union

from . import entry as entries
from .entry import Entry, check_path
from .faults import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

PUT, OPEN, PATCH, DATA, ZERO, HOLE, CLOSE, DELETE, KNOWN, MORE, END = range(1, 12)
_TAG = struct.Struct(">B")
_DATA = struct.Struct(">BQI")
_RANGE = struct.Struct(">BQQ")
_SIZE = struct.Struct(">BQ")
_PATH = struct.Struct(">BI")
_KNOWN = struct.Struct(">BI16sQI")
MAX_OFFSET = (1 << 63) - 1


class Put(NamedTuple):
    """Make this entry. `content` is the whole of a small file, empty for all else."""

    entry: Entry
    content: memoryview


class Open(NamedTuple):
    """Data for a large file follows. `patch`: it changes the content that is there; else the content is new."""

    entry: Entry
    patch: bool


class Data(NamedTuple):
    """Bytes for the open file."""

    offset: int
    content: memoryview


class Blank(NamedTuple):
    """Zeros for the open file: a hole, or else blocks that are allocated as they are in the source."""

    offset: int
    length: int
    hole: bool


class Close(NamedTuple):
    """The open file is complete and has this size."""

    size: int


class Delete(NamedTuple):
    """Take `path` away, with all that it holds."""

    path: bytes


class Known(NamedTuple):
    """Something that the target has: its entry's digest, and for files whose content was read that of each block.

    `blocks` is as blocks.py packs them; `block_size` 0 says that the content was not read.
    """

    path: bytes
    digest: bytes
    block_size: int
    blocks: bytes


class More(NamedTuple):
    """More of the last `Known`'s blocks: those of a large file do not fit into one frame."""

    blocks: bytes


class End(NamedTuple):
    """The round, or the state, is complete: it held `total` records before this one."""

    total: int


Record = Union[Put, Open, Data, Blank, Close, Delete, Known, More, End]


def put(encoded: bytes, content: bytes) -> bytes:
    """`Put`, from an encoded entry whose size is that of `content`."""
    return _TAG.pack(PUT) + encoded + content


def open_file(encoded: bytes, *, patch: bool) -> bytes:
    return _TAG.pack(PATCH if patch else OPEN) + encoded


def data(offset: int, length: int) -> bytes:
    """The head of a `Data`; `length` bytes have to follow."""
    return _DATA.pack(DATA, offset, length)


def blank(offset: int, length: int, *, hole: bool) -> bytes:
    return _RANGE.pack(HOLE if hole else ZERO, offset, length)


def close(size: int) -> bytes:
    return _SIZE.pack(CLOSE, size)


def delete(path: bytes) -> bytes:
    return _PATH.pack(DELETE, len(path)) + path


def known(record: Known) -> bytes:
    path, digest, block_size, blocks = record
    return _KNOWN.pack(KNOWN, len(path), digest, block_size, len(blocks)) + path + blocks


def more(blocks: bytes) -> bytes:
    return _PATH.pack(MORE, len(blocks)) + blocks


def end(count: int) -> bytes:
    return _SIZE.pack(END, count)


def parse(payload: bytes) -> Iterator[Record]:
    """The records of one payload. Raises `ProtocolError` where it is not a sequence of whole, possible records."""
    view = memoryview(payload)
    offset = 0
    while offset < len(view):
        try:
            record, offset = _parse_one(view, offset)
        except struct.error as error:
            raise ProtocolError("a record is cut short") from error
        yield record


def _parse_one(view: memoryview, offset: int) -> tuple[Record, int]:  # noqa: PLR0911 - one line per kind
    tag = view[offset]
    if tag == PUT:
        entry, start = entries.decode(view, offset + 1)
        content, stop = _take(view, start, entry.size if entry.kind == entries.FILE else 0)
        return Put(entry, content), stop
    if tag in (OPEN, PATCH):
        entry, stop = entries.decode(view, offset + 1)
        if entry.kind != entries.FILE:
            raise ProtocolError("only files have data")
        return Open(entry, tag == PATCH), stop
    if tag == DATA:
        _, at, length = _DATA.unpack_from(view, offset)
        content, stop = _take(view, offset + _DATA.size, length)
        return Data(_possible(at, length), content), stop
    if tag in (ZERO, HOLE):
        _, at, length = _RANGE.unpack_from(view, offset)
        return Blank(_possible(at, length), length, tag == HOLE), offset + _RANGE.size
    if tag in (CLOSE, END):
        _, value = _SIZE.unpack_from(view, offset)
        value = _possible(value, 0)
        return (Close(value) if tag == CLOSE else End(value)), offset + _SIZE.size
    if tag == DELETE:
        _, length = _PATH.unpack_from(view, offset)
        raw, stop = _take(view, offset + _PATH.size, length)
        return Delete(_checked(raw)), stop
    if tag == MORE:
        _, length = _PATH.unpack_from(view, offset)
        raw, stop = _take(view, offset + _PATH.size, length)
        return More(bytes(raw)), stop
    if tag == KNOWN:
        return _parse_known(view, offset)
    raise ProtocolError(f"there is no record of type {tag}")


def _parse_known(view: memoryview, offset: int) -> tuple[Known, int]:
    _, length, digest, block_size, blocks_length = _KNOWN.unpack_from(view, offset)
    raw, middle = _take(view, offset + _KNOWN.size, length)
    blocks, stop = _take(view, middle, blocks_length)
    path = bytes(raw)
    check_path(path)
    return Known(path, digest, block_size, bytes(blocks)), stop


def _take(view: memoryview, start: int, length: int) -> tuple[memoryview, int]:
    stop = start + length
    if stop > len(view):
        raise ProtocolError("a record is cut short")
    return view[start:stop], stop


def _checked(raw: memoryview) -> bytes:
    path = bytes(raw)
    check_path(path)
    if not path:
        raise ProtocolError("the root of a tree stays")
    return path


def _possible(offset: int, length: int) -> int:
    if offset + length > MAX_OFFSET:
        raise ProtocolError("an offset beyond what a file can have")
    return offset
