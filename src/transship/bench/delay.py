"""A longer way to a host, also where the kernel cannot make one: `python -m transship.bench.delay HOST PORT MS`.

It is a `ProxyCommand`: what ssh sends and what comes back is each held for half of MS milliseconds. It uses the
standard library only, to start fast.
"""

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable

_CHUNK = 64 << 10
_CHUNKS = 2048
"""As many may be on their way: 128 MiB, more than half a second of a fast link."""


def forward(read: Callable[[int], bytes], write: Callable[[bytes], object], delay_s: float) -> None:
    """Hand on what `read` gives until it gives nothing, each piece `delay_s` after it came."""
    under_way: queue.Queue[tuple[float, bytes]] = queue.Queue(_CHUNKS)

    def take() -> None:
        while True:
            try:
                data = read(_CHUNK)
            except ConnectionError:
                data = b""
            under_way.put((time.monotonic() + delay_s, data))
            if not data:
                return

    threading.Thread(target=take, daemon=True).start()
    while True:
        due, data = under_way.get()
        time.sleep(max(0.0, due - time.monotonic()))
        if not data:
            return
        write(data)


def main() -> None:
    """Stand between ssh, on stdin and stdout, and a host."""
    host, port, milliseconds = sys.argv[1:]
    one_way_s = float(milliseconds) / 2000
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def up() -> None:
            forward(lambda size: os.read(0, size), connection.sendall, one_way_s)
            connection.shutdown(socket.SHUT_WR)

        threading.Thread(target=up, daemon=True).start()
        forward(connection.recv, _write, one_way_s)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
