"""How a client asks a program for the next number that it counts in its memory, in the program's own protocol.

A conversation is made of a `Stream` to the program and lasts as long as that. `ask` raises what `Stream` raises, and
`ValueError` for an answer that is none.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_MORE = 65536


@dataclass(frozen=True, slots=True)
class Counted:
    """An answer: the next number, and what stands for the program's start, empty where it does not tell."""

    number: int
    start: str = ""


class Connection(Protocol):
    """A connected socket, or what looks like one."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class Stream:
    """A connection that is read in the pieces that a protocol has.

    Everything raises `OSError`, also where the other end has closed it or does not answer in time.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rest = b""

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def until(self, end: bytes) -> bytes:
        """What comes until `end`, without it."""
        while end not in self._rest:
            self._read()
        found, _, self._rest = self._rest.partition(end)
        return found

    def exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._read()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def close(self) -> None:
        self._connection.close()

    def _read(self) -> None:
        part = self._connection.recv(_MORE)
        if not part:
            raise ConnectionResetError("the connection was closed")
        self._rest += part


class Conversation(Protocol):
    """With each `ask` the program counts one further."""

    def ask(self) -> Counted: ...


Speak = Callable[[Stream], Conversation]
"""Begins a conversation. Raises as `ask` does."""


class Lines:
    """A line for a question; of what comes back only the line `COUNT start-TOKEN` counts."""

    def __init__(self, stream: Stream, question: bytes = b"?") -> None:
        self._stream = stream
        self._question = question

    def ask(self) -> Counted:
        self._stream.send(self._question + b"\n")
        while True:
            found = re.fullmatch(rb"(\d+) start-([0-9a-f-]+)\r?", self._stream.until(b"\n"))
            if found:
                return Counted(int(found[1]), found[2].decode())


def shell(stream: Stream) -> Lines:
    """With a shell that reads commands: number and token are its variables."""
    made = b'[ "$s" ] || read s </proc/sys/kernel/random/uuid'
    return Lines(stream, made + b'; n=$((n + 1)); echo "$n start-$s"')


