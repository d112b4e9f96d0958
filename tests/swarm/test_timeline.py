import pytest

from tests.swarm.told import task
from transship.swarm.timeline import Sighting, Sightings, gap, spans

BEGAN = 1000.0


def new(state: str, at: float, name: str = "new") -> Sighting:
    return Sighting(name, "h3-id", state, BEGAN + at, old=False)


def old(state: str, at: float) -> Sighting:
    return Sighting("old", "h2-id", state, BEGAN + at, old=True)


STOP_FIRST = (
    new("new", 0.0), new("assigned", 0.1), new("preparing", 0.2), new("ready", 2.2), old("shutdown", 10.2),
    new("starting", 10.3), new("running", 10.8),
)  # fmt: skip


def test_a_stop_first_move_falls_into_its_parts() -> None:
    parts = {span.name: (span.start_s, span.seconds) for span in spans(STOP_FIRST, (BEGAN, BEGAN), BEGAN + 15.8)}
    assert {name: pytest.approx(times) for name, times in parts.items()} == {
        "orchestrate": (0.0, 0.1),
        "prepare": (0.2, 2.0),
        "stop": (0.0, 10.2),
        "wait": (2.2, 8.1),
        "start": (10.3, 0.5),
        "monitor": (10.8, 5.0),
    }
    assert gap(STOP_FIRST) == pytest.approx(0.6)


def test_states_that_were_not_seen_are_left_out_not_guessed() -> None:
    seen = (new("preparing", 0.2), old("complete", 0.4), new("running", 0.9))
    names = [span.name for span in spans(seen, (BEGAN, BEGAN))]
    assert names == ["orchestrate", "stop"]


def test_both_running_is_a_negative_gap() -> None:
    assert gap((new("running", 1.0), old("shutdown", 3.0))) == pytest.approx(-2.0)


def test_of_several_tasks_the_last_one_counts() -> None:
    seen = (new("starting", 1.0, "a"), new("running", 1.5, "a"), new("starting", 2.0, "b"), new("running", 4.0, "b"))
    (start,) = (span for span in spans(seen, (BEGAN, BEGAN)) if span.name == "start")
    assert start.start_s + start.seconds == pytest.approx(4.0)


def test_data_between_stop_and_start_belongs_to_neither() -> None:
    seen = (old("shutdown", 1.0), new("assigned", 6.1), new("running", 7.0))
    parts = {span.name: (span.start_s, span.seconds) for span in spans(seen, (BEGAN, BEGAN + 6.0))}
    assert parts["stop"] == pytest.approx((0.0, 1.0))
    assert parts["orchestrate"] == pytest.approx((6.0, 0.1))


def test_sightings_keep_the_first_of_each_state_and_what_is_new() -> None:
    sightings = Sightings([task("t0", "h2", state="failed"), task("t1", "h2")])
    for _ in range(2):
        sightings.note([task("t0", "h2", state="failed"), task("t1", "h2"), task("t2", "h3", state="preparing")])
    sightings.note([task("t1", "h2", state="shutdown")])
    assert [(each.task, each.state, each.old) for each in sightings.seen] == [
        ("t2", "preparing", False),
        ("t1", "shutdown", True),
    ]


def test_a_node_whose_clock_is_slow_is_seen_all_the_same() -> None:
    sightings = Sightings([task("t1", "h2")])
    sightings.note([task("t2", "h3", state="running", Timestamp="2020-01-01T00:00:00Z")])
    assert [each.state for each in sightings.seen] == ["running"]
