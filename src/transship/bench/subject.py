"""What `transship bench compat` moves where no server of Debian does what is to be tried.

It counts the questions that it gets over TCP, one line each, and answers `COUNT start-TOKEN`. Each kind counts by way
of something that a move must take along, and that a new start would not have: a pipe, a thread, a watch, a timer.
Standard library only; started as a file in a container, with the kind as its word.
"""

import ctypes
import mmap
import os
import pty
import queue
import selectors
import signal
import socket
import struct
import sys
import tempfile
import termios
import threading
import time
import uuid
from collections.abc import Callable
from itertools import count
from pathlib import Path

PORT = 7000
THREADS = 8
TICK_S = 0.1
IN_CREATE = 0x100
SETUP_RING, ENTER_RING = 425, 426
"""System calls of io_uring, the same on every architecture."""

RING_FORMAT = "=10I10I10I"
"""`struct io_uring_params`: sizes and flags, then the places in the rings of what is asked and what is answered."""

OFF_REQUESTS = 0x10000000
GET_EVENTS = 1
ENTRY_BYTES = 64

Next = Callable[[], int]


def plain() -> Next:
    """Count in the memory of one process."""
    numbers = count(1)
    return lambda: next(numbers)


def children() -> Next:
    """Have a child in a session of its own ask its own child, over pipes; a third one has ended and is a zombie."""
    down, up = _child(lambda: _relay(*_child(_count)))
    if os.fork() == 0:
        os._exit(0)
    return lambda: _ask(down, up)


def _child(work: Callable[[], None]) -> tuple[int, int]:
    """Start a process that has pipes as stdin and stdout, and return the other ends of them."""
    asks, down = os.pipe()
    up, answers = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.dup2(asks, 0)
        os.dup2(answers, 1)
        os.closerange(3, 64)
        work()
        os._exit(0)
    os.close(asks)
    os.close(answers)
    return down, up


def _count() -> None:
    for number in count(1):
        os.read(0, 1)
        os.write(1, b"%d\n" % number)


def _relay(down: int, up: int) -> None:
    while True:
        os.read(0, 1)
        os.write(1, b"%d\n" % _ask(down, up))


def _ask(down: int, up: int) -> int:
    os.write(down, b"?")
    return int(os.read(up, 32))


def threads() -> Next:
    """Have threads that wait for work count in turn, with a lock around what they share."""
    work: queue.Queue[queue.Queue[int]] = queue.Queue()
    lock, numbers = threading.Lock(), count(1)

    def run() -> None:
        while True:
            answer = work.get()
            with lock:
                answer.put(next(numbers))

    for _ in range(THREADS):
        threading.Thread(target=run, daemon=True).start()

    def advance() -> int:
        answer: queue.Queue[int] = queue.Queue()
        work.put(answer)
        return answer.get()

    return advance


def unix() -> Next:
    """Ask a child over a connection to its unix socket, and prove each answer over a pair of datagram sockets."""
    path = Path(tempfile.mkdtemp()) / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    if os.fork() == 0:
        accepted, _ = listener.accept()
        for number in count(1):
            accepted.recv(1)
            there.send(b"%d" % number)
            accepted.send(b"%d" % number)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))

    def advance() -> int:
        connection.send(b"?")
        number, again = int(connection.recv(32)), int(here.recv(32))
        return number if number == again else -1

    return advance


def inotify() -> Next:
    """Count the files that appear in a folder, as the kernel tells of them."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(0)
    folder = Path(tempfile.mkdtemp())
    _checked(libc.inotify_add_watch(watch, os.fsencode(folder), IN_CREATE))
    numbers = count(1)

    def advance() -> int:
        number = next(numbers)
        (folder / str(number)).touch()
        event = os.read(watch, 4096)
        return int(event[16:].rstrip(b"\0"))

    return advance


def timerfd() -> Next:
    """Count only after a timer has gone off that is a file, and goes off again and again since the start."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer = _checked(libc.timerfd_create(time.CLOCK_MONOTONIC, 0))
    nanoseconds = int(TICK_S * 1e9)
    _checked(libc.timerfd_settime(timer, 0, struct.pack("@4l", 0, nanoseconds, 0, nanoseconds), None))
    return _after(lambda: os.read(timer, 8))


def setitimer() -> Next:
    """Count only after the timer of the process has gone off, which goes off again and again since the start."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
    return _after(lambda: signal.sigwait({signal.SIGALRM}))


def _after(wait: Callable[[], object]) -> Next:
    numbers = count(1)

    def advance() -> int:
        wait()
        return next(numbers)

    return advance


def terminal() -> Next:
    """Ask a child that has a terminal of its own."""
    child, master = pty.fork()
    if child == 0:
        _count_lines()
    settings = termios.tcgetattr(master)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(master, termios.TCSANOW, settings)

    def advance() -> int:
        os.write(master, b"?\n")
        return int(os.read(master, 32))

    return advance


def _count_lines() -> None:
    for number in count(1):
        os.read(0, 32)
        os.write(1, b"%d\n" % number)


def io_uring() -> Next:
    """Count what is handed to the kernel by way of a ring and comes back from there."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = ctypes.create_string_buffer(struct.calcsize(RING_FORMAT))
    ring = _checked(libc.syscall(SETUP_RING, 8, params))
    told = struct.unpack(RING_FORMAT, params)
    asked, answered = told[10:20], told[20:30]
    length = max(asked[6] + told[0] * 4, answered[5] + told[1] * 16)
    rings = mmap.mmap(ring, length)
    requests = mmap.mmap(ring, told[0] * ENTRY_BYTES, offset=OFF_REQUESTS)
    numbers = count(1)

    def advance() -> int:
        number = next(numbers)
        tail = _word(rings, asked[1])
        slot = tail & _word(rings, asked[2])
        requests[slot * ENTRY_BYTES : (slot + 1) * ENTRY_BYTES] = struct.pack("=32xQ24x", number)
        struct.pack_into("=I", rings, asked[6] + slot * 4, slot)
        struct.pack_into("=I", rings, asked[1], tail + 1)
        _checked(libc.syscall(ENTER_RING, ring, 1, 1, GET_EVENTS, None, 0))
        head = _word(rings, answered[0])
        place = answered[5] + (head & _word(rings, answered[2])) * 16
        struct.pack_into("=I", rings, answered[0], head + 1)
        return int(struct.unpack_from("=Q", rings, place)[0])

    return advance


def _word(memory: mmap.mmap, place: int) -> int:
    return int(struct.unpack_from("=I", memory, place)[0])


def _checked(status: int) -> int:
    if status < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return status


KINDS = {
    each.__name__: each for each in (plain, children, threads, unix, inotify, timerfd, setitimer, terminal, io_uring)
}


def serve(advance: Next) -> None:
    """Answer whoever connects, in one thread, for ever."""
    token = uuid.uuid4().hex
    ready = selectors.DefaultSelector()
    listener = socket.create_server(("", PORT))
    ready.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is listener:
                ready.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            connection = key.fileobj
            assert isinstance(connection, socket.socket)  # noqa: S101 - nothing else is registered
            if not connection.recv(64):
                ready.unregister(connection)
                connection.close()
                continue
            connection.sendall(f"{advance()} start-{token}\n".encode())


if __name__ == "__main__":
    serve(KINDS[sys.argv[1]]())
