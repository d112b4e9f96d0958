import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from transship.agent import blocks, records
from transship.agent.compress import NONE, Chooser
from transship.agent.frames import RECORDS, read
from transship.agent.send import Sender
from transship.agent.spool import Remembered, Spool
from transship.agent.stream import Outgoing, Pace

YEARS_AHEAD_NS = 1 << 62


def one_round(
    root: Path, before: list[Remembered], barrier_ns: int, progress: Callable[[object], None] = lambda _: None
) -> tuple[list[Remembered], list[records.Record]]:
    """What a round remembers, and what it sends."""
    fd = os.open(root, os.O_RDONLY)
    stream = os.memfd_create("stream")
    notes = Spool()
    for each in before:
        notes.append(tuple(each))
    try:
        with Outgoing(stream, RECORDS, Chooser(NONE), Pace(0)) as out:
            sender = Sender(fd, notes, out, barrier_ns)
            sender.run(progress)
        os.lseek(stream, 0, os.SEEK_SET)
        sent: list[records.Record] = []
        while frame := read(lambda limit: os.read(stream, limit)):
            sent += records.parse(frame.payload)
        with closing(sender.spool):
            return [Remembered(*item) for item in sender.spool], sent
    finally:
        notes.close()
        os.close(stream)
        os.close(fd)


def test_what_changed_before_the_round_is_settled(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    kept, sent = one_round(tmp_path, [], YEARS_AHEAD_NS)
    assert [each.settled for each in kept] == [True, True]
    assert one_round(tmp_path, kept, YEARS_AHEAD_NS) == (kept, [])
    assert len(sent) == 2


def test_what_changed_since_the_round_began_is_read_again_whatever_its_times_say(tmp_path: Path) -> None:
    """A change in the same tick of the clock, or through a shared mapping, leaves all times as they were."""
    file = tmp_path / "file"
    file.write_bytes(b"content")
    kept, _ = one_round(tmp_path, [], barrier_ns=0)
    assert [each.settled for each in kept] == [False, False]
    assert one_round(tmp_path, kept, barrier_ns=0)[1] == [], "the same content does not cross twice"
    other = [each._replace(blocks=blocks.of_content(b"CONTENT")) if each.path else each for each in kept]
    _, sent = one_round(tmp_path, other, barrier_ns=0)
    assert [type(each) for each in sent] == [records.Put]


def test_data_is_cut_at_whole_blocks_around_holes(tmp_path: Path) -> None:
    size = 64 << 10
    with (tmp_path / "sparse").open("w+b") as file:
        file.truncate(20 * size)
        for at in (3 * size + 8192, 9 * size + 100, 20 * size - 1):
            os.pwrite(file.fileno(), b"data", at)
        found = list(blocks.chunks(file.fileno(), file.seek(0, os.SEEK_END), size))
    assert all(offset % size == 0 for offset, _ in found)
    assert {offset // size for offset, data in found if data.strip(b"\0")} == {3, 9, 19, 20}


def test_blocks_stay_as_small_as_their_number_allows() -> None:
    assert blocks.block_size(1 << 20) == 4096
    assert blocks.block_size(2 << 30) == 4096
    assert blocks.block_size(20 << 30) == 65536
    assert blocks.block_size(3 << 30, 4096) == 4096, "a file that grew keeps its blocks"
    assert blocks.block_size(100_000, 1 << 30) == 4096, "nobody makes us read a gigabyte at once"
