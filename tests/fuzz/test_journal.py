"""The state folder's database and the migrations' records: cut, changed and mixed up."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.fuzz import fuzz, refused
from tests.fuzz.mutations import Documents, data
from tests.journal.records import record
from transship import codec
from transship.agent import control, migration_record
from transship.agent.faults import AgentError
from transship.errors import TransshipError
from transship.journal.store import Journal
from transship.plan.record import STAGES, Record

RECORDS = Documents(
    *(
        codec.encode(each)
        for each in (record(), record(stage="released"), record(stage="ended", outcome="moved", detail="as asked"))
    )
)


@fuzz(4_000)
def test_records(random: Random) -> None:
    with refused(codec.MalformedError):
        found = codec.decode(Record, RECORDS.draw(random))
        assert codec.decode(Record, codec.encode(found)) == found


@fuzz(3_000)
def test_record_files_on_hosts(random: Random) -> None:
    """Root has written them, and yet: a keeper starts and renames containers by what they say."""
    raw = json.dumps(RECORDS.draw(random)).encode()
    with refused(AgentError):
        found = migration_record.read(control.loads(data(random, (raw,)) if random.random() < 0.3 else raw))
        assert len(found.source) == 64
        assert found.stage in STAGES
        assert not set(found.retired_name + found.id) & set("/?&# \n")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a state folder with three migrations in it."""
    folder = tmp_path_factory.mktemp("state")
    with Journal.open(folder) as journal:
        for name in ("aa", "ab", "b"):
            journal.begin(record(id=name))
            journal.note(name, "stop the source", "intent", 1.5)
            journal.predicted(name, {"downtime_s": 1.5})
        journal.save(record(id="b", stage="ended", outcome="moved"))
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
            assert journal.get(entry.record.id) == entry
        journal.begin(record(id="cc"))
        journal.save(record(id="aa", stage="ended", outcome="moved"))
