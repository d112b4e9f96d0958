import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journal.records import record
from transship.errors import UsageError
from transship.journal.store import Journal, default_folder
from transship.journal.stored import JournalError
from transship.plan.record import Record


def migrations(*ids: str) -> list[Record]:
    return [record(id=each) for each in ids]


def ids(journal: Journal) -> list[str]:
    return [entry.record.id for entry in journal.history(1000)]


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.begin(record())
        journal.predicted("0badcafe", {"downtime_s": 1.5, "total_s": float("inf")})
        journal.note("0badcafe", "stop the source", "intent", 1.5)
        journal.note("0badcafe", "stop the source", "done", 2.0)
        journal.save(record(stage="stopping"))
    with Journal.open(tmp_path) as journal:
        entry = journal.get("0badcafe")
    assert entry.record == record(stage="stopping")
    assert [(note.step, note.event, note.at) for note in entry.steps] == [
        ("stop the source", "intent", 1.5),
        ("stop the source", "done", 2.0),
    ]
    assert entry.predicted == {"downtime_s": 1.5, "total_s": None}
    assert (entry.happened, entry.begun, entry.ended) == (None, "2026-11-22T12:00:00+00:00", "")


def test_open_are_those_that_have_not_ended(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        for each in migrations("aa", "ab", "b"):
            journal.begin(each)
        journal.save(record(id="ab", stage="ended", outcome="moved", detail="all went well"))
        assert [entry.record.id for entry in journal.open_()] == ["b", "aa"]
        ended = journal.get("ab")
        assert (ended.record.stage, ended.record.outcome, ended.record.detail) == ("ended", "moved", "all went well")
        assert ended.ended
        assert ids(journal) == ["b", "ab", "aa"]
        assert [entry.record.id for entry in journal.history(1)] == ["b"]


def test_the_end_is_when_it_was_first_written(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.begin(record())
        journal.save(record(stage="ended"))
        sqlite3_write(tmp_path, "UPDATE migrations SET ended = 'then'")
        journal.save(record(stage="ended"))
        assert journal.get("0badcafe").ended == "then"


def test_a_migration_is_named_by_as_much_of_its_id_as_is_unambiguous(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        for each in migrations("aa", "ab", "a", "c1"):
            journal.begin(each)
        assert journal.get("c").record.id == "c1"
        assert journal.get("a").record.id == "a"
        journal.begin(record(id="c2"))
        for prefix in ("c", "", "d", "%", "\udcff"):
            with pytest.raises(UsageError) as caught:
                journal.get(prefix)
            assert caught.value.hint


def test_a_record_of_another_machine_is_taken_up_and_one_of_our_own_is_not_begun_twice(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.save(record(stage="released"))
        assert journal.get("0").record.stage == "released"
        with pytest.raises(JournalError):
            journal.begin(record())
        with pytest.raises(JournalError):
            journal.predicted("unknown", {})
        with pytest.raises(JournalError):
            journal.happened("unknown", {})
        with pytest.raises(JournalError):
            journal.note("unknown", "start", "done", 1.0)


def test_of_a_result_only_what_was_measured_is_kept(tmp_path: Path) -> None:
    result = {
        "outcome": "moved",
        "strategy": "sync",
        "error": "hunter2",
        "downtime_s": 1.0,
        "bytes": {"image": {"logical": 3, "wire": 2}},
        "phases": ({"name": "stop", "start_s": 1.0, "seconds": 2.0, "bytes": 0, "detail": "hunter2", "failed": False},),
        "rounds": ({"number": 1, "files": 2, "path": "hunter2"},),
        "predicted": {"downtime_s": None},
        "findings": ({"message": "hunter2"},),
        "source": {"host": "hunter2"},
    }
    with Journal.open(tmp_path) as journal:
        journal.begin(record())
        journal.happened("0badcafe", result)
        happened = journal.get("0badcafe").happened
    assert happened == {
        "outcome": "moved",
        "strategy": "sync",
        "downtime_s": 1.0,
        "bytes": {"image": {"logical": 3, "wire": 2}},
        "phases": [{"name": "stop", "start_s": 1.0, "seconds": 2.0, "bytes": 0, "failed": False}],
        "rounds": [{"number": 1, "files": 2}],
    }
    assert b"hunter2" not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "state"
    with Journal.open(folder) as journal:
        journal.begin(record())
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
    assert modes == dict.fromkeys(("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), 0o600)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_folder_is_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "transship"
    for nothing in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", nothing)
        assert default_folder() == Path.home() / ".local" / "state" / "transship"


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(JournalError, match="no home folder") as raised:
        default_folder()
    assert "--state-dir" in raised.value.hint


def sqlite3_write(folder: Path, *statements: str) -> None:
    database = sqlite3.connect(folder / "journal.sqlite")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def newer(folder: Path) -> None:
    Journal.open(folder).close()
    sqlite3_write(folder, "PRAGMA user_version = 2")


def somebody_elses(folder: Path) -> None:
    sqlite3_write(folder, "CREATE TABLE recipes (name TEXT)")


def no_database(folder: Path) -> None:
    (folder / "journal.sqlite").write_bytes(b"not a database at all " * 500)


def cut_off(folder: Path) -> None:
    with Journal.open(folder) as journal:
        for number in range(50):
            journal.begin(record(id=f"m{number}"))
    file = folder / "journal.sqlite"
    os.truncate(file, file.stat().st_size // 2)


def a_folder(folder: Path) -> None:
    (folder / "journal.sqlite").mkdir()


def without_its_tables(folder: Path) -> None:
    Journal.open(folder).close()
    sqlite3_write(folder, "DROP TABLE migrations")


@pytest.mark.parametrize("spoil", [newer, somebody_elses, no_database, cut_off, a_folder, without_its_tables])
def test_what_cannot_be_used_is_refused_with_advice(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path)
    with pytest.raises(JournalError) as caught, Journal.open(tmp_path) as journal:
        journal.history()
    assert "journal.sqlite" in str(caught.value)
    assert caught.value.hint


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(JournalError, match="no folder"):
        Journal.open(tmp_path / "state")
    with pytest.raises(JournalError):
        Journal.open(tmp_path / "state" / "below")


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(JournalError) as caught:
        Journal.open(tmp_path)
    assert "chmod 700" in caught.value.hint


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.history()


WRITER = """
import sys
from pathlib import Path
from tests.journal.records import record
from transship.journal.store import Journal
name, folder = sys.argv[1:]
with Journal.open(Path(folder)) as journal:
    for number in range(20):
        journal.begin(record(id=f"{name}-{number}"))
        journal.note(f"{name}-{number}", "step", "intent", 1.0)
"""


def test_several_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    names = [f"p{number}" for number in range(5)]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, str(folder)]) for name in names]
    assert [writer.wait(60) for writer in writers] == [0] * len(names)
    with Journal.open(folder) as journal:
        entries = journal.history(1000)
    assert {entry.record.id for entry in entries} == {f"{name}-{number}" for name in names for number in range(20)}
    assert all(len(entry.steps) == 1 for entry in entries)


def test_several_threads_at_once_lose_nothing(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:

        def write(name: str) -> None:
            for number in range(20):
                journal.begin(record(id=f"{name}-{number}"))
                journal.save(record(id=f"{name}-{number}", stage="fenced"))

        threads = [threading.Thread(target=write, args=(f"t{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journal.history(1000)) == 80
        assert {entry.record.stage for entry in journal.history(1000)} == {"fenced"}


KILLED = """
import sys
from itertools import count
from pathlib import Path
from tests.journal.records import record
from transship.journal.store import Journal
journal = Journal.open(Path(sys.argv[1]))
for number in count():
    journal.begin(record(id=f"m{number}"))
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        writer.kill()
        acknowledged = 20 + len(writer.stdout.readlines())
    with Journal.open(tmp_path / "state") as journal:
        assert len(journal.history(10_000)) >= acknowledged


def test_a_process_that_never_ends_writing_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transship.journal.store.PATIENCE_S", 0.1)
    with Journal.open(tmp_path) as journal:
        other = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(JournalError, match="locked"):
            journal.begin(record())
        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")
        other.close()
        journal.begin(record())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.lab
def test_a_full_disk_is_told_of_and_what_was_written_before_stays(small_disk: Path) -> None:
    with Journal.open(small_disk) as journal:
        written = []

        def fill() -> None:
            for each in (record(id=f"m{number}") for number in range(1000)):
                journal.begin(each)
                written.append(each.id)

        with pytest.raises(JournalError) as caught:
            fill()
        assert "full" in str(caught.value)
        assert caught.value.hint
        assert sorted(ids(journal)) == sorted(written)


@pytest.mark.lab
def test_a_disk_full_from_the_start_is_told_of(small_disk: Path) -> None:
    (small_disk / "large").write_bytes(bytes(256 << 10))
    with pytest.raises(JournalError) as caught:
        Journal.open(small_disk)
    assert "full" in str(caught.value) or "space" in str(caught.value)


@pytest.mark.lab
def test_a_disk_that_cannot_be_written_is_told_of(small_disk: Path) -> None:
    with Journal.open(small_disk) as journal:
        journal.begin(record())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(JournalError) as caught, Journal.open(small_disk) as journal:
        journal.begin(record(id="other"))
    assert "cannot be read or written" in str(caught.value)


def test_what_is_written_is_on_the_disk_and_not_only_on_its_way(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.begin(record())
        journal.note("0badcafe", "stop", "intent", 1.0)
        synchronous = journal._connection.execute("PRAGMA synchronous").fetchone()
        journal.save(record())
        synchronous += journal._connection.execute("PRAGMA synchronous").fetchone()
        mode = journal._connection.execute("PRAGMA journal_mode").fetchone()
    assert (synchronous, mode) == ((1, 2), ("wal",)), "a note waits for no disk, a record does"
