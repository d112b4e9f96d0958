"""Rounds over real agents: what arrives, what a round costs, and what happens while the source is written to."""

import os
import shutil
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from itertools import count
from pathlib import Path

import pytest

from tests.agent.local_pair import ROOT, attributes, local_pair, opened
from transship.errors import TransferError
from transship.transfer.relay import AgentPair
from transship.transfer.tree import RoundReport, TreePaths, TreeSync

needs_root = pytest.mark.skipif(not ROOT, reason="owners, devices and trusted attributes need root")
_numbers = count()
KIB = 1 << 10
MIB = 1 << 20


@pytest.fixture(scope="module")
def pair() -> Iterator[AgentPair]:
    with local_pair() as agents:
        yield agents


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.fixture
def tree(pair: AgentPair, source: Path, target: Path) -> TreeSync:
    return opened(pair, source, target, next(_numbers))


def still(tree: TreeSync) -> RoundReport:
    """A round while nobody writes."""
    return tree.round(last=True)


def overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as out:
        out.seek(offset)
        out.write(data)


def test_a_second_round_sends_only_what_changed(tree: TreeSync, source: Path, target: Path) -> None:
    for number in range(50):
        (source / str(number)).write_bytes(os.urandom(1000))
    assert still(tree).files == 51
    assert still(tree).bytes_logical == 0
    (source / "7").write_bytes(b"new")
    (source / "8").unlink()
    report = still(tree)
    assert (report.bytes_logical, report.deleted) == (3, 1)
    assert attributes(target) == attributes(source)


def test_only_changed_blocks_of_a_large_file_cross(tree: TreeSync, source: Path, target: Path) -> None:
    (source / "data").write_bytes(os.urandom(20 * MIB))
    still(tree)
    overwrite(source / "data", 5 * MIB + 100, b"x" * 10)
    overwrite(source / "data", 20 * MIB - 1, b"end and more")
    report = still(tree)
    assert report.bytes_logical == 3 * 4 * KIB - (4 * KIB - 11)
    assert report.bytes_wire < 16 * KIB
    assert attributes(target) == attributes(source)


def test_a_patched_file_keeps_its_inode_and_a_small_one_is_replaced_whole(
    tree: TreeSync, source: Path, target: Path
) -> None:
    (source / "large").write_bytes(os.urandom(MIB))
    (source / "small").write_bytes(b"old")
    still(tree)
    before = (target / "large").stat().st_ino
    with (target / "small").open("rb") as reader:
        overwrite(source / "large", 0, b"changed")
        (source / "small").write_bytes(b"new")
        still(tree)
        assert reader.read() == b"old", "whoever has the old file open sees the old content to its end"
    assert (target / "large").stat().st_ino == before
    assert attributes(target) == attributes(source)


def test_a_file_that_grew_was_cut_and_grew_a_hole_is_patched(tree: TreeSync, source: Path, target: Path) -> None:
    data = source / "data"
    data.write_bytes(os.urandom(2 * MIB))
    still(tree)
    os.truncate(data, MIB)
    os.truncate(data, 3 * MIB)
    report = still(tree)
    assert report.bytes_logical == 0
    assert (target / "data").stat().st_blocks == data.stat().st_blocks
    assert attributes(target) == attributes(source)


def test_a_terabyte_of_holes_stays_holes(tree: TreeSync, source: Path, target: Path) -> None:
    with (source / "huge").open("wb") as out:
        out.truncate(1 << 40)
        out.seek(1 << 39)
        out.write(b"in the middle")
        out.seek((1 << 40) - 3)
        out.write(b"end")
    assert still(tree).bytes_logical < 64 * KIB
    assert tree.verify(full=True) == 2
    overwrite(source / "huge", 1 << 38, b"another")
    still(tree)
    assert (target / "huge").stat().st_blocks <= (source / "huge").stat().st_blocks + 8
    assert attributes(target) == attributes(source)


def test_allocated_zeros_stay_allocated(tree: TreeSync, source: Path, target: Path) -> None:
    (source / "wal").write_bytes(bytes(16 * MIB))
    report = still(tree)
    assert report.bytes_wire < 64 * KIB
    assert (target / "wal").stat().st_blocks * 512 >= 16 * MIB
    assert attributes(target) == attributes(source)


