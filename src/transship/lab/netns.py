import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from transship.errors import LabError, UsageError
from transship.lab import programs
from transship.lab.processes import wait_until

RANGE = ipaddress.ip_network("198.18.0.0/15")
"""Reserved for benchmarks (RFC 2544): nobody's real network."""

LABS = 2 ** (24 - RANGE.prefixlen)
LAST_RESORT = str(2**32 - 1)
BRIDGE = "lab"
UNIT_BITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def namespace_path(namespace: str) -> Path:
    """The file by which a named network namespace is entered."""
    return Path("/run/netns") / namespace


def bits_per_second(rate: str) -> int:
    """Read a rate like `100mbit`. Raises `UsageError` for anything else."""
    match = re.fullmatch(r"(\d+)([kmg]?)bit", rate)
    if match is None or int(match[1]) == 0:
        raise UsageError(f"{rate!r} is not a rate", hint="write it as tc does: 500kbit, 100mbit, 1gbit")
    return int(match[1]) * UNIT_BITS[match[2]]


def used_indexes() -> set[int]:
    """The subnets of `RANGE` that the machine's routes mention already, whoever made them."""
    indexes: set[int] = set()
    for line in programs.run(["ip", "-4", "route", "show", "table", "all"]).splitlines():
        for word in re.findall(r"\d+\.\d+\.\d+\.\d+", line):
            address = ipaddress.ip_address(word)
            if address in RANGE:
                indexes.add((int(address) - int(RANGE.network_address)) // 256)
    return indexes


@dataclass(frozen=True, slots=True)
class Network:
    """The wires of one lab: a switch in its own namespace, one cable to each host, one to this machine.

    The switch is apart from the machine so that no firewall rule of the machine (Docker's, for one) touches what the
    hosts say to each other. Nothing is routed: hosts have no default route, and what this machine sends to a host
    that is not there ends at an `unreachable` route.
    """

    lab: str
    index: int
    """Which /24 of `RANGE`."""

    @property
    def subnet(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network((int(RANGE.network_address) + self.index * 256, 24))

    @property
    def gateway(self) -> str:
        """The address of this machine in the lab."""
        return str(self.subnet[1])

    @property
    def switch(self) -> str:
        return f"transship.{self.lab}"

    @property
    def uplink(self) -> str:
        return f"transship{self.index}"

    def namespace(self, host: str) -> str:
        return f"transship.{self.lab}.{host}"

    def address(self, number: int) -> str:
        """The address of the host with this number, from 1."""
        return str(self.subnet[10 + number])

    def mac(self, number: int) -> str:
        """The hardware address of that host, the same after every boot: others remember it."""
        return ":".join(f"{byte:02x}" for byte in (2, 18, *ipaddress.ip_address(self.address(number)).packed))

    def create(self) -> None:
        """Lay the switch and the cable to this machine."""
        programs.run(["ip", "route", "add", "unreachable", str(self.subnet), "metric", LAST_RESORT])
        programs.run(["ip", "netns", "add", self.switch])
        programs.run(["ip", "link", "add", self.uplink, "type", "veth", "peer", "name", "uplink", "netns", self.switch])
        programs.run(["ip", "-n", self.switch, "link", "add", BRIDGE, "type", "bridge"])
        programs.run(["ip", "-n", self.switch, "link", "set", BRIDGE, "up"])
        programs.run(["ip", "-n", self.switch, "link", "set", "uplink", "master", BRIDGE, "up"])
        programs.run(["ip", "address", "add", f"{self.gateway}/24", "dev", self.uplink])
        programs.run(["ip", "link", "set", self.uplink, "up"])

    def attach(self, host: str, number: int) -> None:
        """Make a host's namespace and plug it into the switch."""
        own = self.namespace(host)
        programs.run(["ip", "netns", "add", own])
        cable = ["link", "add", host, "type", "veth", "peer", "name", "eth0", "address", self.mac(number), "netns", own]
        programs.run(["ip", "-n", self.switch, *cable])
        programs.run(["ip", "-n", self.switch, "link", "set", host, "master", BRIDGE, "up"])
        programs.run(["ip", "-n", own, "address", "add", f"{self.address(number)}/24", "dev", "eth0"])
        programs.run(["ip", "-n", own, "link", "set", "eth0", "up"])
        programs.run(["ip", "-n", own, "link", "set", "lo", "up"])

    def detach(self, host: str) -> None:
        """Unplug a host and forget its namespace; no process may be in it any more. Not there: fine."""
        self._remove_link(self.switch, host)
        remove_namespace(self.namespace(host))

    def set_rate(self, host: str, rate: str) -> None:
        """Limit what a host sends and what it receives, each to `rate` (as tc writes it); empty for no limit."""
        ends = [(self.namespace(host), "eth0"), (self.switch, host)]
        if rate:
            # tbf passes nothing that is larger than its bucket, and at high rates a timer's tick must fit in
            burst = max(128 * 1024, bits_per_second(rate) // 8 // 100)
            bucket = ["tbf", "rate", rate, "burst", str(burst), "latency", "50ms"]
            for namespace, link in ends:
                programs.run(["tc", "-n", namespace, "qdisc", "replace", "dev", link, "root", *bucket])
            return
        for namespace, link in ends:
            if "tbf" in programs.run(["tc", "-n", namespace, "qdisc", "show", "dev", link]):
                programs.run(["tc", "-n", namespace, "qdisc", "delete", "dev", link, "root"])

    def set_link(self, host: str, *, up: bool) -> None:
        """Pull a host's cable out of the switch, or put it in again."""
        programs.run(["ip", "-n", self.switch, "link", "set", host, "up" if up else "down"])

    def remove(self) -> None:
        """Take the switch and the route away. Not there: fine."""
        if Path("/sys/class/net", self.uplink).exists():
            programs.run(["ip", "link", "delete", self.uplink])
        remove_namespace(self.switch)
        if str(self.subnet) in programs.run(["ip", "route", "show", "type", "unreachable"]):
            programs.run(["ip", "route", "delete", "unreachable", str(self.subnet), "metric", LAST_RESORT])

    def _remove_link(self, namespace: str, link: str) -> None:
        if not namespace_path(namespace).exists():
            return
        with suppress(LabError):  # the link may never have been made; that it is gone is checked by what follows
            programs.run(["ip", "-n", namespace, "link", "delete", link])


def remove_namespace(namespace: str) -> None:
    """Forget a named network namespace. Not there: fine."""
    path = namespace_path(namespace)
    if path.exists():
        programs.run(["ip", "netns", "delete", namespace])
        wait_until(partial(_absent, path), 5, f"the network namespace {namespace} is gone")


def _absent(path: Path) -> bool:
    return not path.exists()
