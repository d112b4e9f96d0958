"""Whatever a sender sends, nothing outside of the tree is touched, and what no sender sends is refused."""

import os
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.local_pair import ROOT, attributes, start_agent
from transship.agent import compress, entry, frames, records
from transship.agent.entry import CHARACTER, DIRECTORY, FIFO, FILE, LINK, SYMLINK, Entry
from transship.agent.faults import AgentError, ProtocolError
from transship.agent.known import Adoption
from transship.agent.receive import Receiver
from transship.errors import TransferError

OPENED = records.open_file(entry.encode(Entry(b"a", FILE, size=4)), patch=False)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A tree to write to, beside things that must stay as they are."""
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("untouched")
    (tmp_path / "tree" / "way out").symlink_to(tmp_path / "outside")
    (tmp_path / "tree" / "name of secret").symlink_to("../outside/secret")
    before = attributes(tmp_path / "outside")
    fd = os.open(tmp_path / "tree", os.O_RDONLY)
    yield fd
    os.close(fd)
    assert attributes(tmp_path / "outside") == before
    assert sorted(os.listdir(tmp_path)) == ["outside", "tree"]


def receive(root: int, *parts: bytes, devices: bool = False) -> None:
    receiver = Receiver(root, devices=devices)
    try:
        for record in records.parse(b"".join(parts)):
            receiver.apply(record)
        receiver.finish()
    finally:
        receiver.close()


def put(path: bytes, kind: int, content: bytes = b"", target: bytes = b"", rdev: int = 0) -> bytes:
    made = Entry(path, kind, mode=0o644, uid=os.getuid(), gid=os.getgid(), size=len(content), target=target, rdev=rdev)
    return records.put(entry.encode(made), content)


@pytest.mark.parametrize(
    "path",
    [
        b"..",
        b"../outside/secret",
        b"inner\0..\0..\0outside\0evil",
        b"/etc/passwd",
        b"\0etc",
        b"inner\0\0x",
        b".",
        b"a/b",
        b"x" * 256,
    ],
)
def test_paths_that_are_none_inside_the_tree_are_refused(root: int, path: bytes) -> None:
    made = [put(path, kind, target=b"x") for kind in (FILE, DIRECTORY, SYMLINK)]
    for record in (*made, records.delete(path)):
        with pytest.raises(ProtocolError):
            receive(root, record)
    with pytest.raises(ProtocolError):
        receive(root, put(b"link", LINK, target=path))


@pytest.mark.parametrize("inside", [b"way out\0secret", b"way out\0new"])
def test_no_symlink_on_the_way_is_followed(root: int, inside: bytes) -> None:
    for parts in (
        [put(inside, FILE, b"evil")],
        [put(inside, DIRECTORY)],
        [records.delete(inside)],
        [records.open_file(entry.encode(Entry(inside, FILE, size=9)), patch=False)],
        [put(b"link", LINK, target=inside)],
    ):
        with pytest.raises(AgentError):
            receive(root, *parts)


def test_a_symlink_in_the_place_of_a_file_is_replaced_and_not_written_through(root: int) -> None:
    receive(root, put(b"name of secret", FILE, b"evil"))
    assert stat.S_ISREG(os.stat("name of secret", dir_fd=root, follow_symlinks=False).st_mode)
    receive(root, put(b"way out", DIRECTORY))
    assert stat.S_ISDIR(os.stat("way out", dir_fd=root, follow_symlinks=False).st_mode)


def test_a_patch_of_a_symlink_or_a_pipe_is_refused(root: int) -> None:
    os.mkfifo("fifo", dir_fd=root)
    for name in (b"name of secret", b"fifo", b"inner", b"not there"):
        opened = records.open_file(entry.encode(Entry(name, FILE, size=9)), patch=True)
        with pytest.raises(AgentError):
            receive(root, opened, records.data(0, 4), b"evil", records.close(9))


def test_deleting_a_symlink_leaves_what_it_points_to(root: int) -> None:
    receive(root, records.delete(b"way out"))
    assert "way out" not in os.listdir(root)


@pytest.mark.parametrize(
    "parts",
    [
        [records.data(0, 4), b"data"],
        [records.close(4)],
        [OPENED, put(b"b", FILE)],
        [OPENED, records.delete(b"inner")],
        [OPENED, records.data(1, 4), b"data"],
        [OPENED, records.blank(0, 1 << 62, hole=False)],
        [OPENED, records.data(1 << 63, 4), b"data"],
        [OPENED],
        [records.open_file(entry.encode(Entry(b"a", DIRECTORY)), patch=False)],
        [records.open_file(entry.encode(Entry(b"", FILE)), patch=False)],
        [put(b"", FILE)],
        [put(b"a", 0)],
        [put(b"a", 8)],
        [records.delete(b"")],
        [records.known(records.Known(b"a", bytes(16), 0, b""))],
        [b"\xff"],
        [put(b"a", FILE, b"content")[:-1]],
        [put(b"link", LINK, target=b"inner")],
        [records.put(entry.encode(Entry(b"a", FIFO, mode=0o10_0000)), b"")],
        [records.put(entry.encode(Entry(b"a", FIFO, xattrs=(("security.selinux", b"x"),))), b"")],
        [records.put(entry.encode(Entry(b"a", FIFO, xattrs=(("", b"x"),))), b"")],
    ],
)  # fmt: skip
def test_records_that_no_sender_sends_are_refused(root: int, parts: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        receive(root, *parts)
    assert not any(name.startswith(".transship") for name in os.listdir(root))


def test_an_unfinished_file_leaves_the_old_one_and_nothing_beside_it(root: int, tmp_path: Path) -> None:
    (tmp_path / "tree" / "file").write_text("old")
    before = os.listdir(root)
    with pytest.raises(ProtocolError, match="ends inside"):
        receive(
            root,
            records.open_file(entry.encode(Entry(b"file", FILE, size=4)), patch=False),
            records.data(0, 4),
            b"data",
        )
    assert os.listdir(root) == before
    assert (tmp_path / "tree" / "file").read_text() == "old"


@pytest.mark.skipif(not ROOT, reason="devices need root")
def test_devices_need_permission(root: int) -> None:
    with pytest.raises(AgentError, match="devices are not allowed"):
        receive(root, put(b"null", CHARACTER, rdev=1 << 32 | 3))
    receive(root, put(b"whiteout", CHARACTER))
    receive(root, put(b"null", CHARACTER, rdev=1 << 32 | 3), devices=True)


@pytest.mark.parametrize("codec", [compress.ZLIB, compress.ZSTD])
def test_a_small_frame_cannot_become_a_large_one(codec: int) -> None:
    bomb = compress.compress(codec, bytes(50 << 20))
    with pytest.raises(ProtocolError, match="more than a frame may hold"):
        compress.decompress(codec, bomb)


@pytest.mark.parametrize("codec", [compress.ZLIB, compress.ZSTD, 9])
def test_what_cannot_be_decompressed_is_refused(codec: int) -> None:
    with pytest.raises(ProtocolError):
        compress.decompress(codec, b"\x00no such thing")


@pytest.mark.parametrize("codec", compress.available())
def test_payloads_survive_compression(codec: int) -> None:
    data = os.urandom(1000) + bytes(frames.MAX_PAYLOAD - 1000)
    assert compress.decompress(codec, compress.compress(codec, data)) == data


@pytest.mark.parametrize(
    "told",
    [
        [records.Known(b"b", bytes(16), 0, b""), records.Known(b"a", bytes(16), 0, b"")],
        [records.Known(b"a", bytes(16), 0, b""), records.Known(b"a", bytes(16), 0, b"")],
        [records.More(b"x")],
        [records.Delete(b"a")],
        [records.End(5)],
        [records.Known(b"a", bytes(16), 4096, b"")] + [records.More(bytes(1 << 20))] * 60,
    ],
)
def test_a_target_that_tells_nonsense_is_refused(told: list[records.Record]) -> None:
    adoption = Adoption()
    with closing(adoption.spool), pytest.raises(ProtocolError):
        adoption.take(told)


def test_a_stream_that_ends_or_never_began_ends_the_agent_with_a_sentence(tmp_path: Path) -> None:
    for sent, sentence in (
        (b"", "ends before its last record"),
        (frames.encode(frames.Frame(frames.RECORDS, 0, put(b"..", FILE))), "not a path inside the tree"),
        (frames.encode(frames.Frame(frames.RECORDS, 0, b"x"))[:-1] + b"y", "checksum"),
        (frames.encode(frames.Frame(frames.RECORDS, 0, records.end(7))), "records were lost"),
        (frames.encode(frames.Frame(frames.STATE, 0, b"")), "no request had announced"),
        (b"GET / HTTP/1.0\r\n\r\n", "where a frame should begin"),
    ):
        with start_agent("target") as agent:
            agent.call("open", tree=0, path=os.fsencode(tmp_path).hex())
            agent.request("receive", tree=0, devices=0, limit=0, sync=0)
            agent.write(sent)
            agent._stdin.close()
            with pytest.raises(TransferError, match=sentence):
                agent.reply()


@pytest.mark.parametrize("words", [{"do": "format"}, {"do": "send"}, {"do": "window", "tree": 5, "window": 0}])
def test_requests_that_are_none_end_the_agent_with_a_sentence(words: dict[str, str]) -> None:
    with start_agent("target") as agent, pytest.raises(TransferError, match=r"a request lacks|no request"):
        agent.call(**words)


_NAMES = st.sampled_from([b"a", b"b", b"inner", b"way out", b"name of secret", b"..", b".", b"", b"secret", b"/"])
_PATHS = st.lists(_NAMES, max_size=3).map(b"\0".join)
_XATTRS = st.sampled_from(["user.a", "security.capability", "nonsense"])
_CONTENTS = st.binary(max_size=9)
_SIZES = st.integers(0, 20)
_ENTRIES = st.builds(
    Entry,
    _PATHS,
    st.integers(0, 9),
    st.integers(0, 0o7777),
    st.just(os.getuid()),
    st.just(os.getgid()),
    st.integers(-(2**62), 2**62),
    st.integers(0, 2**40),
    st.integers(0, 10),
    st.one_of(_PATHS, st.just(b"../outside")),
    st.lists(st.tuples(_XATTRS, _CONTENTS), max_size=2).map(tuple),
)
_RECORDS = st.one_of(
    st.builds(lambda made, data: records.put(entry.encode(made._replace(size=len(data))), data), _ENTRIES, _CONTENTS),
    st.builds(lambda made, patch: records.open_file(entry.encode(made), patch=patch), _ENTRIES, st.booleans()),
    st.builds(lambda at, data: records.data(at, len(data)) + data, st.integers(0, 2**64 - 1), _CONTENTS),
    st.builds(lambda at, size, hole: records.blank(at, size, hole=hole), _SIZES, _SIZES, st.booleans()),
    st.builds(records.close, st.integers(0, 30)),
    st.builds(records.delete, _PATHS),
    st.binary(max_size=20),
)  # fmt: skip


@settings(
    max_examples=2500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(_RECORDS, max_size=8).map(b"".join))
def test_random_records_touch_nothing_outside_and_raise_no_other_error(root: int, stream: bytes) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with suppress(AgentError):
        receive(root, stream)
    assert len(os.listdir("/proc/self/fd")) == descriptors


@settings(max_examples=2500, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 20), st.integers(0, 255))
def test_random_bytes_and_damaged_records_are_parsed_or_refused(noise: bytes, position: int, value: int) -> None:
    damaged = bytearray(put(b"inner\0file", FILE, b"content"))
    damaged[position % len(damaged)] = value
    for stream in (noise, bytes(damaged), bytes(damaged) + noise):
        with suppress(ProtocolError):
            list(records.parse(stream))