class Http:
    """HTTP/1.1 over one connection; `pattern` finds the number in the page."""

    def __init__(self, stream: Stream, pattern: bytes) -> None:
        self._stream = stream
        self._pattern = pattern

    def ask(self) -> Counted:
        self._stream.send(b"GET / HTTP/1.1\r\nHost: program\r\n\r\n")
        head = self._stream.until(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not length:
            raise ValueError(f"a page without a length: {head[:80]!r}")
        page = self._stream.exactly(int(length[1]))
        found = re.search(self._pattern, page)
        if not found:
            raise ValueError(f"no number is in {page[:80]!r}")
        return Counted(int(found[1]))


def nginx(stream: Stream) -> Http:
    """The requests that all workers have answered, which they count in shared memory."""
    return Http(stream, rb"requests\s+\d+ \d+ (\d+)")


def haproxy(stream: Stream) -> Http:
    """The counter of a stick table."""
    return Http(stream, rb"(\d+)")


class Redis:
    """A Redis that keeps nothing on a disk."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def ask(self) -> Counted:
        self._stream.send(b"INCR counter\r\n")
        return Counted(int(self._stream.until(b"\r\n").removeprefix(b":")))


class Memcached:
    """`incr`, which a memcached does only for what it has."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def ask(self) -> Counted:
        self._stream.send(b"add counter 0 0 1\r\n0\r\n")
        self._stream.until(b"\r\n")
        self._stream.send(b"incr counter 1\r\n")
        return Counted(int(self._stream.until(b"\r\n")))


class Mqtt:
    """MQTT 3.1.1: the number is a retained message, which the broker keeps in memory."""

    _TOPIC = b"\x00\x07counter"
    _CONNACK, _PUBLISH, _PUBACK, _UNSUBACK, _PINGRESP = 0x20, 0x30, 0x40, 0xB0, 0xD0

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._send(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + b"\x00\x00")
        answer = self._await(self._CONNACK)
        if answer[1]:
            raise ValueError(f"the broker refused the connection with {answer[1]}")

    def ask(self) -> Counted:
        number = self._retained() + 1
        self._send(0x33, self._TOPIC + b"\x00\x02" + b"%d" % number)  # retained, to be acknowledged
        self._await(self._PUBACK)
        return Counted(self._retained())

    def _retained(self) -> int:
        """What a new subscription is told at once; 0 where the broker has nothing. It is told no later than a ping."""
        self._send(0x82, b"\x00\x01" + self._TOPIC + b"\x00")
        self._send(0xC0, b"")
        number, kind = 0, 0
        while kind != self._PINGRESP:
            kind, body = self._packet()
            if kind & 0xF0 == self._PUBLISH:
                number = int(body[len(self._TOPIC) :])
        self._send(0xA2, b"\x00\x03" + self._TOPIC)
        self._await(self._UNSUBACK)
        return number

    def _send(self, kind: int, body: bytes) -> None:
        self._stream.send(bytes([kind, len(body)]) + body)

    def _await(self, kind: int) -> bytes:
        while True:
            got, body = self._packet()
            if got & 0xF0 == kind:
                return body

    def _packet(self) -> tuple[int, bytes]:
        kind, length = self._stream.exactly(2)
        return kind, self._stream.exactly(length)


class Postgres:
    """PostgreSQL, of which a start after a crash empties what is not logged: the sequence. Trusts everyone."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        words = b"user\0postgres\0database\0postgres\0\0"
        self._stream.send(struct.pack("!II", 8 + len(words), 196608) + words)
        self._answer()
        self._query(b"create unlogged sequence if not exists counter")

    def ask(self) -> Counted:
        row = self._query(b"select nextval('counter') || ' ' || extract(epoch from pg_postmaster_start_time())")
        number, start = row.split()
        return Counted(int(number), start.decode())

    def _query(self, text: bytes) -> bytes:
        self._stream.send(b"Q" + struct.pack("!I", 5 + len(text)) + text + b"\0")
        return self._answer()

    def _answer(self) -> bytes:
        """The only field of the only row that comes before the server is ready for the next query."""
        field = b""
        while True:
            kind, length = struct.unpack("!cI", self._stream.exactly(5))
            body = self._stream.exactly(length - 4)
            if kind == b"E":
                raise ValueError(body.replace(b"\0", b" ").decode(errors="replace"))
            if kind == b"D":
                field = body[6:]
            if kind == b"Z":
                return field


class MariaDB:
    """MariaDB without passwords: a table of the engine that keeps rows in memory only."""

    _TABLE = b"create table if not exists test.counter (name int primary key, number int) engine=memory"
    _COUNT = b"insert into test.counter values (1, 1) on duplicate key update number = number + 1"
    _PROTOCOL_41, _LONG_PASSWORD, _SECURE = 0x200, 0x1, 0x8000
    _ERROR, _END = 0xFF, 0xFE

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._packet()
        flags = self._PROTOCOL_41 | self._LONG_PASSWORD | self._SECURE
        self._send(1, struct.pack("<IIB23x", flags, 1 << 24, 33) + b"root\0\0")
        self._packet()
        for text in (b"create database if not exists test", self._TABLE):
            self._query(text)

    def ask(self) -> Counted:
        self._query(self._COUNT)
        self._query(b"select number from test.counter")
        rows: list[bytes] = []
        ends = 0
        while ends < 2:  # noqa: PLR2004 - one after the columns, one after the rows
            packet = self._packet()
            if packet[0] == self._END:
                ends += 1
            elif ends:
                rows.append(packet[1:])
        return Counted(int(rows[0]))

    def _query(self, text: bytes) -> None:
        """Say it, and read the first packet of the answer."""
        self._send(0, b"\x03" + text)
        self._packet()

    def _send(self, number: int, body: bytes) -> None:
        self._stream.send(struct.pack("<I", len(body))[:3] + bytes([number]) + body)

    def _packet(self) -> bytes:
        length = int.from_bytes(self._stream.exactly(4)[:3], "little")
        packet = self._stream.exactly(length)
        if packet[0] == self._ERROR:
            raise ValueError(packet[3:].decode(errors="replace"))
        return packet
