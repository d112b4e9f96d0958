"""Runs in the forwarder's container, with the Python of its host: 3.8 or newer, nothing but its standard library.

usage: program.py serve|check ADDRESS PORT/PROTOCOL...

`serve` carries what comes to a port to the same port of ADDRESS, until it is told to end. `check` ends with 0 if
ADDRESS accepts connections on every tcp port.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any, Tuple  # noqa: UP035 - Python 3.8

CONNECT_S = 10.0
PIECE = 1 << 16
IDLE_S = 60.0
"""After this time without a datagram a udp client is forgotten."""
MOST_CLIENTS = 1000
"""More udp clients are not remembered at once: their addresses can be forged."""

NO_WAY = (OSError, asyncio.TimeoutError)

Peer = Tuple[str, int]  # noqa: UP006 - Python 3.8


async def carry_both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: Peer) -> None:
    """Carry a connection. Where the other host does not answer, or one side breaks off, both are closed at once."""
    ends = [writer]
    try:
        far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(*there), CONNECT_S)
        ends.append(far_writer)
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))
        for end in ends:
            end.close()
            await end.wait_closed()
    except NO_WAY:
        for end in ends:
            end.transport.abort()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction to its end, which the other side is told; the other direction may go on."""
    while True:
        piece = await reader.read(PIECE)
        if not piece:
            writer.write_eof()
            return
        writer.write(piece)
        await writer.drain()


class UdpPort(asyncio.DatagramProtocol):
    """A udp port. Each client has a socket of its own towards the other host, by which answers find back."""

    def __init__(self, there: Peer) -> None:
        self.there = there
        self.clients: dict[Peer, UdpClient] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        if addr not in self.clients:
            if len(self.clients) == MOST_CLIENTS:
                return
            self.clients[addr] = UdpClient(self, addr)
        self.clients[addr].send(data)


class UdpClient(asyncio.DatagramProtocol):
    """A client of a udp port, and the socket that speaks to the other host for it."""

    def __init__(self, port: UdpPort, client: Peer) -> None:
        self.port, self.client = port, client
        self.waiting: list[bytes] = []
        self.transport: Any = None
        self.loop = asyncio.get_event_loop()
        self.end_of_patience = self.loop.call_later(IDLE_S, self.forget)
        self.opening = self.loop.create_task(self.open())

    async def open(self) -> None:
        try:
            await self.loop.create_datagram_endpoint(lambda: self, remote_addr=self.port.there)
        except OSError:
            self.forget()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        for data in self.waiting:
            transport.sendto(data)

    def send(self, data: bytes) -> None:
        self.stay()
        if self.transport:
            self.transport.sendto(data)
        elif not self.waiting:  # datagrams may be lost; who waits for an answer has sent one
            self.waiting.append(data)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the shape of asyncio's protocols
        self.stay()
        self.port.transport.sendto(data, self.client)

    def stay(self) -> None:
        self.end_of_patience.cancel()
        self.end_of_patience = self.loop.call_later(IDLE_S, self.forget)

    def forget(self) -> None:
        self.port.clients.pop(self.client, None)
        if self.transport:
            self.transport.close()


async def serve(address: str, ports: list[Peer]) -> None:
    """Forward the ports, each a protocol and a number, until SIGTERM comes."""
    loop, ended = asyncio.get_event_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    listening: list[object] = []
    for protocol, number in ports:
        listening.append(await listen(loop, protocol, (address, number)))
    await ended.wait()


async def listen(loop: asyncio.AbstractEventLoop, protocol: str, there: Peer) -> object:
    """Forward one port; whoever holds what is returned keeps it open."""
    if protocol == "udp":
        here = "0.0.0.0", there[1]  # noqa: S104 - in a container, of which Docker publishes what is meant
        return await loop.create_datagram_endpoint(lambda: UdpPort(there), here)
    return await asyncio.start_server(lambda reader, writer: carry_both(reader, writer, there), None, there[1])


async def check(address: str, ports: list[Peer]) -> None:
    """Connect to each tcp port. Raises `OSError` or `asyncio.TimeoutError` where that fails."""
    for protocol, number in ports:
        if protocol == "tcp":
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, number), CONNECT_S)
            writer.close()


def main(what: str, address: str, *said: str) -> None:
    ports = [(protocol, int(number)) for number, _, protocol in (each.partition("/") for each in said)]
    try:
        asyncio.run(serve(address, ports) if what == "serve" else check(address, ports))
    except NO_WAY as error:
        sys.exit(f"cannot reach {address}: {str(error) or 'no answer'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
