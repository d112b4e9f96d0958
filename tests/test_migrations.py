"""What was cut off is looked at and ended, between hosts in memory, where no program can be run."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.custody import record
from tests.test_api import World
from tests.test_api import settled_soon as settled_soon  # noqa: PLC0414 - the fixture
from transship import migrations, recover
from transship.errors import NeedsRecoveryError, PreflightError, UnreachableError, UsageError
from transship.hosts.base import Host
from transship.journal.decision import Told
from transship.journal.recovery import decide
from transship.journal.store import Journal
from transship.journal.stored import JournalError
from transship.plan.record import End, Made, Record, Stage

pytestmark = pytest.mark.usefixtures("settled_soon")
Cut = Callable[..., migrations.Reach]


@pytest.fixture
def world() -> World:
    return World.new()


@pytest.fixture
def cut(world: World, tmp_path: Path) -> Cut:
    """Write down migrations that were cut off, and reach their hosts."""

    def opener(address: str) -> Host:
        if address not in {"old", "new"}:
            raise UnreachableError(f"cannot connect to {address}: it does not answer")
        return {"old": world.source, "new": world.target}[address]

    def begin(*records: Record) -> migrations.Reach:
        with Journal.open(tmp_path) as journal:
            for each in records:
                journal.begin(each)
        return migrations.Reach(tmp_path, opener=opener)

    return begin


def cut_off(world: World, name: str, *, target: str = "new") -> Record:
    """A move of `web` that was lost while its data was copied."""
    source = str(world.source.docker.inspect_container("web")["Id"])
    end = End(target, target)
    return record(id=name, container_id=source, source=End("old", "old"), target=end, made=Made(), stage="preparing")


def test_one_that_cannot_be_decided_keeps_no_other_from_being_ended(world: World, cut: Cut) -> None:
    reach = cut(cut_off(world, "first"), cut_off(world, "second", target="gone"), cut_off(world, "third"))
    with pytest.raises(NeedsRecoveryError, match=r"migration second .*gone cannot be removed") as raised:
        migrations.recover(reach)
    assert "--target-is-lost: only if you know that gone" in raised.value.hint
    assert isinstance(raised.value.result, tuple)
    assert {each.record.id for each in raised.value.result} == {"first", "third"}
    (left,) = migrations.status(reach)
    assert left.record.id == "second"
    assert left.unreached == ("cannot connect to gone: it does not answer",)


def test_what_several_say_is_all_said(world: World, cut: Cut) -> None:
    reach = cut(cut_off(world, "first", target="gone"), cut_off(world, "second", target="away"))
    with pytest.raises(NeedsRecoveryError, match=r"migration first") as raised:
        migrations.recover(reach)
    assert "migration second" in str(raised.value)


def test_what_is_told_holds_for_one_migration(world: World, cut: Cut) -> None:
    reach = cut(cut_off(world, "first", target="gone"), cut_off(world, "second", target="gone"))
    with pytest.raises(UsageError, match="say which"):
        migrations.recover(reach, told=Told(lost="target"))
    (ended,) = migrations.recover(reach, "first", told=Told(lost="target"))
    assert ended.decision.actions == ("end",)
    assert [each.record.id for each in migrations.recover(reach, told=Told(lost="target"))] == ["second"]
    assert migrations.status(reach) == []


def test_another_daemon_behind_the_same_address_is_not_touched(world: World, cut: Cut) -> None:
    world.target.docker.daemon = {"ID": "reinstalled"}
    (found,) = migrations.status(cut(cut_off(world, "first")))
    assert found.unreached == (
        "new is another Docker daemon from here than the migration's: name its host with --host",
    )
    assert found.decision.kind == "ask"


def test_one_that_is_under_way_is_told_of_and_left_alone(
    world: World, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach = cut(cut_off(world, "first"))

    def at_work(record: Record, sites: recover.Sites, told: Told) -> recover.Situation:
        found = recover.look(record, sites, told)
        seen = replace(found.source, held=True)
        return replace(found, source=seen, decision=decide(record, seen, found.target, told))

    monkeypatch.setattr(migrations, "look", at_work)
    (found,) = migrations.recover(reach)
    assert found.decision.why == "It is under way: somebody is at work on old."
    with pytest.raises(NeedsRecoveryError, match="under way"):
        migrations.recover(reach, "first")
    monkeypatch.undo()
    assert [each.record.stage for each in migrations.status(reach)] == ["preparing"]


def test_what_the_journal_cannot_read_is_told_and_keeps_nobody_from_the_others(
    world: World, cut: Cut, tmp_path: Path
) -> None:
    reach = cut(cut_off(world, "first"), cut_off(world, "second"))
    with Journal.open(tmp_path) as journal:
        journal._connection.execute("UPDATE migrations SET record = '{' WHERE id = 'first'")
    with pytest.raises(JournalError, match=r"\(migration first\)") as raised:
        migrations.recover(reach)
    assert isinstance(raised.value.result, tuple)
    assert [each.record.id for each in raised.value.result] == ["second"]
    assert migrations.status(reach) == []
    assert len(migrations.damaged(reach, ended=False)) == 1


def test_what_has_moved_is_not_aborted(world: World, cut: Cut, tmp_path: Path) -> None:
    moved = cut_off(world, "first")
    reach = cut(moved)
    with Journal.open(tmp_path) as journal:
        journal.save(replace(moved, stage="ended", outcome="moved"))
    with pytest.raises(PreflightError, match="handed over to new already") as raised:
        migrations.recover(reach, "first", only_back=True)
    assert raised.value.hint == "transship switch-back first returns with all data"


def test_the_old_copys_restart_policy_is_warned_of(world: World, cut: Cut) -> None:
    released = record(
        id="first",
        container_id=str(world.source.docker.inspect_container("web")["Id"]),
        source=End("old", "old"),
        target=End("new", "new"),
        stage="released",
    )
    world.source.docker.stop("web")
    (found,) = migrations.status(cut(released))
    assert "the old copy has a restart policy" in found.sentence


def test_an_interrupt_is_an_error_that_says_how_to_go_on(world: World, cut: Cut) -> None:
    def agreed(_: object) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return True

    reach = cut(cut_off(world, "first"))
    with pytest.raises(NeedsRecoveryError, match="interrupted"):
        migrations.recover(reach, agreed=agreed)
    assert len(migrations.status(reach)) == 1
    assert len(migrations.recover(reach)) == 1
    assert migrations.recover(reach) == []


def test_of_two_copies_of_one_machine_each_is_known_by_its_name(world: World, cut: Cut) -> None:
    """They share their daemon's id; taken for one host, the container would be missing on it, and started twice."""
    world.target.docker.images.add([b""], name="web:1")
    arrived = world.target.docker.create_container("web", {"Image": "web:1"})
    world.target.docker.start(arrived)
    world.source.docker.stop("web")
    for host in (world.source, world.target):
        host.docker.daemon = {"ID": "twin"}
    source = str(world.source.docker.inspect_container("web")["Id"])
    ends = {"source": End("old", "twin"), "target": End("new", "twin")}
    released = record(id="first", container_id=source, **ends, made=Made(container=arrived), stage="released")
    (ended,) = migrations.recover(cut(released))
    assert ended.decision.kind == "finish"
    assert (world.running(world.source), world.running(world.target)) == ([], ["/web"])


