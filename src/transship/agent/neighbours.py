"""The host's neighbour table, by rtnetlink (rtnetlink(7), linux/neighbour.h)."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from typing import TYPE_CHECKING

from .faults import AgentError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROUTE = 0
_NEW, _GET = 28, 30
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP, _REPLACE = 0x1, 0x4, 0x300, 0x100
_INCOMPLETE, _STALE, _FAILED = 0x01, 0x04, 0x20
_DST, _LLADDR = 1, 2
_HEADER = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BBHiHBB")
_ATTRIBUTE = struct.Struct("=HH")


def learn(addresses: dict[str, str]) -> int:
    """Tell the kernel the link-layer address of those it asks for in vain, and return how many it asked for.

    A client that tries before a container's interface is up leaves an entry without an answer behind, and Linux asks
    again only once a second: until then nobody reaches the container. An entry that is told goes on at once, with the
    packets that waited for it. Addresses that the kernel does not ask for are left alone.
    """
    wanted = {
        ipaddress.ip_address(address).packed: bytes.fromhex(mac.replace(":", "")) for address, mac in addresses.items()
    }
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _ROUTE) as netlink:
        netlink.bind((0, 0))
        asked = [entry for entry in _unanswered(netlink) if entry[2] in wanted]
        for family, interface, address in asked:
            body = _NEIGHBOUR.pack(family, 0, 0, interface, _STALE, 0, 0)
            body += _attribute(_DST, address) + _attribute(_LLADDR, wanted[address])
            _send(netlink, _NEW, _REQUEST | _ACK | _REPLACE, body)
            for _ in _answers(netlink):
                pass
    return len(asked)


def _unanswered(netlink: socket.socket) -> list[tuple[int, int, bytes]]:
    """Family, interface and address of every entry that waits for an answer or has given up."""
    _send(netlink, _GET, _REQUEST | _DUMP, _NEIGHBOUR.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0))
    found = []
    for body in _answers(netlink):
        family, _, _, interface, state, _, _ = _NEIGHBOUR.unpack_from(body)
        if state & (_INCOMPLETE | _FAILED):
            found += [(family, interface, value) for kind, value in _attributes(body) if kind == _DST]
    return found


def _send(netlink: socket.socket, kind: int, flags: int, body: bytes) -> None:
    netlink.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)


def _answers(netlink: socket.socket) -> Iterator[bytes]:
    """The bodies of the answers, until the kernel says that there are no more."""
    while True:
        data = netlink.recv(1 << 16)
        while data:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            body, data = data[_HEADER.size : length], data[(length + 3) & ~3 :]
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -struct.unpack_from("=i", body)[0]
                if code:
                    raise AgentError(f"the neighbour table cannot be changed: {os.strerror(code)}")
                return
            yield body


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    rest = body[_NEIGHBOUR.size :]
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        yield kind, rest[_ATTRIBUTE.size : length]
        rest = rest[(length + 3) & ~3 :]
