"""What a test of live needs: a Redis with memory on an address that can move, and what is seen of it on both hosts."""

import secrets
import socket
from dataclasses import dataclass

from tests.faults.coordinating import Coordinator
from tests.faults.coordinator import Job
from tests.move.conftest import Hosts
from transship.lab.node import Node

NETWORK = "lan"
LEFT = "find /run/transship-live -mindepth 1 2>/dev/null; find / -xdev -name '*.img' -not -path '/proc/*'; ls /tmp"


@dataclass(frozen=True)
class Redis:
    """A Redis that runs on `h1`, called `cache`, with a file in its volume and one in its own filesystem."""

    hosts: Hosts
    address: str
    keys: int
    digests: tuple[str, ...]

    @property
    def host(self) -> Node:
        """The host where it runs, which is one."""
        (found,) = (node for node in (self.hosts.h1, self.hosts.h2) if runs(node))
        return found

    def is_whole(self) -> bool:
        """Whether it has all keys that it began with, and the files."""
        seen = self.host.output(["docker", "exec", "cache", "sha256sum", "/data/file", "/srv/file"])
        count = int(self.host.output(["docker", "exec", "cache", "redis-cli", "dbsize"]))
        return tuple(line.split()[0] for line in seen.splitlines()) == self.digests and count >= self.keys


def macvlan(hosts: Hosts) -> str:
    """Give both hosts the same network of the lab's own subnet, and return an address in it that nobody has."""
    subnet = hosts.h1.address.rpartition(".")[0]
    for node in (hosts.h1, hosts.h2):
        node.output(
            ["docker", "network", "create", "-d", "macvlan", "--subnet", f"{subnet}.0/24", "--gateway", f"{subnet}.1",
             "-o", "parent=eth0", NETWORK]
        )  # fmt: skip
    return f"{subnet}.50"


def run_redis(hosts: Hosts, megabytes: int, *options: str, address: str = "", durable: bool = True) -> Redis:
    """Run a Redis with `megabytes` of noise in memory; a `durable` one writes every command down in its volume.

    As root: on this machine root may not read the limits of other users' processes, which CRIU does.
    """
    options = options or ("--network", NETWORK, "--ip", address)
    hosts.h1.output(
        ["docker", "run", "-d", "--name", "cache", "--restart", "always", "-v", "data:/data", *options,
         "--entrypoint", "redis-server", "redis", "--save", "", "--dir", "/data", "--protected-mode", "no"]
    )  # fmt: skip
    hosts.h1.output(["sh", "-c", "until docker exec cache redis-cli ping; do :; done"])
    with socket.create_connection((address or hosts.h1.address, 6379), timeout=30) as connection:
        for number in range(megabytes * 16):
            value = secrets.token_bytes(65_536)
            connection.sendall(b"*3\r\n$3\r\nSET\r\n$8\r\n%08d\r\n$65536\r\n%s\r\n" % (number, value))
            assert connection.recv(16) == b"+OK\r\n"
    if durable:
        hosts.h1.output(["docker", "exec", "cache", "redis-cli", "config", "set", "appendonly", "yes"])
    hosts.h1.output(["docker", "exec", "cache", "sh", "-c", "head -c 300000 /dev/urandom > /data/file"])
    hosts.h1.output(["docker", "exec", "cache", "sh", "-c", "head -c 200000 /dev/urandom > /srv/file"])
    seen = hosts.h1.output(["docker", "exec", "cache", "sha256sum", "/data/file", "/srv/file"])
    return Redis(hosts, address, megabytes * 16, tuple(line.split()[0] for line in seen.splitlines()))


def runs(node: Node, name: str = "cache") -> bool:
    return any(each["Names"] == [f"/{name}"] and each["State"] == "running" for each in node.docker.containers())


def policy(node: Node, name: str = "cache") -> str:
    return str(node.docker.inspect_container(name)["HostConfig"]["RestartPolicy"]["Name"])


def left_behind(node: Node) -> str:
    """Memory images, or what was made of them, anywhere on a host."""
    return node.output(["sh", "-c", LEFT]).replace("snap-private-tmp\n", "")


def coordinator(hosts: Hosts, state: str, *boundary: str, back: bool = False, **options: object) -> Coordinator:
    """A move in a process of its own, which waits at a boundary: `started` or `completed`, and a phase."""
    kind, phase = boundary
    source, target = (hosts.h2, hosts.h1) if back else (hosts.h1, hosts.h2)
    return Coordinator(
        Job(
            container="cache",
            source=hosts.address(source),
            target=hosts.address(target),
            ssh_config=str(hosts.lab.ssh_config),
            state=state,
            options={"strategy": "live", **options},
            boundary=(kind, phase, 1),
        )
    )