def test_five_gigabytes_with_data_beyond_four(tree: TreeSync, source: Path, target: Path) -> None:
    with (source / "image").open("wb") as out:
        out.write(os.urandom(MIB))
        out.truncate(5 << 30)
        out.seek((5 << 30) - 1)
        out.write(b"!")
    still(tree)
    overwrite(source / "image", (4 << 30) + 5, b"beyond 32 bits")
    assert still(tree).bytes_logical == 4 * KIB
    assert attributes(target) == attributes(source)


def test_hard_links_of_two_rounds_are_one_file(tree: TreeSync, source: Path, target: Path) -> None:
    (source / "b").write_bytes(os.urandom(MIB))
    (source / "folder").mkdir()
    still(tree)
    os.link(source / "b", source / "folder" / "z")
    still(tree)
    assert (target / "b").stat().st_ino == (target / "folder" / "z").stat().st_ino
    os.link(source / "b", source / "a")
    overwrite(source / "a", 9, b"through one name")
    still(tree)
    assert len({(target / name).stat().st_ino for name in ("a", "b", "folder/z")}) == 1
    (source / "a").unlink()
    (source / "b").unlink()
    (source / "b").write_bytes(b"another file")
    still(tree)
    assert attributes(target) == attributes(source)


def test_links_that_part_do_not_write_into_each_other(tree: TreeSync, source: Path, target: Path) -> None:
    content = os.urandom(MIB)
    (source / "a").write_bytes(content)
    os.link(source / "a", source / "b")
    still(tree)
    (source / "b").unlink()
    (source / "b").write_bytes(content)
    overwrite(source / "b", 4096, b"b alone")
    overwrite(source / "a", 8192, b"a alone")
    still(tree)
    assert attributes(target) == attributes(source)


def test_files_become_folders_and_back(tree: TreeSync, source: Path, target: Path) -> None:
    (source / "x" / "y").mkdir(parents=True)
    (source / "x" / "y" / "z").write_text("deep")
    (source / "w").write_text("file")
    still(tree)
    shutil.rmtree(source / "x")
    (source / "x").write_text("now a file")
    (source / "w").unlink()
    (source / "w" / "v").mkdir(parents=True)
    still(tree)
    assert attributes(target) == attributes(source)
    (source / "x").unlink()
    (source / "x" / "y").mkdir(parents=True)
    (source / "w").rename(source / "renamed")
    still(tree)
    assert attributes(target) == attributes(source)


def test_names_of_all_kinds_arrive(tree: TreeSync, source: Path, target: Path) -> None:
    names = [
        b"\xff\xfe",
        b"new\nline",
        b"x" * 255,
        "ü".encode() * 127,
        b"-rf",
        b" ",
        b"*",
        b"\\",
        b"a\x01b",
        b".transship-",
    ]
    (source / "links").mkdir()
    for name in names:
        full = os.fsencode(source) + b"/" + name
        with open(full, "wb") as file:
            file.write(name)
        os.symlink(full, os.fsencode(source) + b"/links/" + name)
    still(tree)
    assert attributes(target) == attributes(source)


def test_paths_beyond_what_one_call_takes_arrive_and_go(tree: TreeSync, source: Path, target: Path) -> None:
    with chdir(source):
        for _ in range(400):
            Path("n" * 200).mkdir()
            os.chdir("n" * 200)
        Path("deepest").write_bytes(b"80,000 bytes of path")
    assert still(tree).files == 402
    assert tree.verify(full=True) == 402
    shutil.rmtree(source / ("n" * 200))
    assert still(tree).deleted == 1
    assert list(target.iterdir()) == []


def test_times_are_kept_to_the_nanosecond_in_folders_too(tree: TreeSync, source: Path, target: Path) -> None:
    (source / "folder").mkdir()
    (source / "folder" / "file").write_text("a")
    os.symlink("nowhere", source / "folder" / "link")
    for number, path in enumerate(("folder/file", "folder/link", "folder", ".")):
        os.utime(source / path, ns=(1, 1_600_000_000_123_456_000 + number), follow_symlinks=False)
    still(tree)
    assert attributes(target) == attributes(source)
    overwrite(source / "folder" / "file", 0, b"in place: the folder's time stays")
    still(tree)
    assert attributes(target) == attributes(source)


