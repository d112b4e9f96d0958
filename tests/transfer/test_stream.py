import time
from collections.abc import Iterator

import pytest

from transship.errors import TransferError
from transship.metrics.events import Event, Recorder
from transship.transfer.stream import LATE_S, await_late, relay


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


@pytest.mark.parametrize("when", [("completed", "transfer"), ("started", "import")])
def test_what_a_daemon_makes_of_a_whole_stream_whose_answer_did_not_come_is_waited_for(
    when: tuple[str, str],
) -> None:
    def interrupt(event: Event) -> None:
        if (event.kind, event.phase) == when:
            raise KeyboardInterrupt

    recorder = Recorder(listeners=[interrupt])
    with pytest.raises(KeyboardInterrupt):
        relay(recorder, iter([b"abc"]), b"".join)
    looks = iter([False, False, True])
    await_late(recorder, lambda: next(looks))
    assert next(looks, None) is None


def test_nothing_is_waited_for_where_the_answer_came_or_the_stream_was_cut() -> None:
    def cut() -> Iterator[bytes]:
        yield b"x"
        raise TransferError("the source is gone")

    recorder = Recorder()
    relay(recorder, iter([b"abc"]), b"".join)
    with pytest.raises(TransferError):
        relay(recorder, cut(), b"".join)
    began = time.monotonic()
    await_late(recorder, lambda: False)
    assert time.monotonic() - began < LATE_S
