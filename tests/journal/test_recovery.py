from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journal.records import made, record
from transship.journal.decision import NOTHING_TOLD, Action, Decision, Seen, Told
from transship.journal.recovery import decide, explain
from transship.plan.record import STAGES, Memory, Record, Stage

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
NOT_RUNNING = {"created", "exited", "dead", "removing"}


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
        return replace(world, source=replace(source, state="running", ran=True)).written("restored")
    if action == "return-policy":
        return world.written("restored")
    if action == "stop-source":
        return replace(world, source=replace(source, state="exited"))
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
        return replace(world, target=replace(target, state="exited", stage=stage))
    if action == "start-target":
        assert world.record.running
        assert world.source.state == "paused" or not world.may_run("source")
        return replace(world, target=replace(target, state="running", ran=True, health="none")).written("released")
    if action == "settle-target":
        return world
    assert action == "prove-target"
    assert runs(target)
    return replace(world, target=replace(target, health="healthy"))


def worlds(*, running: bool, told: Told, memory: Memory = "") -> Iterator[World]:
    basic = record(running=running, retire="remove", memory=memory)
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
    return sum(runs(seen) for seen in (world.source, world.target))


def runs(seen: Seen) -> bool:
    return seen.reachable and seen.present and seen.state not in {*NOT_RUNNING, "paused"}


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
            assert runs(at.source)
        committed = "committed" in {world.record.stage, world.source.stage, world.target.stage}
        if decision.kind == "finish" and not committed and world.target.present:
            assert runs(at.target)


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
@pytest.mark.parametrize(("running", "memory"), [(True, ""), (False, ""), (True, "following")])
def test_whatever_is_found_no_second_copy_starts_and_it_comes_to_an_end(
    told: Told, memory: Memory, *, running: bool
) -> None:
    for world in worlds(running=running, told=told, memory=memory):
        try:
            check(world)
        except AssertionError as error:
            found = (world.record.stage, world.source, world.target, told, world.decide())
            raise AssertionError("\n".join(map(str, found))) from error


def found(
    stage: Stage, source: Seen, target: Seen, *, copies: tuple[Stage | None, Stage | None] = (None, None), **said: str
) -> Decision:
    on_source, on_target = replace(source, stage=copies[0]), replace(target, stage=copies[1])
    return decide(record(stage=stage), on_source, on_target, Told(**said))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stage", "source", "target", "kind"),
    [
        pytest.param("preparing", RUNS, ABSENT, "clean-up", id="nothing was done to the source"),
        pytest.param("preparing", STOPPED, CREATED, "clean-up", id="it was stopped by its owner, not by us"),
        pytest.param("fenced", RUNS, CREATED, "clean-up", id="the fence is to be taken away"),
        pytest.param("fenced", STOPPED, CREATED, "bring-back", id="the source rebooted behind the fence"),
        pytest.param("stopping", RUNS, CREATED, "bring-back", id="a stop may still be under way"),
        pytest.param("stopping", FROZEN, CREATED, "bring-back", id="it was frozen"),
        pytest.param("stopping", STOPPED, AWAY, "bring-back", id="the target is away, and never was let start"),
        pytest.param("stopping", AWAY, CREATED, "ask", id="the source is away"),
        pytest.param("stopping", STOPPED, RUNS, "ask", id="somebody started the target too early"),
        pytest.param("stopping", ABSENT, CREATED, "ask", id="the source was removed, the target is not complete"),
        pytest.param("released", STOPPED, CREATED, "bring-back", id="both are complete, neither runs"),
        pytest.param("released", AWAY, CREATED, "ask", id="neither may run, the source is away"),
        pytest.param("released", STOPPED, AWAY, "ask", id="the target may run"),
        pytest.param("released", STOPPED, RUNS, "finish", id="the target was started"),
        pytest.param("released", STOPPED, UNHEALTHY, "ask", id="the target was started and does not serve"),
        pytest.param("released", STOPPED, STOPPED, "finish", id="the target ran and its host rebooted"),
        pytest.param("released", STOPPED, ABSENT, "bring-back", id="the target was removed"),
        pytest.param("released", ABSENT, CREATED, "finish", id="the source was removed, the target is complete"),
        pytest.param("released", RUNS, CREATED, "clean-up", id="somebody started the source before the target ran"),
        pytest.param("released", RUNS, RUNS, "ask", id="somebody started the source while the target runs"),
        pytest.param("forward", STOPPED, RUNS, "finish", id="the target's keeper started it"),
        pytest.param("forward", STOPPED, STOPPED, "finish", id="it went forward and its host rebooted"),
        pytest.param("forward", RUNS, STOPPED, "ask", id="both have run since"),
        pytest.param("forward", STOPPED, ABSENT, "ask", id="it went forward and was removed"),
        pytest.param("committed", STOPPED, UNHEALTHY, "finish", id="what it is now is its own affair"),
        pytest.param("committed", ABSENT, RUNS, "finish", id="it was retired already"),
        pytest.param("committed", RUNS, RUNS, "ask", id="somebody started the old copy"),
        pytest.param("committed", ABSENT, ABSENT, "finish", id="it was moved, and removed later"),
        pytest.param("restored", RUNS, CREATED, "clean-up", id="the source's keeper brought it back"),
        pytest.param("restored", RUNS, AWAY, "ask", id="the rest on the target cannot be removed yet"),
        pytest.param("restored", RUNS, RUNS, "ask", id="it was brought back and somebody started the target"),
        pytest.param("ended", RUNS, RUNS, "nothing", id="it has ended"),
        pytest.param("stopping", AWAY, AWAY, "ask", id="nobody answers"),
    ],
)
def test_from_the_journal_alone(stage: Stage, source: Seen, target: Seen, kind: str) -> None:
    assert found(stage, source, target).kind == kind


