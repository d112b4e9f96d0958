import threading

import pytest

from transship.metrics.events import Event, Recorder


def test_a_phase_is_recorded_with_its_bytes_and_inside_its_parent() -> None:
    recorder = Recorder()
    with recorder.phase("outer"), recorder.phase("inner", "of two", total=5) as phase:
        phase.advance(2)
        phase.advance(3)
    inner, outer = recorder.phases
    assert (inner.name, inner.bytes, inner.detail, inner.failed) == ("inner", 5, "of two", False)
    assert outer.start_s <= inner.start_s
    assert outer.start_s + outer.seconds >= inner.start_s + inner.seconds


def test_listeners_hear_every_event_in_order() -> None:
    heard: list[Event] = []
    recorder = Recorder(listeners=[heard.append])
    with recorder.phase("copy", total=10) as phase:
        phase.advance(4)
        phase.reach(9, 12)
    assert [(event.kind, event.bytes, event.total) for event in heard] == [
        ("started", 0, 10),
        ("progress", 4, 10),
        ("progress", 9, 12),
        ("completed", 9, 12),
    ]
    assert [event.at for event in heard] == sorted(event.at for event in heard)


def test_a_phase_that_raises_is_recorded_as_failed() -> None:
    heard: list[Event] = []
    recorder = Recorder(listeners=[heard.append])
    with pytest.raises(KeyboardInterrupt), recorder.phase("copy"):
        raise KeyboardInterrupt
    assert [record.failed for record in recorder.phases] == [True]
    assert heard[-1].kind == "failed"


def test_a_listener_that_raises_is_not_asked_again() -> None:
    asked: list[Event] = []

    def gone(event: Event) -> None:
        asked.append(event)
        raise OSError("the terminal is gone")

    recorder = Recorder(listeners=[gone])
    with pytest.raises(OSError, match="gone"), recorder.phase("copy"):
        pass
    with recorder.phase("undo"):
        pass
    assert [event.phase for event in asked] == ["copy"]


def test_threads_share_one_recorder() -> None:
    recorder = Recorder()
    gate = threading.Barrier(8)

    def work(number: int) -> None:
        gate.wait()
        with recorder.phase(f"p{number}") as phase:
            for _ in range(100):
                phase.advance(1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record.name for record in recorder.phases) == [f"p{number}" for number in range(8)]
    assert {record.bytes for record in recorder.phases} == {100}
