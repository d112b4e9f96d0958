import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

DELAY_MS = 200
SIZE = 3_000_000


@contextmanager
def echo() -> Iterator[int]:
    """A server that sends back what it gets, once; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)


def forwarder(port: int) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "transship.bench.delay", "127.0.0.1", str(port), str(DELAY_MS)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_round_trip_takes_that_much_longer() -> None:
    with echo() as port, forwarder(port) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"here")
        process.stdin.flush()
        assert process.stdout.read(4) == b"here"  # it runs: its start is not part of what follows
        began = time.monotonic()
        process.stdin.write(b"there")
        process.stdin.flush()
        assert process.stdout.read(5) == b"there"
        assert time.monotonic() - began >= DELAY_MS / 1000
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def test_everything_arrives_in_order_and_the_end_of_it_too() -> None:
    data = random.Random(1).randbytes(SIZE)  # noqa: S311
    with echo() as port, forwarder(port) as process:
        assert process.communicate(data, timeout=60)[0] == data
    assert process.returncode == 0
