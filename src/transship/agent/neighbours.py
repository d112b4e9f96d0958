"""The host's neighbour table, by rtnetlink (rtnetlink(7), linux/neighbour.h)."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

from . import rtnetlink

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW, _GET = 28, 30
_INCOMPLETE, _STALE, _FAILED = 0x01, 0x04, 0x20
_DST, _LLADDR = 1, 2
_NEIGHBOUR = struct.Struct("=BBHiHBB")


def learn(addresses: dict[str, str]) -> int:
    """Tell the kernel the link-layer address of those it asks for in vain, and return how many it asked for.

    A client that tries before a container's interface is up leaves an entry without an answer behind, and Linux asks
    again only once a second: until then nobody reaches the container. An entry that is told goes on at once, with the
    packets that waited for it. Addresses that the kernel does not ask for are left alone.
    """
    wanted = {
        ipaddress.ip_address(address).packed: bytes.fromhex(mac.replace(":", "")) for address, mac in addresses.items()
    }
    with rtnetlink.connect() as netlink:
        asked = [entry for entry in _unanswered(netlink) if entry[2] in wanted]
        for family, interface, address in asked:
            body = _NEIGHBOUR.pack(family, 0, 0, interface, _STALE, 0, 0)
            body += rtnetlink.attribute(_DST, address) + rtnetlink.attribute(_LLADDR, wanted[address])
            rtnetlink.change(netlink, _NEW, rtnetlink.REPLACE, body, "the neighbour table")
    return len(asked)


def _unanswered(netlink: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """Family, interface and address of every entry that waits for an answer or has given up."""
    body = _NEIGHBOUR.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0)
    for entry in rtnetlink.ask(netlink, _GET, rtnetlink.REQUEST | rtnetlink.DUMP, body):
        family, _, _, interface, state, _, _ = _NEIGHBOUR.unpack_from(entry)
        if state & (_INCOMPLETE | _FAILED):
            for kind, value in rtnetlink.attributes(entry[_NEIGHBOUR.size :]):
                if kind == _DST:
                    yield family, interface, value
