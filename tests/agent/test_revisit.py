import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.agent.local_pair import attributes, local_pair, opened
from transship.agent import revisit, sift
from transship.agent.revisit import Revisit
from transship.agent.sift import Differences
from transship.agent.spool import Spool, signature
from transship.agent.walk import walk


def is_same(note: tuple[object, ...], status: os.stat_result) -> bool:
    return note[1] == signature(status)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    for path in ("a/1", "a/2", "b/c/1", "b/c/2", "b/d", "e"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("content")
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def notes(root: int) -> Iterator[Spool]:
    """What the tree holds before a test changes it."""
    with closing(Spool()) as made:
        for found in walk(root, lambda path: pytest.fail(repr(path))):
            made.append((found.path, signature(found.status)))
        yield made


def visits(root: int, notes: Spool) -> tuple[set[str], set[str], set[str]]:
    """The paths that were looked at, that are gone, and that were taken to be as they were; in order, each once."""
    seen = []
    kinds: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    for note, found, gone in Revisit(root, notes, is_same, lambda _: None, None):
        path = found.path if found else (note or (b"",))[0]
        seen.append(path)
        kinds[0 if found else 1 if gone else 2].add(path.replace(b"\0", b"/").decode())
    assert seen == sorted(set(seen))
    return kinds


def test_only_what_differs_is_looked_at(root: int, notes: Spool, tmp_path: Path) -> None:
    (tmp_path / "b/c/1").write_text("other content")
    (tmp_path / "a/1").unlink()
    (tmp_path / "a/3").write_text("new")
    assert visits(root, notes) == ({"a", "a/3", "b/c/1"}, {"a/1"}, {"", "a/2", "b", "b/c", "b/c/2", "b/d", "e"})


def test_a_folder_that_became_another_one_is_looked_at_whole(root: int, notes: Spool, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "b")
    (tmp_path / "b/c/3").mkdir(parents=True)
    (tmp_path / "a").rename(tmp_path / "z")
    assert visits(root, notes) == (
        {"", "b", "b/c", "b/c/3", "z", "z/1", "z/2"},
        {"a", "a/1", "a/2", "b/c/1", "b/c/2", "b/d"},
        {"e"},
    )


def test_where_too_much_differs_everything_is_walked(
    root: int, notes: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sift, "_MOST_BYTES", 150)
    (tmp_path / "a/1").unlink()
    (tmp_path / "b/d").chmod(0o600)
    assert visits(root, notes) == ({"a", "b/d"}, {"a/1"}, {"", "a/2", "b", "b/c", "b/c/1", "b/c/2", "e"})


def test_what_goes_after_the_comparison_takes_all_that_it_held_along(
    root: int, notes: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisit, "sift", lambda *_: Differences([b"", b"b"], []))
    shutil.rmtree(tmp_path / "a")
    shutil.rmtree(tmp_path / "b/c")
    (tmp_path / "b/c").write_text("now a file")
    assert visits(root, notes) == ({"", "b", "b/c"}, {"a", "a/1", "a/2", "b/c/1", "b/c/2"}, {"b/d", "e"})


def test_a_process_that_fails_leaves_everything_to_the_walk(root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()

    def fails_in_a_child(_note: object, _status: object) -> bool:
        if os.getpid() != parent:
            raise MemoryError
        return True

    monkeypatch.setattr(sift, "_WORTH_A_PROCESS", 1000)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    with closing(Spool()) as notes:
        for _ in range(2000):
            notes.append((b"e", ()))
        assert sift.sift(root, notes, fails_in_a_child) is None


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    target.mkdir()
    for number in range(12_000):
        folder = source / f"{number // 300:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05d}").touch()
    with local_pair() as pair:
        tree = opened(pair, source, target)
        tree.round(last=True)
        tree.look_ahead()
        for number in range(0, 12_000, 1000):
            (source / f"{number // 300:02d}" / f"{number:05d}").write_text("changed")
            (source / f"{number // 300:02d}" / f"{number + 1:05d}").unlink()
        shutil.rmtree(source / "39")
        (source / "20").rename(source / "renamed")
        report = tree.round(last=True)
        assert report.bytes_logical == 12 * len("changed")
        assert report.deleted == 11 + 2
        assert tree.verify() == 1 + 39 + 12_000 - 300 - 12
    assert attributes(target) == attributes(source)
