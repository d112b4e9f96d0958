import os
from functools import partial
from itertools import repeat
from pathlib import Path

import pytest

from tests.agent.local_pair import attributes, local_pair, opened
from transship.agent import ahead, blocks
from transship.agent.forked import Forked

MIB = 1 << 20


@pytest.mark.parametrize("size", [4096, 16 << 10, 8 * MIB])
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_several_processes_give_the_digests_that_one_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    file = tmp_path / "file"
    with file.open("wb") as out:
        out.write(os.urandom(11 * MIB + 5))
        out.truncate(21 * MIB)
        out.seek(30 * MIB - 7)
        out.write(os.urandom(5 * MIB))
    fd = os.open(file, os.O_RDONLY)
    try:
        end = file.stat().st_size
        expected = [
            each for offset, data in blocks.chunks(fd, end, size) for each in blocks.digests(offset, data, size)
        ]
        assert end >= ahead.WORTH
        assert b"".join(packed for _, _, packed in ahead.digested(fd, end, size)) == b"".join(expected)
    finally:
        os.close(fd)


def test_what_a_child_does_not_compute_is_computed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    digests = blocks.digests

    def only_here(offset: int, data: bytes, size: int) -> list[bytes]:
        if os.getpid() != parent and offset >= 16 * MIB:
            raise MemoryError
        return digests(offset, data, size)

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(blocks, "digests", only_here)
    file = tmp_path / "file"
    file.write_bytes(os.urandom(ahead.WORTH))
    fd = os.open(file, os.O_RDONLY)
    try:
        found = list(ahead.digested(fd, ahead.WORTH, 4096))
    finally:
        os.close(fd)
    assert b"".join(packed for _, _, packed in found) == b"".join(digests(0, file.read_bytes(), 4096))


def test_a_child_that_nobody_waits_for_is_ended() -> None:
    child = Forked(partial(repeat, bytes(1000)))
    assert child.take() == bytes(1000)
    child.end()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_large_file_that_changed_grew_and_was_cut_arrives(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    data = source / "data"
    data.write_bytes(os.urandom(40 * MIB))
    with local_pair() as pair:
        tree = opened(pair, source, target)
        tree.round(last=True)
        with data.open("r+b") as out:
            for at in (0, 5 * MIB - 1, 39 * MIB):
                out.seek(at)
                out.write(b"two blocks" if at % 4096 else b"one")
            out.truncate(50 * MIB)
        assert tree.round(last=True).bytes_logical == 4 * 4096
        os.truncate(data, 33 * MIB)
        os.truncate(data, 34 * MIB)
        assert tree.round(last=True).bytes_logical == 0
        tree.verify(full=True)
        again = opened(pair, source, target, 1, empty=False)
        again.adopt(contents=True)
        assert again.round(last=True).files == 0
    assert attributes(target) == attributes(source)
