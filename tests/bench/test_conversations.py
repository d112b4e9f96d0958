"""How clients of `bench compat` read numbers from programs, as the programs' protocols have them."""

import pytest

from transship.bench import conversations
from transship.bench.conversations import Lines, Speak, Stream


class Scripted:
    """A server's end: says `greeting`, and each of `answers` to what it hears, in small pieces."""

    def __init__(self, *answers: bytes, greeting: bytes = b"") -> None:
        self._answers = list(answers)
        self._ready = greeting

    def sendall(self, data: bytes, /) -> None:
        self._ready += self._answers.pop(0) if self._answers else b""

    def recv(self, size: int, /) -> bytes:
        part, self._ready = self._ready[:3], self._ready[3:]
        return part

    def close(self) -> None:
        self._answers.clear()


def framed(*bodies: bytes) -> bytes:
    """Packets of MariaDB."""
    return b"".join(len(body).to_bytes(3, "little") + b"\0" + body for body in bodies)


def retained(number: int) -> tuple[bytes, ...]:
    """What a broker answers to a subscription, a ping, and the end of the subscription."""
    return b"\x90\x03\0\x01\0\x31\x0a\0\x07counter%d" % number, b"\xd0\0", b"\xb0\x02\0\x03"


@pytest.mark.parametrize(
    ("speak", "answers", "number"),
    [
        (conversations.Redis, (b":42\r\n",), 42),
        (conversations.Memcached, (b"NOT_STORED\r\n", b"7\r\n"), 7),
        (
            conversations.nginx,
            (b"HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\nserver accepts handled requests\n 2 2 31 \n",),
            31,
        ),
        (conversations.Mqtt, (b"\x20\x02\0\0", *retained(5), b"\x40\x02\0\x02", *retained(6)), 6),
        (conversations.shell, (b"# typed\r\n9 start-ab-c\r\n",), 9),
    ],
)
def test_a_number_is_read_from_a_program_s_own_protocol(speak: Speak, answers: tuple[bytes, ...], number: int) -> None:
    assert speak(Stream(Scripted(*answers))).ask().number == number


def test_a_program_that_goes_away_or_refuses_is_an_error() -> None:
    with pytest.raises(OSError, match="was closed"):
        Lines(Stream(Scripted(b"1 sta"))).ask()
    with pytest.raises(ValueError, match="Access denied"):
        conversations.MariaDB(Stream(Scripted(framed(b"\xff\x15\x04Access denied"), greeting=framed(b"\x0a"))))
    with pytest.raises(ValueError, match="without a length"):
        conversations.haproxy(Stream(Scripted(b"HTTP/1.1 503 Unavailable\r\n\r\n"))).ask()