@pytest.mark.parametrize(
    ("stage", "copies", "source", "target", "kind"),
    [
        pytest.param("stopping", ("restored", "stopping"), RUNS, CREATED, "clean-up", id="its keeper was quicker"),
        pytest.param("released", ("restored", "released"), RUNS, CREATED, "clean-up", id="it was undone"),
        pytest.param("released", ("stopping", "stopping"), STOPPED, CREATED, "bring-back", id="released was an intent"),
        pytest.param("released", ("stopping", "stopping"), STOPPED, AWAY, "ask", id="what the target has is not known"),
        pytest.param("released", ("released", "fenced"), STOPPED, STOPPED, "bring-back", id="an undo was under way"),
        pytest.param("released", ("released", "forward"), STOPPED, RUNS, "finish", id="the target's keeper acted"),
        pytest.param("released", ("restored", "forward"), STOPPED, STOPPED, "ask", id="the keepers contradict"),
        pytest.param("stopping", ("stopping", "committed"), STOPPED, RUNS, "finish", id="the journal is old"),
        pytest.param("committed", ("ended", "committed"), STOPPED, RUNS, "nothing", id="it ended, not everybody knows"),
    ],
)
def test_from_all_copies(stage: Stage, copies: tuple[Stage, Stage], source: Seen, target: Seen, kind: str) -> None:
    assert found(stage, source, target, copies=copies).kind == kind


@pytest.mark.parametrize("memory", ["copied", "following"])
def test_processes_that_ended_where_they_went_are_weighed_against_those_that_are_frozen(memory: Memory) -> None:
    moved = record(stage="released", memory=memory)
    question = decide(moved, FROZEN, STOPPED)
    assert (question.kind, question.offers) == ("ask", ("--keep source", "--keep target"))
    assert ("before all of its memory had come" in question.why) == (memory == "following")
    assert decide(moved, FROZEN, STOPPED, Told(keep="source")).actions == ("restore-source", "clean-target", "end")
    assert decide(moved, FROZEN, CREATED).kind == "bring-back"
    assert decide(moved, STOPPED, STOPPED).kind == "finish"  # what was frozen has ended with its host
    assert decide(moved, FROZEN, RUNS).actions[0] == "settle-target"


def test_memory_that_has_not_all_come_is_told() -> None:
    following = record(stage="released", memory="following")
    assert explain(following, FROZEN, RUNS).endswith("and may lack memory that ssh://a has")
    assert "lack" not in explain(replace(following, stage="committed"), FROZEN, RUNS)


def test_who_is_at_work_is_waited_for_whatever_was_told() -> None:
    for told in TOLD:
        decision = decide(record(stage="released"), replace(STOPPED, held=True), RUNS, told)
        assert decision.kind == "wait"
        assert "ssh://a" in decision.why


def test_which_of_two_copies_is_to_stop_is_the_users_word() -> None:
    question = found("released", RUNS, RUNS)
    assert "Two copies run" in question.why
    assert question.offers == ("--keep source", "--keep target")
    kept = found("released", RUNS, RUNS, keep="source")
    assert kept.actions == ("stop-target", "return-policy", "clean-target", "end")
    kept = found("released", RUNS, RUNS, keep="target")
    assert kept.actions == ("stop-source", "settle-target", "set-source-aside", "end")


def test_a_lost_host_is_lost_by_the_users_word_only() -> None:
    question = found("released", STOPPED, AWAY)
    assert question.offers == ("--target-is-lost",)
    assert found("released", STOPPED, AWAY, lost="target").actions == ("restore-source", "end")
    question = found("released", AWAY, CREATED)
    assert question.offers == ("--source-is-lost",)
    assert found("released", AWAY, CREATED, lost="source").actions == ("start-target", "settle-target", "commit", "end")
    assert found("released", STOPPED, RUNS, lost="target").kind == "finish"  # it answers


