"""What status, history and recover say of moves of services, adoptions and releases, where no host is asked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.journal.records import record as container_record
from tests.swarm.test_exchange_rules import kept
from tests.swarm.told import record
from transship.cli.main import app
from transship.errors import NeedsRecoveryError, UsageError
from transship.swarm.journal import SwarmJournal

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command on the journal of this test; what it raises is raised."""

    def of(*words: str) -> str:
        result = CliRunner().invoke(app, ["--state-dir", str(tmp_path), *words], catch_exceptions=True)
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return of


def test_history_tells_of_adoptions_and_releases_among_moves(tmp_path: Path, run: Run) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        journal.moves.save(record(id="aa11", begun="2026-11-22T20:00:00+00:00", stage="ended", outcome="moved"))
        for number, kind in enumerate(("adopt", "release")):
            begun = f"2026-11-2{number + 2}T21:00:00+00:00"
            journal.exchanges.save(kept(kind, "ended", id=f"bb{number}", begun=begun, outcome=f"{kind}ed"))
    said = run("history")
    first, second, third = said.index("bb1"), said.index("bb0"), said.index("aa11")
    assert first < second < third, "the newest first"
    assert "container web on h2 becomes a service" in said
    assert "service web on h2 becomes a container" in said
    told = json.loads(run("history", "--json"))["services"]
    assert [(each["method"], each["source"], each["target"]) for each in told] == [
        ("release", "h2", "h2"), ("adopt", "h2", "h2"), ("constraint", "h2", "h3"),
    ]  # fmt: skip


def test_one_that_another_process_is_at_work_on_is_left_alone(tmp_path: Path, run: Run) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        journal.exchanges.save(kept("release", "stopping"))
        with journal.at_work("0a1b"):
            (told,) = json.loads(run("status", "--json"))["services"]
            assert (told["migration"], told["method"], told["would"]) == ("0a1b", "release", "wait")
            assert "it is under way" in run("status")
            assert "is left alone" in run("recover", "--yes")
        assert journal.exchanges.open()[0].record.stage == "stopping"


def test_a_manager_that_cannot_be_reached_is_told_and_nothing_is_decided(tmp_path: Path, run: Run) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        journal.exchanges.save(kept("adopt", "stopping", manager=f"unix://{tmp_path}/none.sock"))
        (told,) = json.loads(run("status", "--json"))["services"]
        assert told["would"] == "unreachable"
        assert "tries again when manager and node can be reached" in run("status")
        for command in ("recover", "abort"):
            with pytest.raises(NeedsRecoveryError, match="the adoption 0a1b of web"):
                run(command, "0a1b", "--yes")
        assert journal.exchanges.open()[0].record.stage == "stopping"


def test_what_is_said_of_copies_of_containers_is_refused_for_services(tmp_path: Path, run: Run) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        journal.exchanges.save(kept("release", "stopping"))
        with journal.at_work("0a1b"), pytest.raises(UsageError, match="about moves of containers"):
            run("recover", "0a1b", "--keep", "source")


def test_the_begin_of_an_id_that_may_mean_several_kinds_is_refused(tmp_path: Path, run: Run) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        journal.begin(container_record(id="aa11"))
        journal.exchanges.save(kept("release", "stopping", id="aa22"))
        with journal.at_work("aa22"):
            for command in ("status", "recover", "abort"):
                with pytest.raises(UsageError, match="may be any of aa11, aa22"):
                    run(command, "aa")
            assert "aa22" in run("status", "aa22")


def test_what_cannot_be_read_is_told(tmp_path: Path, run: Run) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        journal.exchanges.save(kept("release", "stopping"))
        with journal._writing() as database:
            database.execute("UPDATE exchanges SET record = '{'")
    assert "is damaged" in run("status")
    assert "is damaged" in json.loads(run("history", "--json"))["damaged"][0]


def test_unpin_tells_machines_and_people_what_went(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transship.swarm.api.unpin", lambda *_: ("node.id==x",))
    assert json.loads(run("swarm", "unpin", "web", "--json")) == {
        "outcome": "unpinned", "service": "web", "constraints": ["node.id==x"],
    }  # fmt: skip
    assert run("swarm", "unpin", "web") == "web no longer has node.id==x\n"
