"""A client that never stops writing: one connection, one INCR after the other, each answer the last one plus one."""

import socket
import threading
import time
from typing import Self

_LONGEST_S = 100.0
"""A silence that no source survives for much longer: see `agent.netns.mute`."""
_INCREMENT = b"*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n"


class Writer:
    """Writes from its start to `stop`, over a single connection, which is never opened anew."""

    def __init__(self, address: str, port: int = 6379) -> None:
        self.commands = 0
        self.longest_wait_s = 0.0
        self.failure = ""
        self._connection = socket.create_connection((address, port), timeout=_LONGEST_S)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reach(self, commands: int) -> None:
        """Wait until so many commands have been answered. Fails where they are not within a minute."""
        deadline = time.monotonic() + 60
        while self.commands < commands and not self.failure:
            assert time.monotonic() < deadline, f"{self.commands} of {commands} commands were answered"
            time.sleep(0.01)
        assert self.failure == "", self.failure

    def stop(self) -> None:
        """End after the answer that is being waited for."""
        self._stopping.set()
        self._thread.join(60)
        self._connection.close()

    def _run(self) -> None:
        try:
            last = self._increment()
            while not self._stopping.is_set():
                asked = time.monotonic()
                value = self._increment()
                self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - asked)
                if value != last + 1:
                    self.failure = f"{last} was followed by {value}"
                    return
                last = value
                self.commands += 1
        except (OSError, ValueError) as error:
            self.failure = repr(error)

    def _increment(self) -> int:
        self._connection.sendall(_INCREMENT)
        answer = b""
        while not answer.endswith(b"\r\n"):
            part = self._connection.recv(4096)
            if not part:
                raise ConnectionError("the connection was closed")
            answer += part
        return int(answer.removeprefix(b":"))
