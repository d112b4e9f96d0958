"""The state folder's database and the migrations' records: cut, changed and mixed up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.fuzz import fuzz, refused
from tests.fuzz.mutations import Documents, data
from tests.journal.records import record
from transship import codec
from transship.errors import TransshipError
from transship.journal.store import Journal
from transship.plan.record import Record

RECORDS = Documents(asdict(record()), asdict(record(stage="released")), asdict(record(stage="ended", outcome="moved")))


@fuzz(4_000)
def test_records(random: Random) -> None:
    with refused(codec.MalformedError):
        found = codec.decode(Record, RECORDS.draw(random))
        assert codec.decode(Record, codec.encode(found)) == found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a state folder with three migrations in it."""
    folder = tmp_path_factory.mktemp("state")
    with Journal.open(folder) as journal:
        for name in ("aa", "ab", "b"):
            journal.begin(record(id=name))
            journal.note(name, "stop the source", "intent", 1.5)
            journal.predicted(name, {"downtime_s": 1.5})
        journal.stage("b", "ended", "moved", "")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def state(folder: Path, files: dict[str, bytes]) -> Iterator[Path]:
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@fuzz(400)
def test_databases(random: Random, whole: dict[str, bytes], tmp_path: Path) -> None:
    spoiled = {name: data(random, (content, b"", b"\0" * 4096)) for name, content in whole.items()}
    with state(tmp_path / "state", spoiled) as folder, refused(TransshipError), Journal.open(folder) as journal:
        for entry in (*journal.history(9), *journal.open_()):
            assert journal.get(entry.record.id)
        journal.begin(record(id="cc"))
        journal.stage("aa", "ended", "moved", "")