def test_copies_of_one_machine_under_other_names_are_not_guessed(world: World, tmp_path: Path) -> None:
    hosts: dict[str, Host] = {"here": world.source, "there": world.target}
    for host in (world.source, world.target):
        host.docker.daemon = {"ID": "twin"}
    with Journal.open(tmp_path) as journal:
        journal.begin(record(source=End("old", "twin"), target=End("new", "twin"), stage="released"))

    def opener(address: str) -> Host:
        if address not in hosts:
            raise UnreachableError(f"nobody is called {address}")
        return hosts[address]

    (found,) = migrations.status(migrations.Reach(tmp_path, ("here", "there"), opener=opener))
    assert found.decision.kind == "ask"
    assert found.unreached == ("nobody is called old", "nobody is called new")


Copies = dict[str, list[Record]]


@pytest.fixture
def copies(world: World, monkeypatch: pytest.MonkeyPatch) -> Copies:
    """What the hosts themselves have on record, by their name."""
    found: Copies = {"old": [], "new": []}

    def stored(where: recover.Site) -> dict[str, tuple[Record, bool]]:
        return {each.id: (each, False) for each in found[where.host.name]} if where.host else {}

    for module in (migrations, recover):
        monkeypatch.setattr(module, "stored_records", stored)
    world.target.docker.images.add([b""], name="db:1")
    return found


