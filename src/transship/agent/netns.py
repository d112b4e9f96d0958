"""A process inside a container's network namespace, which lets nothing out of it, or tells neighbours who is there.

A Python before 3.12 cannot enter a namespace, and the agent itself must not leave its own; so nsenter(1) starts this
file's program there, from the archive that the agent runs from, ahead of the moment when it is needed.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from . import offspring, rtnetlink
from .criu import environment
from .faults import AgentError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEW_QDISC, _DELETE_QDISC, _GET_QDISC, _GET_LINK, _GET_ADDRESS = 36, 37, 38, 18, 22
_REFUSALS = {
    "iptables": (
        ("-p", "tcp", "--tcp-flags", "RST", "RST"),
        ("-p", "icmp", "--icmp-type", "destination-unreachable"),
    ),
    "ip6tables": (
        ("-p", "tcp", "--tcp-flags", "RST", "RST"),
        ("-p", "icmpv6", "--icmpv6-type", "destination-unreachable"),
    ),
}
_TRAFFIC = struct.Struct("=BBHiIII")
_LINK = struct.Struct("=BBHiII")
_ADDRESS = struct.Struct("=BBBBi")
_KIND, _OPTIONS = 1, 2
_ROOT = 0xFFFFFFFF
_HANDLE, _HANDLE_MASK = 0x7A000000, 0xFF00FFFF
_RETRIES, _RETRIES_MASK = "/proc/sys/net/ipv4/tcp_retries2", 0xFF
_ONE_BYTE, _MANY_BYTES = struct.pack("=I", 1), struct.pack("=I", 1 << 24)
_PROBED_S = 1.0
"""Twice the time after which the kernel tries to send again."""
_LOOPBACK = 0x8
_LINK_ADDRESS, _ADDRESS_LOCAL, _ADDRESS_OWN = 1, 2, 1
_MAC_BYTES = 6
_LINK_SCOPE = 253
_BROADCAST = b"\xff" * 6
_ARP_PROTOCOL = b"\x08\x06"
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ALL_NODES = "ff02::1"
_ADVERTISEMENT = struct.Struct("!BBHI16sBB6s")
_OVERRIDE = 0x20000000
_IPV4_BYTES = 4
_NO_RULE = 1


class Interface(NamedTuple):
    """A network interface that is not the loopback. `addresses` are packed, of either family."""

    number: int
    mac: bytes
    addresses: list[bytes]


class Namespace:
    """The process inside, from the agent's side. It ends with the agent."""

    def __init__(self, pid: int) -> None:
        """Enter the network namespace of process `pid`. Raises `AgentError` where that cannot be."""
        self._process = offspring.start("netns", [], before=["nsenter", f"--net=/proc/{pid}/ns/net", "--"])
        self._answer()

    def do(self, word: str) -> None:
        """Have one of `ACTIONS` done. Raises `AgentError` where it cannot be."""
        assert self._process.stdin  # noqa: S101 - asked for above
        try:
            self._process.stdin.write(word.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and says why below
        self._answer()

    def leave(self) -> None:
        """End the process; what it did stays done."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> None:
        assert self._process.stdout  # noqa: S101
        assert self._process.stderr  # noqa: S101
        line = self._process.stdout.readline()
        if line != b"done\n":
            said = line or self._process.stderr.read()
            last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise AgentError(f"the container's network cannot be reached: {last or 'the process inside it ended'}")


def hush() -> None:
    """Let no refusal leave, by whichever interface, also one that is yet to come; everything else may.

    A kernel that has an address before the processes are there would refuse the connections that come with them.
    """
    _firewall("-I")


def unhush() -> None:
    """Take back what `hush` did. Where nothing was held back nothing happens."""
    _firewall("-D")


def _firewall(action: str) -> None:
    """With Docker's own tool: it writes what this kernel understands, and is there wherever Docker has networks."""
    for program, refusals in _REFUSALS.items():
        for refusal in refusals:
            done = _rule(program, action, refusal)
            if done.returncode and not (action == "-D" and _rule(program, "-C", refusal).returncode == _NO_RULE):
                said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
                raise AgentError(f"refusals cannot be held back: {said}")


def _rule(program: str, action: str, refusal: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    words = [program, "-w", "5", action, "OUTPUT", *refusal, "-j", "DROP"]
    return subprocess.run(words, env=environment(), capture_output=True, check=False)


def mute() -> None:
    """Let no packet leave, ARP included, whatever is sent. To a sender it looks like a full queue, so TCP keeps it.

    What arrives still arrives: it is answered when `speak` comes, here or where the processes are by then. The kernel
    tries twice a second, and gives a connection up after so many tries: as many as it can count to are allowed.
    """
    with rtnetlink.connect() as netlink:
        retries = next((handle >> 16 & _RETRIES_MASK for handle in _queues(netlink).values()), _retries())
        for interface in interfaces(netlink):
            _limit(netlink, interface.number, _HANDLE | retries << 16, _ONE_BYTE)
    _allow_retries(_RETRIES_MASK)


def speak() -> None:
    """Let packets leave again. Where nothing was muted nothing happens. `calm` is to follow where connections go on."""
    with rtnetlink.connect() as netlink:
        for number, handle in _queues(netlink).items():
            _limit(netlink, number, handle, _MANY_BYTES)


def calm() -> None:
    """When those that could not send have done so, the kernel gives connections up as early as before.

    Not sooner: it would give up at once what it has tried more often meanwhile.
    """
    with rtnetlink.connect() as netlink:
        queues = _queues(netlink)
        if queues:
            time.sleep(_PROBED_S)
        for number, handle in queues.items():
            _allow_retries(handle >> 16 & _RETRIES_MASK)
            body = _TRAFFIC.pack(socket.AF_UNSPEC, 0, 0, number, handle, _ROOT, 0)
            rtnetlink.change(netlink, _DELETE_QDISC, 0, body, "the way out")


def _limit(netlink: socket.socket, number: int, handle: int, limit: bytes) -> None:
    """Have a queue of that many bytes at the interface's way out."""
    body = _TRAFFIC.pack(socket.AF_UNSPEC, 0, 0, number, handle, _ROOT, 0)
    body += rtnetlink.attribute(_KIND, b"bfifo\0") + rtnetlink.attribute(_OPTIONS, limit)
    rtnetlink.change(netlink, _NEW_QDISC, rtnetlink.CREATE | rtnetlink.REPLACE, body, "the way out")


def _queues(netlink: socket.socket) -> dict[int, int]:
    """The interfaces with a queue of ours, by number; the handle of each says how often TCP tried before."""
    found = {}
    body = _TRAFFIC.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0)
    for queue in rtnetlink.ask(netlink, _GET_QDISC, rtnetlink.REQUEST | rtnetlink.DUMP, body):
        _, _, _, number, handle, _, _ = _TRAFFIC.unpack_from(queue)
        if handle & _HANDLE_MASK == _HANDLE:
            found[number] = handle
    return found


def _retries() -> int:
    """How often TCP sends something before it gives a connection up."""
    with open(_RETRIES, encoding="ascii") as file:
        return int(file.read())


def _allow_retries(count: int) -> None:
    with open(_RETRIES, "w", encoding="ascii") as file:
        file.write(str(count))


def announce() -> None:
    """Tell all neighbours that these addresses are here: gratuitous ARP, and unsolicited neighbour advertisements."""
    with rtnetlink.connect() as netlink:
        found = interfaces(netlink)
    for interface in found:
        for address in interface.addresses:
            if len(address) == _IPV4_BYTES:
                _announce_ipv4(interface, address)
            else:
                _announce_ipv6(interface, address)


def _announce_ipv4(interface: Interface, address: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((socket.if_indextoname(interface.number), 0))
        for operation in (1, 2):  # some systems learn from a request, some from a reply only
            arp = _ARP.pack(1, 0x0800, 6, 4, operation, interface.mac, address, _BROADCAST, address)
            raw.send(_BROADCAST + interface.mac + _ARP_PROTOCOL + arp)


def _announce_ipv6(interface: Interface, address: bytes) -> None:
    message = _ADVERTISEMENT.pack(136, 0, 0, _OVERRIDE, address, 2, 1, interface.mac)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.number)
        raw.bind((socket.inet_ntop(socket.AF_INET6, address), 0, 0, interface.number))
        raw.sendto(message, (_ALL_NODES, 0, 0, interface.number))


def interfaces(netlink: socket.socket) -> list[Interface]:
    """All interfaces but the loopback, with the addresses that others on the same link may ask for."""
    found = {}
    for link in rtnetlink.ask(netlink, _GET_LINK, rtnetlink.REQUEST | rtnetlink.DUMP, _LINK.pack(0, 0, 0, 0, 0, 0)):
        _, _, _, index, flags, _ = _LINK.unpack_from(link)
        values = dict(rtnetlink.attributes(link[_LINK.size :]))
        mac = values.get(_LINK_ADDRESS, b"")
        if not flags & _LOOPBACK and len(mac) == _MAC_BYTES:
            found[index] = Interface(index, mac, [])
    body = _ADDRESS.pack(0, 0, 0, 0, 0)
    for entry in rtnetlink.ask(netlink, _GET_ADDRESS, rtnetlink.REQUEST | rtnetlink.DUMP, body):
        _, _, _, scope, index = _ADDRESS.unpack_from(entry)
        values = dict(rtnetlink.attributes(entry[_ADDRESS.size :]))
        own = values.get(_ADDRESS_LOCAL) or values.get(_ADDRESS_OWN)
        if index in found and own and scope < _LINK_SCOPE:
            found[index].addresses.append(own)
    return list(found.values())


ACTIONS = {"hush": hush, "unhush": unhush, "mute": mute, "speak": speak, "calm": calm, "announce": announce}


def run() -> None:
    """Be the process inside: a word a line on standard input, each answered with `done` or what went wrong."""
    _say("done")
    for line in sys.stdin:
        try:
            ACTIONS[line.strip()]()
        except (AgentError, OSError) as error:
            _say(str(error))
        else:
            _say("done")


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()
