"""A network of one's own, where CRIU's page connection is out of everybody's reach but root's.

CRIU's page server takes the first TCP connection that comes and asks for nothing. So it listens on the loopback of a
network namespace that has nothing else, and the one connection to it is handed to whoever may open a folder of root's.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from .frames import write_all

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = ("127.0.0.1", 27)
UNSHARED = ("unshare", "--net", "--")
"""Starts a program in such a network."""

_CHUNK = 256 << 10
_SOCKET = "pages"
_SET_FLAGS = 0x8914
_UP = 1
_HANDLE = struct.Struct("i")
_FLAGS = struct.Struct("16sh14x")


def bring_up() -> None:
    """Bring the loopback of this process's network up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, _FLAGS.pack(b"lo", _UP))


def offer(work: str) -> socket.socket:
    """Be there for the one who will take the connection; hand it over with `hand_over`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(work, _SOCKET))
    listener.listen(1)
    return listener


def hand_over(listener: socket.socket, connection: socket.socket) -> None:
    """Wait for the one who takes the connection, and give it away."""
    with connection, listener, listener.accept()[0] as taker:
        handle = _HANDLE.pack(connection.fileno())
        taker.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handle)])


def take(work: str) -> socket.socket:
    """Wait for the connection, and take it. Raises `ConnectionError` where none comes any more."""
    with socket.socket(socket.AF_UNIX) as giver:
        giver.connect(os.path.join(work, _SOCKET))
        _, given, _, _ = giver.recvmsg(1, socket.CMSG_SPACE(_HANDLE.size))
    if not given:
        raise ConnectionError("the page connection was never made")
    return socket.socket(fileno=_HANDLE.unpack(given[0][2])[0])


def join(connection: socket.socket, source: int, output: int, lost: Callable[[], object]) -> None:
    """Carry what comes from `source` to the connection and back to `output`, until the connection ends.

    Where `source` ends before, `lost` is called first, while CRIU still waits for what will not come.
    """
    # Pages are asked for one after the other: none may wait until what was sent before is acknowledged.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ended = threading.Event()

    def upload() -> None:
        while part := os.read(source, _CHUNK):
            connection.sendall(part)
        if not ended.is_set():
            lost()
            connection.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=upload, daemon=True).start()
    with suppress(ConnectionError):
        while part := connection.recv(_CHUNK):
            write_all(output, part)
    ended.set()
    os.close(output)
