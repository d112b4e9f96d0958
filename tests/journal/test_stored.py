import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journal.records import made, record
from transship.errors import TransshipError
from transship.journal.store import Journal
from transship.journal.stored import JournalError, from_json, from_text, to_json
from transship.plan.record import STAGES, Made, Provided, Record

HEX = "0123456789abcdef"
words = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}", fullmatch=True)
docker_ids = st.text(HEX, min_size=64, max_size=64)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
provided = st.builds(Provided, paths, st.lists(paths, max_size=2).map(tuple), st.just((0, 1000, 0o755)))
things_made = st.builds(
    Made,
    image=words,
    tags=st.lists(words, max_size=2),
    networks=st.dictionaries(names, docker_ids | st.just(""), max_size=2),
    volumes=st.dictionaries(names, st.just("2026-11-22T12:00:02Z") | st.just(""), max_size=2),
    provided=st.lists(provided, max_size=2),
    container=docker_ids | st.just(""),
    sandboxing=st.booleans(),
    sandbox=docker_ids | st.just(""),
    sandbox_image=st.sampled_from(["", "transship-sandbox:amd64-0123456789ab"]),
)
records = st.builds(
    lambda made, stage, detail, policy, **changes: record(
        made=made, stage=stage, detail=detail, restart_policy=policy, **changes
    ),
    made=things_made,
    stage=st.sampled_from(STAGES),
    detail=words,
    policy=st.sampled_from([{"Name": "no"}, {"Name": "on-failure", "MaximumRetryCount": 3}, {"Name": ""}]),
    id=st.text(HEX, min_size=8, max_size=8),
    coordinator=words,
    container=names,
    running=st.booleans(),
    retire=st.sampled_from(["keep", "remove"]),
    memory=st.sampled_from(["", "copied", "following"]),
)


@given(records)
def test_stored_and_read_again_it_is_the_same(some: Record) -> None:
    assert from_text(json.dumps(to_json(some)), "here") == some


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in members for place in places(child, (*path, key)))]


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copy


STORED = json.loads(json.dumps(to_json(record(made=made()))))


@given(path=st.sampled_from(places(STORED)), value=anything)
def test_a_changed_record_is_refused_or_still_a_record(path: tuple[Any, ...], value: Any) -> None:
    try:
        found = from_text(json.dumps(put(STORED, path, value)), "the file")
    except JournalError as error:
        told = str(error), error.hint
    else:
        told = "the file", "is still a record"
        assert from_json(json.loads(json.dumps(to_json(found))), "") == found
    assert "the file" in told[0]
    assert told[1]


@given(st.binary(max_size=40) | st.text(max_size=40) | anything)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(JournalError):
        from_text(text, "the file")


def test_a_record_of_before_anything_had_a_lender_is_read() -> None:
    earlier = {name: value for name, value in STORED.items() if name != "lender"}
    assert from_json(earlier, "the file") == from_json(STORED, "the file")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 10_000, '"' + "x" * 2_000_000 + '"', "\ud800", '{"format": 1}', '{"format": 3}']
)
def test_what_is_too_deep_too_long_or_too_new_is_refused(text: str) -> None:
    with pytest.raises(JournalError):
        from_text(text, "the file")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("id",), "../../etc/passwd"),
        (("id",), ""),
        (("container_id",), "web"),
        (("made", "container"), "web; rm -rf /"),
        (("made", "sandbox"), "web"),
        (("made", "sandbox_image"), "web:1"),
        (("lender",), "web"),
        (("memory",), "some"),
        (("made", "volumes"), ["../data"]),
        (("made", "networks"), {"front": "bridge"}),
        (("made", "provided", 0, "path"), "/srv/../etc"),
        (("made", "provided", 0, "path"), "srv"),
        (("made", "provided", 0, "made"), ["/.."]),
        (("made", "provided", 0, "owner"), [-1, 0, 0]),
        (("coordinator",), "\x1b]0;ha\x07"),
        (("source", "name"), "x" * 5000),
        (("restart_policy",), {"Name": "sometimes"}),
        (("restart_policy",), {"Name": "no", "Other": 1}),
        (("restart_policy",), {"MaximumRetryCount": -1}),
        (("stage",), "done"),
        (("format",), 1),
    ],
)
def test_a_record_that_means_harm_is_refused(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(JournalError):
        from_json(put(STORED, path, value), "the file")


def test_what_a_keeper_says_of_a_failure_may_be_any_text() -> None:
    found = from_json(put(STORED, ("detail",), "no\nsuch \x1b[1mdaemon" + "!" * 10_000), "the file")
    assert found.detail.startswith("no such  [1mdaemon!!!")
    assert len(found.detail) == 4096


COLUMNS = [("migrations", column) for column in ("id", "record", "predicted", "happened", "ended")] + [
    ("steps", column) for column in ("step", "event", "at")
]
cells = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
    | st.binary(max_size=10)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # it writes to the disk
@given(where=st.sampled_from(COLUMNS), cell=cells)
def test_a_damaged_row_is_told_of_in_one_sentence(tmp_path: Path, where: tuple[str, str], cell: object) -> None:
    for file in tmp_path.iterdir():
        file.unlink()
    with Journal.open(tmp_path) as journal:
        journal.begin(record())
        journal.note("0badcafe", "start", "done", 1.0)
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    try:
        database.execute(f"UPDATE {where[0]} SET {where[1]} = ?", (cell,))  # noqa: S608 - the tables are ours
        database.commit()
    except sqlite3.IntegrityError:
        pass  # SQLite itself does not let it in
    database.close()
    with Journal.open(tmp_path) as journal:
        for read in (journal.history, journal.open_, lambda: [journal.get("0badcafe")]):
            try:
                assert all(entry.record == record() for entry in read())
            except TransshipError as error:
                assert str(error)  # noqa: PT017 - it may be raised, and if it is, it must say something


def test_one_that_is_damaged_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        for name in ("first", "second", "third"):
            journal.begin(record(id=name))
        journal.save(record(id="third", stage="ended"))
        journal._connection.execute("UPDATE migrations SET record = '{' WHERE id <> 'second'")
        assert [each.record.id for each in journal.history()] == ["second"]
        assert [each.record.id for each in journal.open_()] == ["second"]
        assert ["(migration first)" in str(each) for each in journal.damaged(ended=False)] == [True]
        assert len(journal.damaged()) == 2
        with pytest.raises(JournalError, match="migration first"):
            journal.get("first")


def test_a_record_under_another_id_is_refused(tmp_path: Path) -> None:
    with Journal.open(tmp_path) as journal:
        journal.begin(record())
        journal.save(replace(record(), id="another"))
        journal._connection.execute("UPDATE migrations SET id = 'third' WHERE id = 'another'")
        with pytest.raises(JournalError, match="another migration"):
            journal.get("third")


@pytest.mark.parametrize("name", ["begun", "since"])
@pytest.mark.parametrize("text", ["", "noon", "12:00", "2026-11-22T12:00:00"])
def test_a_time_that_is_none_or_is_nowhere_is_refused(name: str, text: str) -> None:
    with pytest.raises(JournalError, match=f"{name} is no time"):
        from_json({**to_json(record()), name: text}, "the file")