def from_elsewhere(cut: Cut, *at: str) -> migrations.Reach:
    return replace(cut(), at=at)


@pytest.mark.parametrize("stage", ["fenced", "stopping", "released", "forward", "committed", "restored"])
def test_what_one_host_says_of_another_is_not_believed(world: World, cut: Cut, copies: Copies, stage: Stage) -> None:
    """A forged record on one host names a container of the other, which never heard of that migration."""
    victim = world.target.docker.create_container("db", {"Image": "db:1"})
    forged = replace(cut_off(world, "first"), stage=stage, made=Made(container=victim, volumes={"data": ""}))
    world.target.docker.create_volume({"Name": "data"})
    copies["old"] = [forged]
    (found,) = migrations.status(from_elsewhere(cut, "old"))
    assert found.unreached == ("new has no record of migration first: go to where that was begun",)
    with suppress(NeedsRecoveryError):
        migrations.recover(from_elsewhere(cut, "old"))
    assert world.target.docker.inspect_container(victim)["State"]["Status"] == "created"
    assert world.target.docker.inspect_volume("data")


@pytest.mark.parametrize("stage", ["stopping", "released", "committed"])
def test_a_target_cannot_name_a_container_of_another_host(world: World, cut: Cut, copies: Copies, stage: Stage) -> None:
    copies["new"] = [replace(cut_off(world, "first"), stage=stage, retire="remove")]
    with pytest.raises(NeedsRecoveryError):
        migrations.recover(from_elsewhere(cut, "new"))
    assert world.running(world.source) == ["/web"]


def test_where_nothing_was_made_yet_one_copy_is_enough_and_says_nothing_of_the_other_host(
    world: World, cut: Cut, copies: Copies
) -> None:
    victim = world.target.docker.create_container("db", {"Image": "db:1"})
    copies["old"] = [replace(cut_off(world, "first"), made=Made(container=victim))]
    (ended,) = migrations.recover(from_elsewhere(cut, "old"))
    assert ended.decision.kind == "clean-up"
    assert world.target.docker.inspect_container(victim)


def test_the_target_says_what_was_made_there(world: World, cut: Cut, copies: Copies) -> None:
    ours = world.target.docker.create_container("web", {"Image": "db:1"})
    begun = cut_off(world, "first")
    copies["old"], copies["new"] = [begun], [replace(begun, made=Made(container=ours))]
    migrations.recover(from_elsewhere(cut, "old"))
    assert world.target.docker.containers() == []


def test_copies_that_speak_of_different_containers_are_not_acted_upon(world: World, cut: Cut, copies: Copies) -> None:
    begun = cut_off(world, "first")
    copies["old"], copies["new"] = [begun], [replace(begun, container_id="f" * 64)]
    (found,) = migrations.status(from_elsewhere(cut, "old", "new"))
    assert found.unreached == ("new has another record of migration first than the other host",)
    with pytest.raises(UsageError, match="another record"):
        migrations.find(from_elsewhere(cut, "old", "new"), "first")
