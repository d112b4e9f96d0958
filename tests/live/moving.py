"""What a test of live needs: a Redis with memory on an address that can move, and both sides of its move."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from transship.hosts.address import SshAddress
from transship.hosts.agent import start_agent
from transship.hosts.ssh import SshHost
from transship.lab import HostOptions, Lab, LabOptions, Node
from transship.live.sandbox import endpoints, moved_spec, sandbox_body, sandbox_name
from transship.live.source import LiveSource
from transship.live.target import LiveTarget, configuration_path
from transship.observe import read_spec
from transship.observe.source import api_version
from transship.sandbox.image import provide
from transship.spec.render import create_body
from transship.transfer.relay import AgentPair

# Of Debian's CRIU only that of sid reads TCP sockets on a kernel from 6.16 on.
HOSTS = LabOptions(hosts=(HostOptions(suite="sid"), HostOptions(suite="sid")))
NETWORK = "lan"


@dataclass
class Sides:
    source: LiveSource
    target: LiveTarget
    pair: AgentPair


def macvlan(lab: Lab) -> str:
    """Give every host the same network of the lab's own subnet, and return an address in it that nobody has."""
    subnet = lab.nodes[0].address.rpartition(".")[0]
    for node in lab.nodes:
        node.output(
            ["docker", "network", "create", "-d", "macvlan", "--subnet", f"{subnet}.0/24", "--gateway", f"{subnet}.1",
             "-o", "parent=eth0", NETWORK]
        )  # fmt: skip
    return f"{subnet}.50"


def run_redis(lab: Lab, node: Node, address: str, megabytes: int) -> None:
    """Run a Redis that keeps nothing on disk and has `megabytes` of noise in memory.

    As root: on this machine root may not read the limits of other users' processes, which CRIU does.
    """
    for each in lab.nodes:
        lab.load(each, "redis")
    node.output(
        ["docker", "run", "-d", "--name", "cache", "--network", NETWORK, "--ip", address,
         "--entrypoint", "redis-server", "redis", "--save", "", "--protected-mode", "no"]
    )  # fmt: skip
    node.output(["sh", "-c", "until docker exec cache redis-cli ping; do :; done"])
    with socket.create_connection((address, 6379), timeout=30) as connection:
        for number in range(megabytes * 16):
            value = secrets.token_bytes(65_536)
            connection.sendall(b"*3\r\n$3\r\nSET\r\n$8\r\n%08d\r\n$65536\r\n%s\r\n" % (number, value))
            assert connection.recv(16) == b"+OK\r\n"


@contextmanager
def sides(lab: Lab, source: Node, target: Node, container: str = "cache") -> Iterator[Sides]:
    """Both sides of a move, prepared: the sandbox runs, and the container is created."""
    with (
        SshHost(source.name, SshAddress(source.ssh_alias, "root"), config=lab.ssh_config) as here,
        SshHost(target.name, SshAddress(target.ssh_alias, "root"), config=lab.ssh_config) as there,
        start_agent(here, "root") as reader,
        start_agent(there, "root") as writer,
    ):
        name = secrets.token_hex(8)
        inspected = here.docker.inspect_container(container)
        spec = read_spec(here.docker, inspected)
        version = api_version(there.docker.version()["ApiVersion"])
        image = provide(there.docker, spec.image.platform.split("/")[1])
        hostname = inspected["Config"]["Hostname"]
        body = sandbox_body(spec, image=image, hostname=hostname, api_version=version)
        sandbox = there.docker.create_container(sandbox_name(container), body)
        moved = moved_spec(spec, configuration=configuration_path(name))
        created = there.docker.create_container(container, create_body(moved, image="redis", api_version=version))
        one = LiveSource.find(here, reader, container, name=name)
        two = LiveTarget(there, writer, "/var/lib/docker", created, sandbox, endpoints(spec), name)
        one.prepare()
        two.prepare(one.needed_bytes)
        yield Sides(one, two, AgentPair(reader, writer))
