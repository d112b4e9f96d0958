from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import pytest

from tests.journal.records import record
from transship.journal.decision import NOTHING_TOLD, Action, Decision, Seen, Told
from transship.journal.recovery import decide, explain
from transship.plan.record import STAGES, Record, Stage

AWAY = Seen(reachable=False)
ABSENT = Seen(reachable=True)


def there(state: str, *, ran: bool = True, health: Literal["none", "unhealthy"] = "none") -> Seen:
    return Seen(reachable=True, present=True, state=state, ran=ran, health=health)


RUNS, FROZEN, STOPPED, UNHEALTHY = (
    there("running"),
    there("paused"),
    there("exited"),
    there("running", health="unhealthy"),
)
CREATED = there("created", ran=False)
SOURCES = (AWAY, ABSENT, RUNS, FROZEN, STOPPED, CREATED)
TARGETS = (AWAY, ABSENT, CREATED, STOPPED, RUNS, UNHEALTHY, FROZEN, there("restarting"))
TOLD = [Told(lost, keep) for lost in ("", "source", "target") for keep in ("", "source", "target")]
NOT_RUNNING = {"", "created", "exited", "dead", "removing"}


@dataclass(frozen=True)
class World:
    """Both hosts and what is written down; a host that is away keeps its state, which nobody sees."""

    record: Record
    source: Seen
    target: Seen
    told: Told = NOTHING_TOLD

    def decide(self) -> Decision:
        return decide(self.record, self.source, self.target, self.told)

    def written(self, stage: Stage) -> "World":
        """Every copy of the record that can be reached says `stage`. A host that had none still has none."""

        def on(seen: Seen) -> Seen:
            return replace(seen, stage=stage) if seen.reachable and seen.stage else seen

        return replace(self, record=replace(self.record, stage=stage), source=on(self.source), target=on(self.target))

    def may_run(self, side: Literal["source", "target"]) -> bool:
        """Whether it is not certain that this side does not run."""
        seen = self.source if side == "source" else self.target
        if not seen.reachable:
            return self.told.lost != side
        return seen.present and seen.state not in NOT_RUNNING

    def released(self) -> bool:
        """Whether any record says that the target was ever allowed to start."""
        stages = {self.record.stage, self.source.stage, self.target.stage}
        return bool(stages & {"released", "forward", "committed"})


def carried_out(world: World, action: Action) -> World:
    """What an action does, and whether it may be done at all."""
    if action == "end":
        return world.written("ended")
    if action == "commit":
        assert world.target.present
        return world.written("committed")
    return on_source(world, action) if action in ON_SOURCE else on_target(world, action)


ON_SOURCE = ("restore-source", "return-policy", "stop-source", "retire-source", "set-source-aside")


def on_source(world: World, action: Action) -> World:
    source = world.source
    assert source.present
    if action == "restore-source":
        assert world.record.running
        assert not world.may_run("target") or (not world.target.reachable and not world.released())
        return replace(world, source=replace(source, state="running", ran=True, policy="always")).written("restored")
    if action == "return-policy":
        return replace(world, source=replace(source, policy="always")).written("restored")
    if action == "stop-source":
        return replace(world, source=replace(source, state="exited", policy="no"))
    assert source.state in {*NOT_RUNNING, "paused"}
    if action == "retire-source" and world.record.retire == "remove":
        assert world.target.present
        return replace(world, source=replace(ABSENT, stage=source.stage))
    return replace(world, source=replace(source, state="exited"))


def on_target(world: World, action: Action) -> World:
    target = world.target
    if action == "clean-target":
        assert target.reachable
        assert not world.may_run("target")
        return replace(world, target=replace(ABSENT, stage=target.stage))
    assert target.present
    if action == "stop-target":
        stage: Stage | None = "fenced" if target.stage else None
        return replace(world, target=replace(target, state="exited", policy="no", stage=stage))
    if action == "start-target":
        assert world.record.running
        assert world.source.state == "paused" or not world.may_run("source")
        return replace(world, target=replace(target, state="running", ran=True, health="none")).written("released")
    if action == "settle-target":
        return replace(world, target=replace(target, policy="always"))
    assert action == "prove-target"
    assert target.state == "running"
    return replace(world, target=replace(target, health="healthy"))


def worlds(*, running: bool, told: Told) -> Iterator[World]:
    basic = record(running=running, retire="remove")
    for here, on_target, stage in product(SOURCES, TARGETS, STAGES):
        for at_source, at_target in product(copies(here, told), copies(on_target, told)):
            source, target = replace(here, stage=at_source), replace(on_target, stage=at_target)
            yield World(replace(basic, stage=stage), source, target, told)


def copies(seen: Seen, told: Told) -> tuple[Stage | None, ...]:
    """What the record on a host may say. Where something was told, one stage of each sort is enough."""
    if not seen.reachable:
        return (None,)
    return (None, *STAGES) if told == NOTHING_TOLD else (None, "stopping", "released", "committed", "restored")


def copies_that_run(world: World) -> int:
    return sum(seen.state in {"running", "restarting"} for seen in (world.source, world.target))


def check(world: World) -> None:
    """Carry out what is decided, a crash after every action included, and see that it comes to an end."""
    decision = world.decide()
    assert decision.why
    assert len(decision.in_words(world.record)) == len(decision.actions)
    assert explain(world.record, world.source, world.target)
    if decision.kind in {"ask", "wait"}:
        assert not decision.actions
        return
    before, at = copies_that_run(world), world
    for action in decision.actions:
        at = carried_out(at, action)
        assert copies_that_run(at) <= max(before, 1)
        settles(at)
    assert at.decide().actions == ()
    if decision.actions and "end" not in decision.actions:
        assert not world.target.reachable  # what is on the target is still to be removed
        assert at.decide().kind == "ask"
    if decision.actions and world.record.running:
        if decision.kind == "bring-back":
            assert at.source.state == "running"
        committed = "committed" in {world.record.stage, world.source.stage, world.target.stage}
        if decision.kind == "finish" and not committed and world.target.present:
            assert at.target.state in {"running", "restarting"}


def settles(world: World) -> None:
    """Whatever was cut off here is brought to an end by deciding anew."""
    for _ in range(3):
        actions = world.decide().actions
        if not actions:
            return
        for action in actions:
            world = carried_out(world, action)
    pytest.fail("it goes on for ever")


@pytest.mark.parametrize("told", TOLD, ids=str)
@pytest.mark.parametrize("running", [True, False])
def test_whatever_is_found_no_second_copy_starts_and_it_comes_to_an_end(told: Told, *, running: bool) -> None:
    for world in worlds(running=running, told=told):
        try:
            check(world)
        except AssertionError as error:
            found = (world.record.stage, world.source, world.target, told, world.decide())
            raise AssertionError("\n".join(map(str, found))) from error
