import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.swarm.told import record
from transship.errors import LockedError, UsageError
from transship.journal.store import Journal
from transship.swarm.journal import SwarmJournal


def test_moves_of_services_are_kept_beside_those_of_containers(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()  # one that was made before services were known
    with SwarmJournal.open(tmp_path) as journal:
        journal.moves.save(record())
        journal.moves.save(record(stage="changed"))
        (entry,) = journal.moves.open()
        assert (entry.record.stage, entry.ended, entry.happened) == ("changed", "", None)
        journal.moves.save(record(stage="ended", outcome="moved"))
        journal.moves.measured(record().id, '{"total_s": 3.5}')
    with SwarmJournal.open(tmp_path) as journal:
        assert journal.moves.open() == []
        (entry,) = journal.moves.history()
        assert (entry.record.outcome, entry.happened) == ("moved", {"total_s": 3.5})
        assert entry.ended
        assert journal.history() == []


def test_the_begin_of_an_id_is_enough_where_it_tells_moves_apart(tmp_path: Path) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        for identity in ("aa11", "aa22", "bb11"):
            journal.moves.save(record(id=identity))
        found = journal.moves.find("bb")
        assert found is not None
        assert found.record.id == "bb11"
        assert journal.moves.find("cc") is None
        with pytest.raises(UsageError, match="several"):
            journal.moves.find("aa")
        journal.moves.save(record(id="aa1"))
        exact = journal.moves.find("aa1")
        assert exact is not None
        assert exact.record.id == "aa1"


def test_a_damaged_record_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        journal.moves.save(record(id="aa11"))
        journal.moves.save(record(id="bb11"))
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("UPDATE services SET record = '{' WHERE id = 'aa11'")
    database.close()
    with SwarmJournal.open(tmp_path) as journal:
        assert [each.record.id for each in journal.moves.open()] == ["bb11"]
        (error,) = journal.moves.damaged(ended=False)
        assert "aa11" in str(error)


def test_one_process_at_a_time_works_on_a_move(tmp_path: Path) -> None:
    with SwarmJournal.open(tmp_path) as one, SwarmJournal.open(tmp_path) as other, one.at_work("aa11"):
        with pytest.raises(LockedError), other.at_work("aa11"):
            pass
        with other.at_work("bb11"):
            pass
    with SwarmJournal.open(tmp_path) as journal, journal.at_work("aa11"):
        pass


def test_a_lock_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with SwarmJournal.open(tmp_path) as journal:
        with suppress(RuntimeError), journal.at_work("aa11"):
            (lock,) = tmp_path.glob("*.lock")
            assert lock.stat().st_mode & 0o777 == 0o600
            raise RuntimeError
        assert list(tmp_path.glob("*.lock")) == []
        (tmp_path / "service-aa11.lock").touch()  # as a killed process leaves it
        with journal.at_work("aa11"):
            pass
        assert list(tmp_path.glob("*.lock")) == []


def test_what_was_made_on_the_target_is_written_down(tmp_path: Path) -> None:
    made = record().made
    made.volumes["data"] = "2026-11-22T20:00:00Z"
    with SwarmJournal.open(tmp_path) as journal:
        journal.moves.save(replace(record(), made=made))
        assert journal.moves.open()[0].record.made.volumes == made.volumes
