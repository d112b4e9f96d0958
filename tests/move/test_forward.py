"""Old addresses keep working after a move, for as long as that is wanted."""

import json
import socket
import time
from typing import Any

import pytest

from tests.move.conftest import Hosts, snapshot, wait_for
from transship.lab.node import Node

pytestmark = pytest.mark.lab

TCP, UDP, LATER = 7000, 7001, 7002
ECHO = f"""
import asyncio, socket
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"end")
    writer.close()
class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, addr):
        self.transport.sendto(data + b" from " + socket.gethostname().encode(), addr)
async def main():
    for port in ({TCP}, {LATER}):
        await asyncio.start_server(echo, port=port)
    await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, ("0.0.0.0", {UDP}))
    await asyncio.Event().wait()
asyncio.run(main())
"""
"""Says back what it hears, over tcp and udp."""


def run_echo(node: Node, *options: str) -> None:
    ports = ("-p", f"{TCP}:{TCP}", "-p", f"{UDP}:{UDP}/udp", "-p", f"127.0.0.1:{LATER}:{LATER}")
    words = ("docker", "run", "-d", "--name", "echo", "--hostname", "echo", *(options or ports))
    node.output([*words, "python", "python3", "-c", ECHO])


def echoed(node: Node, sent: bytes) -> bytes:
    """What comes back over tcp when all of it was sent and this direction was closed."""
    with socket.create_connection((node.address, TCP), timeout=30) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def serves(node: Node) -> bool:
    try:
        return echoed(node, b"x") == b"xend"
    except OSError:
        return False


def asked_by_udp(node: Node, question: bytes) -> bytes:
    """The answer to a datagram; one that gets lost is sent again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1.0)
        deadline = time.monotonic() + 30
        while True:
            asking.sendto(question, (node.address, UDP))
            try:
                return asking.recv(100)
            except TimeoutError:
                assert time.monotonic() < deadline


def forwarders(node: Node) -> list[dict[str, Any]]:
    return [each for each in node.docker.containers(all=True) if "transship.forwarder" in each["Labels"]]


def test_a_forwarder_carries_what_comes_to_the_old_address_until_it_is_told_to_stop(hosts: Hosts) -> None:
    h1, h2 = hosts.h1, hosts.h2
    hosts.lab.load(h1, "python")
    before = snapshot(h1)
    run_echo(h1)
    wait_for(lambda: serves(h1))
    moved = hosts.move("echo", "--forward", "--yes", "--json")
    assert moved.code == 0, moved.err
    assert f"{LATER}/tcp is not forwarded" in moved.err
    migration = moved.result["migration"]
    (forwarder,) = forwarders(h1)
    assert forwarder["Names"] == [f"/echo.forwarded-to.{h2.ssh_alias}.{migration}"]
    payload = bytes(range(256)) * 20_000
    assert echoed(h1, payload) == payload + b"end"
    assert asked_by_udp(h1, b"who") == b"who from echo"

    back = hosts.transship("switch-back", migration, "--yes", "--json")
    assert back.code == 3
    assert f"taken on {hosts.address(h1)} by the container echo.forwarded-to" in back.err

    h1.stop_dockerd()
    h1.start_dockerd()
    wait_for(lambda: serves(h1), 60)

    nowhere = hosts.transship("forward", migration, "--to-address", "198.51.100.1", "--json")
    assert nowhere.code == 4
    assert "cannot reach 198.51.100.1" in json.dumps(nowhere.result)
    assert forwarders(h1) == []
    again = hosts.transship("forward", migration, "--json")
    assert again.result == {
        "container": forwarder["Names"][0][1:],
        "address": h2.address,
        "ports": [f"{TCP}/tcp", f"{UDP}/udp"],
    }
    assert serves(h1)
    assert hosts.transship("forward", migration, "--stop", "--json").result == {"stopped": True}
    assert hosts.transship("forward", migration, "--stop").out == "nothing was forwarded\n"
    assert not serves(h1)
    assert serves(h2)
    back = hosts.transship("switch-back", migration, "--yes", "--json")
    assert back.code == 0, back.err
    assert serves(h1)
    assert snapshot(h1)["images"] == before["images"]


def test_where_nothing_can_be_forwarded_nothing_is_touched(hosts: Hosts) -> None:
    hosts.lab.load(hosts.h1, "python")
    run_echo(hosts.h1, "-p", f"{TCP}")
    before = snapshot(hosts.h1)
    refused = hosts.move("echo", "--forward", "--yes", "--json")
    assert refused.code == 3
    assert "echo publishes no port that could be forwarded" in refused.err
    assert snapshot(hosts.h1) == before
    moved = hosts.move("echo", "--yes", "--json", "--source", "remove")
    assert moved.code == 0, moved.err
    gone = hosts.transship("forward", moved.result["migration"])
    assert gone.code == 4
    assert "No such container" in gone.err
