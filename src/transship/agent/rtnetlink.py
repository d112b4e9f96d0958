"""Messages of rtnetlink(7), as far as neighbours, addresses and queueing disciplines need them."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

from .faults import AgentError

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST, ACK, DUMP, REPLACE, CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
_ROUTE = 0
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LARGEST = 1 << 16


def connect() -> socket.socket:
    """A socket to the kernel, in the network namespace of this process."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _ROUTE)
    netlink.bind((0, 0))
    return netlink


def ask(netlink: socket.socket, kind: int, flags: int, body: bytes) -> list[bytes]:
    """Send one request and return the bodies of all answers. Raises `OSError` with the kernel's reason."""
    netlink.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)
    return list(_answers(netlink))


def change(netlink: socket.socket, kind: int, flags: int, body: bytes, what: str) -> None:
    """Have the kernel change something. Raises `AgentError`, which says that `what` cannot be changed."""
    try:
        ask(netlink, kind, REQUEST | ACK | flags, body)
    except OSError as error:
        raise AgentError(f"{what} cannot be changed: {error.strerror}") from error


def attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def attributes(rest: bytes) -> Iterator[tuple[int, bytes]]:
    """Take the attributes apart that follow a body's fixed part."""
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        yield kind, rest[_ATTRIBUTE.size : length]
        rest = rest[(length + 3) & ~3 :]


def _answers(netlink: socket.socket) -> Iterator[bytes]:
    """The bodies of the answers, until the kernel says that there are no more."""
    while True:
        data = netlink.recv(_LARGEST)
        while data:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            body, data = data[_HEADER.size : length], data[(length + 3) & ~3 :]
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -struct.unpack_from("=i", body)[0]
                if code:
                    raise OSError(code, os.strerror(code))
                return
            yield body
