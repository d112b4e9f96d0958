"""What was cut off is looked at and ended, between hosts in memory, where no program can be run."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.custody import record
from tests.test_api import World
from tests.test_api import settled_soon as settled_soon  # noqa: PLC0414 - the fixture
from transship import migrations
from transship.errors import NeedsRecoveryError, PreflightError, UnreachableError, UsageError
from transship.hosts.base import Host
from transship.journal.decision import Told
from transship.journal.store import Journal
from transship.plan.record import End, Made, Record

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


def test_what_is_told_needs_a_migration(world: World, cut: Cut) -> None:
    reach = cut(cut_off(world, "first", target="gone"))
    with pytest.raises(UsageError, match="say which"):
        migrations.recover(reach, told=Told(lost="target"))
    (ended,) = migrations.recover(reach, "first", told=Told(lost="target"))
    assert ended.decision.actions == ("end",)
    assert migrations.status(reach) == []


def test_another_daemon_behind_the_same_address_is_not_touched(world: World, cut: Cut) -> None:
    world.target.docker.daemon = {"ID": "reinstalled"}
    (found,) = migrations.status(cut(cut_off(world, "first")))
    assert found.unreached == (
        "new is another Docker daemon from here than the migration's: name its host with --host",
    )
    assert found.decision.kind == "ask"


def test_what_has_moved_is_not_aborted(world: World, cut: Cut, tmp_path: Path) -> None:
    moved = cut_off(world, "first")
    reach = cut(moved)
    with Journal.open(tmp_path) as journal:
        journal.stage("first", "ended", "moved", "")
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