def test_a_lost_source_leaves_what_is_not_complete_to_the_user() -> None:
    question = found("stopping", AWAY, CREATED, lost="source")
    assert "not be complete" in question.why
    assert question.offers == ("--keep source", "--keep target")
    assert "start-target" in found("stopping", AWAY, CREATED, lost="source", keep="target").actions
    assert found("stopping", AWAY, CREATED, lost="source", keep="source").actions == ("clean-target", "end")


def test_what_is_told_without_being_asked_changes_nothing() -> None:
    decision = found("stopping", STOPPED, CREATED, keep="target")
    assert (decision.kind, decision.actions) == ("ask", ())
    assert "leave out --keep" in decision.why


def test_where_both_copies_are_complete_the_user_may_choose() -> None:
    assert "start-target" in found("released", STOPPED, CREATED, keep="target").actions
    assert "restore-source" in found("released", STOPPED, RUNS, keep="source").actions


def test_actions_and_reasons_name_the_hosts_and_the_container() -> None:
    decision = found("released", STOPPED, STOPPED)
    assert decision.in_words(record()) == (
        "start web on ssh://b (a frozen one goes on), once it is certain that web does not run on ssh://a",
        "give web on ssh://b its restart policy",
        "wait until web serves on ssh://b",
        "write down on both hosts that ssh://b serves for good",
        "rename web on ssh://a to web.moved-to.b.0badcafe",
        "write down wherever it is known that the migration has ended",
    )


def test_a_container_that_was_there_before_is_not_said_to_be_removed() -> None:
    returning = record(stage="stopping", made=replace(made(), revived="web.moved-to.a.1"))
    (back,) = (word for word in decide(returning, RUNS, STOPPED).in_words(returning) if "ssh://b" in word)
    assert back == "call web on ssh://b web.moved-to.a.1 again, and remove only what the migration made beside it"
    question = decide(returning, RUNS, RUNS)
    assert "set aside, not removed" in question.choices(returning)["--keep source"]


def test_every_offer_says_what_it_means() -> None:
    question = found("released", STOPPED, AWAY)
    assert question.choices(record()) == {
        "--target-is-lost": "only if you know that ssh://b, or its disk, is gone for good"
    }
    assert tuple(found("released", RUNS, RUNS).choices(record())) == ("--keep source", "--keep target")


def test_an_ended_migration_warns_of_no_copy_that_was_moved_on_since() -> None:
    ended = record(stage="ended", outcome="moved")
    assert "WARNING" not in explain(ended, RUNS, STOPPED)
    assert "WARNING" not in explain(record(stage="ended", outcome="rolled-back"), STOPPED, RUNS)
    assert explain(ended, RUNS, RUNS).startswith("WARNING: two copies run")
    assert decide(ended, RUNS, STOPPED).why == "It has ended: moved."


def test_status_warns_of_a_copy_that_should_not_run() -> None:
    assert explain(record(stage="released"), RUNS, RUNS).startswith("WARNING: two copies run")
    assert "somebody has started the old copy" in explain(record(stage="released"), RUNS, STOPPED)
    assert "somebody has started the old copy" in explain(record(stage="ended", outcome="moved"), RUNS, AWAY)
    assert "may not be complete" in explain(record(stage="stopping"), STOPPED, RUNS)
    assert "may start by itself" in explain(record(stage="committed"), replace(STOPPED, policy="always"), RUNS)
    assert "WARNING" not in explain(record(stage="preparing"), RUNS, CREATED)
    assert "WARNING" not in explain(record(stage="committed"), STOPPED, RUNS)
    assert "WARNING" not in explain(record(stage="released"), FROZEN, RUNS)
    assert (
        explain(record(), replace(RUNS, held=True), ABSENT) == "under way: web runs on ssh://a, web is not on ssh://b"
    )


sides = st.builds(
    Seen,
    reachable=st.booleans(),
    present=st.booleans(),
    state=st.sampled_from(["created", "running", "paused", "restarting", "removing", "exited", "dead", "new"]),
    ran=st.booleans(),
    health=st.sampled_from(["none", "starting", "healthy", "unhealthy"]),
    stage=st.sampled_from([None, *STAGES]),
    held=st.booleans(),
)


@settings(deadline=None)
@given(st.sampled_from(STAGES), sides, sides, st.sampled_from(TOLD), st.booleans(), st.sampled_from(["keep", "remove"]))
def test_any_state_whatsoever_has_a_decision(
    stage: Stage, source: Seen, target: Seen, told: Told, running: bool, retire: str
) -> None:
    check(World(record(stage=stage, running=running, retire=retire), source, target, told))
