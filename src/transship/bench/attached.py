"""The standard streams of a container, as `docker attach` has them, as if they were a connection."""

import socket
import struct
from pathlib import Path
from typing import Self

_HEADER_BYTES = 8


class Attached:
    """A `Connection` to the programs of a container; without a terminal Docker puts a header before each piece.

    Raises `OSError` as a socket does.
    """

    def __init__(self, connection: socket.socket, *, terminal: bool) -> None:
        self._socket = connection
        self._terminal = terminal
        self._left = 0

    @classmethod
    def to(cls, docker: Path, container: str, *, terminal: bool, timeout_s: float) -> Self:
        """Attach to a running container by way of the daemon's socket."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout_s)
            connection.connect(str(docker))
            _upgrade(connection, container)
        except BaseException:
            connection.close()
            raise
        return cls(connection, terminal=terminal)

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data)

    def recv(self, size: int) -> bytes:
        if self._terminal:
            return self._socket.recv(size)
        while not self._left:
            header = self._socket.recv(_HEADER_BYTES, socket.MSG_WAITALL)
            if len(header) < _HEADER_BYTES:
                return b""
            (self._left,) = struct.unpack("!4xI", header)
        part = self._socket.recv(min(size, self._left))
        self._left -= len(part)
        return part

    def close(self) -> None:
        self._socket.close()


def _upgrade(connection: socket.socket, container: str) -> None:
    """Have Docker make the streams of what was an HTTP connection."""
    connection.sendall(
        f"POST /containers/{container}/attach?stdin=1&stdout=1&stream=1 HTTP/1.1\r\n"
        "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1) or b"\r\n\r\n"
    if b" 101 " not in head:
        raise ConnectionRefusedError(f"Docker does not attach to {container}: {head[:60]!r}")
