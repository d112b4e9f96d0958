"""A tree that is a single file: what lies beside it is nobody's business."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.local_pair import attributes, local_pair
from transship.errors import TransferError
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

MIB = 1 << 20


@pytest.fixture
def pair() -> Iterator[AgentPair]:
    with local_pair() as agents:
        yield agents


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file that is called otherwise on the target, and a neighbour."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "v3.conf").write_text("one")
    (folder / "v3.conf").chmod(0o640)
    (folder / "private").write_text("stays")
    return folder / "v3.conf"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir(mode=0o700)
    (folder / "theirs").write_text("stays too")
    os.utime(folder, ns=(1, 2))
    return folder / "app.conf"


def tree_of(pair: AgentPair, source: Path, target: Path) -> TreeSync:
    return TreeSync(pair, 0, TreePaths("file", str(source), str(target), durable=False, single=True))


@pytest.mark.parametrize("size", [3, 3 * MIB])
def test_only_the_file_arrives_under_its_name_on_the_target(
    pair: AgentPair, source: Path, target: Path, size: int
) -> None:
    before = attributes(target.parent)
    tree = tree_of(pair, source, target)
    tree.open()
    for content in (b"a" * size, b"b" + b"a" * size, b""):
        source.write_bytes(content)
        tree.round(last=True)
        assert target.read_bytes() == content
        assert tree.verify(full=True) == 1
    assert target.stat().st_mode == source.stat().st_mode
    assert target.stat().st_mtime_ns == source.stat().st_mtime_ns
    after = attributes(target.parent)
    del after[b"app.conf"]
    assert after == before


def test_a_round_without_a_change_sends_nothing(pair: AgentPair, source: Path, target: Path) -> None:
    source.write_bytes(bytes(MIB))
    tree = tree_of(pair, source, target)
    tree.open()
    tree.round()
    assert tree.round(last=True).bytes_logical == 0


def test_what_the_target_has_is_a_base_or_in_the_way(pair: AgentPair, source: Path, target: Path) -> None:
    source.write_bytes(os.urandom(MIB))
    target.write_bytes(source.read_bytes()[:-1] + b"x")
    tree = tree_of(pair, source, target)
    tree.open(empty=False)
    assert tree.adopt(contents=True) == 1
    assert tree.round(last=True).bytes_logical < MIB / 2
    assert target.read_bytes() == source.read_bytes()
    with pytest.raises(TransferError, match="is not an empty file"):
        tree_of(pair, source, target).open()


def test_a_file_that_becomes_a_folder_is_refused(pair: AgentPair, source: Path, target: Path) -> None:
    tree = tree_of(pair, source, target)
    tree.open()
    tree.round()
    source.unlink()
    source.mkdir()
    with pytest.raises(TransferError, match="is no file"):
        tree.round()
    assert target.read_text() == "one"
    assert (target.parent / "theirs").read_text() == "stays too"
