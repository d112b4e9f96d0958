from collections.abc import Iterator

import pytest

from transship.errors import TransferError
from transship.metrics.events import Recorder
from transship.transfer.stream import relay


def test_what_is_read_is_what_was_sent_and_is_counted() -> None:
    recorder = Recorder()
    answer, count = relay(recorder, iter([b"abc", b"", b"de"]), b"".join, total=5)
    assert (answer, count) == (b"abcde", 5)
    assert [(phase.name, phase.bytes) for phase in recorder.phases] == [("export", 0), ("transfer", 5), ("import", 0)]


def test_an_empty_stream_is_a_stream() -> None:
    assert relay(Recorder(), iter([]), b"".join) == (b"", 0)


def test_the_source_is_closed_when_the_reader_gives_up() -> None:
    closed = []

    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    def give_up(received: Iterator[bytes]) -> None:
        next(received)
        raise TransferError("enough")

    recorder = Recorder()
    with pytest.raises(TransferError, match="enough"):
        relay(recorder, chunks(), give_up)
    assert closed == [True]
    assert [(phase.name, phase.failed) for phase in recorder.phases] == [("export", False), ("transfer", True)]


def test_a_failure_of_the_source_is_the_failure() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise TransferError("the source is gone")

    recorder = Recorder()
    with pytest.raises(TransferError, match="the source is gone"):
        relay(recorder, chunks(), b"".join)
    assert recorder.phases[-1].failed