@needs_root
def test_attributes_of_all_kinds_arrive(tree: TreeSync, source: Path, target: Path) -> None:
    acl = struct.pack(
        "<I" + "HHI" * 5, 2, 1, 7, 2**32 - 1, 2, 6, 4242, 4, 5, 2**32 - 1, 16, 7, 2**32 - 1, 32, 1, 2**32 - 1
    )
    for name, kind, device in (
        ("fifo", stat.S_IFIFO, 0),
        ("null", stat.S_IFCHR, os.makedev(1, 3)),
        ("disk", stat.S_IFBLK, os.makedev(300, 70_000)),
        ("whiteout", stat.S_IFCHR, 0),
    ):
        os.mknod(source / name, kind | 0o640, device)
    (source / "folder").mkdir()
    os.setxattr(source / "folder", "system.posix_acl_default", acl)
    os.setxattr(source / "folder", "trusted.overlay.opaque", b"y")
    os.chmod(source / "folder", 0o3775)
    (source / "folder" / "plain").write_text("without the folder's ACL")
    os.removexattr(source / "folder" / "plain", "system.posix_acl_access")
    tool = source / "tool"
    tool.write_text("#!")
    os.chown(tool, 4_000_000_000, 12)
    os.chmod(tool, 0o6755)
    os.setxattr(tool, "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
    os.setxattr(tool, "system.posix_acl_access", acl)
    os.setxattr(tool, "user.empty", b"")
    still(tree)
    assert attributes(target) == attributes(source)
    os.removexattr(tool, "user.empty")
    os.removexattr(tool, "system.posix_acl_access")
    os.chmod(tool, 0o4711)
    still(tree)
    assert attributes(target) == attributes(source)
    assert tree.verify() == 8


@needs_root
def test_what_binds_an_overlay_to_its_host_stays_there(tree: TreeSync, source: Path, target: Path) -> None:
    (source / "folder").mkdir()
    os.setxattr(source / "folder", "trusted.overlay.origin", b"a handle")
    os.setxattr(source / "folder", "trusted.overlay.opaque", b"y")
    still(tree)
    assert os.listxattr(target / "folder") == ["trusted.overlay.opaque"]
    tree.verify()


@needs_root
def test_devices_are_refused_where_they_are_not_allowed_but_whiteouts_are_not(
    pair: AgentPair, source: Path, target: Path
) -> None:
    os.mknod(source / "whiteout", stat.S_IFCHR | 0o600, 0)
    with local_pair() as own:
        tree = TreeSync(own, 0, TreePaths("data", str(source), str(target), devices=False, durable=False))
        tree.open()
        still(tree)
        assert attributes(target) == attributes(source)
        os.mknod(source / "zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        with pytest.raises(TransferError, match="zero: is a device, and devices are not allowed"):
            still(tree)
    assert not (target / "zero").exists()


def test_sockets_are_left_out_and_counted(tree: TreeSync, source: Path, target: Path) -> None:
    (source / "first").write_text("later a socket")
    still(tree)
    (source / "first").unlink()
    with chdir(source), socket.socket(socket.AF_UNIX) as listener:
        listener.bind("first")
    assert still(tree).sockets == 1
    assert list(target.iterdir()) == []
    tree.verify()


def test_a_file_that_is_written_all_the_time_is_sent_again(tree: TreeSync, source: Path, target: Path) -> None:
    (source / "log").write_bytes(os.urandom(30 * MIB))
    done = threading.Event()

    def write() -> None:
        with (source / "log").open("r+b") as out:
            number = 0
            while not done.is_set():
                number += 1
                os.pwrite(out.fileno(), b"%d" % number, number * 5000 % (30 * MIB))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(TransferError, match="log changed while the last round read it"):
            still(tree)
        assert tree.round().changed_during == 1
    finally:
        done.set()
        writer.join()
    assert still(tree).changed_during == 0
    tree.verify(full=True)
    assert attributes(target) == attributes(source)


def test_files_that_come_and_go_do_not_stop_a_running_round(tree: TreeSync, source: Path, target: Path) -> None:
    done = threading.Event()

    def churn() -> None:
        number = 0
        while not done.is_set():
            number += 1
            folder = source / f"folder{number % 7}"
            folder.mkdir(exist_ok=True)
            (folder / "file").write_bytes(b"x" * (number % 100_000))
            os.link(folder / "file", folder / f"link{number}")
            if number % 3 == 0:
                shutil.rmtree(source / f"folder{number // 3 % 7}", ignore_errors=True)

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        for _ in range(8):
            tree.round()
    finally:
        done.set()
        writer.join()
    still(tree)
    tree.verify(full=True)
    assert attributes(target) == attributes(source)


@pytest.mark.parametrize("contents", [False, True])
def test_what_the_target_has_already_does_not_cross_again(
    pair: AgentPair, source: Path, target: Path, contents: bool
) -> None:
    for number in range(20):
        (source / str(number)).write_bytes(os.urandom(10_000))
    (source / "large").write_bytes(os.urandom(3 * MIB))
    still(opened(pair, source, target, next(_numbers)))
    overwrite(source / "large", MIB, b"changed")
    (target / "3").unlink()
    (target / "left over").write_text("from before")
    again = opened(pair, source, target, next(_numbers), empty=False)
    assert again.adopt(contents=contents) == 22
    report = still(again)
    assert report.bytes_logical == 10_000 + (4 * KIB if contents else 3 * MIB)
    assert attributes(target) == attributes(source)


def test_with_contents_a_difference_behind_equal_times_is_found(pair: AgentPair, source: Path, target: Path) -> None:
    for name in ("small", "large"):
        (source / name).write_bytes(b"a" * (10 if name == "small" else MIB))
    still(opened(pair, source, target, next(_numbers)))
    for name in ("small", "large"):
        status = (target / name).stat()
        overwrite(target / name, 3, b"BAD")
        os.utime(target / name, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = opened(pair, source, target, next(_numbers), empty=False)
    with pytest.raises(TransferError, match="large is not the same"):
        again.verify(full=True)
    again.adopt(contents=True)
    still(again)
    again.verify(full=True)
    assert attributes(target) == attributes(source)


def test_with_contents_files_with_several_names_are_not_taken_on_trust(
    pair: AgentPair, source: Path, target: Path
) -> None:
    (source / "one").write_bytes(b"a" * MIB)
    os.link(source / "one", source / "two")
    still(opened(pair, source, target, next(_numbers)))
    status = (target / "one").stat()
    overwrite(target / "one", 3, b"BAD")
    os.utime(target / "one", ns=(status.st_atime_ns, status.st_mtime_ns))
    again = opened(pair, source, target, next(_numbers), empty=False)
    again.adopt(contents=True)
    still(again)
    assert attributes(target) == attributes(source)


def _extra(target: Path) -> None:
    (target / "0500 and more").write_text("x")


def _mode(target: Path) -> None:
    (target / "0777").chmod(0o600)


def _last(target: Path) -> None:
    (target / "2999").unlink()


@pytest.mark.parametrize(("spoil", "named"), [(_extra, "0500 and more"), (_mode, "0777"), (_last, "2999")])
def test_the_first_difference_is_named(
    pair: AgentPair, source: Path, target: Path, spoil: Callable[[Path], None], named: str
) -> None:
    for number in range(3000):
        (source / f"{number:04d}").touch()
    tree = opened(pair, source, target, next(_numbers))
    still(tree)
    status = target.stat()
    spoil(target)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(TransferError, match=f"data: {named} is not the same on both hosts"):
        tree.verify()


def test_a_target_that_holds_something_is_refused(source: Path, target: Path) -> None:
    (target / "precious").write_text("data")
    with local_pair() as own, pytest.raises(TransferError, match="is not empty \\(precious is in it\\)") as refused:
        opened(own, source, target)
    assert "base" in refused.value.hint


def test_more_than_was_expected_is_refused(source: Path, target: Path) -> None:
    (source / "file").write_bytes(bytes(100_000))
    (source / "more").write_bytes(os.urandom(100_000))
    with local_pair() as own:
        tree = TreeSync(own, 0, TreePaths("data", str(source), str(target), limit=150_000, durable=False))
        tree.open()
        with pytest.raises(TransferError, match="more than the 150000 bytes that were expected"):
            still(tree)


def test_a_limit_on_the_rate_holds(tree: TreeSync, source: Path) -> None:
    (source / "data").write_bytes(os.urandom(3 * MIB))
    report = tree.round(last=True, rate=4 * MIB)
    assert report.bytes_wire / report.seconds < 5 * MIB


def test_files_that_shrink_when_compressed_cross_small(source: Path, target: Path) -> None:
    (source / "text").write_bytes(b"the same words again and again\n" * 100_000)
    with local_pair() as own:
        report = still(opened(own, source, target))
    assert report.bytes_wire < report.bytes_logical / 20
    assert attributes(target) == attributes(source)


def test_rounds_that_end_on_the_disk_bring_the_same(pair: AgentPair, source: Path, target: Path) -> None:
    tree = TreeSync(pair, next(_numbers), TreePaths("data", str(source), str(target)))
    tree.open()
    (source / "file").write_text("content")
    tree.round()
    tree.round(last=True)
    assert attributes(target) == attributes(source)


def test_closing_the_pair_ends_a_round_that_is_under_way(source: Path, target: Path) -> None:
    (source / "data").write_bytes(os.urandom(8 * MIB))
    with local_pair() as own:
        tree = opened(own, source, target)
        timer = threading.Timer(0.2, own.close)
        timer.start()
        with pytest.raises(TransferError, match="was lost"):
            tree.round(last=True, rate=MIB)
        timer.join()


def test_a_lost_agent_is_an_error_that_says_so(source: Path, target: Path) -> None:
    (source / "data").write_bytes(os.urandom(8 * MIB))
    with local_pair() as own:
        tree = opened(own, source, target)
        timer = threading.Timer(0.2, own.target._process.kill)
        timer.start()
        with pytest.raises(TransferError, match="agent on target was lost"):
            tree.round(last=True, rate=MIB)
        timer.join()


TAMPERING: dict[str, Callable[[Path], object]] = {
    "mode": lambda target: (target / "d/two").chmod(0o600),
    "time": lambda target: os.utime(target / "d/two", ns=(1, 1)),
    "attribute": lambda target: os.setxattr(target / "d/two", "user.x", b"1"),
    "size": lambda target: (target / "d/two").write_bytes(b"longer than before"),
    "gone": lambda target: (target / "d/two").unlink(),
    "new": lambda target: (target / "d/three").touch(),
    "replaced": lambda target: (target / "e").replace(target / "d/two"),
    "first": lambda target: (target / "a").touch(),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_what_changes_after_looking_ahead_is_still_found(tree: TreeSync, source: Path, target: Path, how: str) -> None:
    (source / "d").mkdir()
    for name in ("d/one", "d/two", "e"):
        (source / name).write_bytes(b"content")
    os.link(source / "e", source / "f")
    still(tree)
    wait_a_tick(target / "e")
    tree.look_ahead()
    assert tree.verify() == 6

    TAMPERING[how](target)
    with pytest.raises(TransferError, match="not the same on both hosts"):
        tree.verify()


def test_looking_ahead_and_then_another_round_is_verified(tree: TreeSync, source: Path, target: Path) -> None:
    for name in ("a", "b", "c"):
        (source / name).write_bytes(b"content")
    still(tree)
    tree.look_ahead()
    (source / "b").write_bytes(b"other content")
    (source / "c").unlink()
    (source / "bb").write_bytes(b"new")
    still(tree)
    assert tree.verify() == 4


def wait_a_tick(file: Path) -> None:
    """Until what was written is older than what the agent takes for the clock's resolution."""
    while time.time_ns() - file.stat().st_ctime_ns < 60_000_000:
        threading.Event().wait(0.01)
