"""Memory images: split by what can come later, carried whole, kept from others, and wiped."""

import os
import struct
from pathlib import Path

import pytest

from transship.agent import memory_folder
from transship.agent.criu_images import Split, split
from transship.agent.criu_timers import wind_up
from transship.agent.faults import AgentError, ProtocolError
from transship.agent.memory_stream import receive, send

PAGE = 4096
LAZY, PRESENT = 0x2, 0x4
MAGICS = b"\x19\x43\x56\x54\x25\x40\x08\x56"


def message(*fields: tuple[int, int]) -> bytes:
    """A protobuf message of small numbers, with its length before it."""
    body = b"".join(bytes([number << 3, value]) for number, value in fields)
    return struct.pack("<I", len(body)) + body


def process(folder: Path, *runs: tuple[int, int]) -> None:
    """The images of one process: runs of pages, each its number and its flags; a page is full of its position."""
    entries = [message((1, at), (2, count), (4, flags)) for at, (count, flags) in enumerate(runs)]
    (folder / "pagemap-1.img").write_bytes(MAGICS + message((1, 1)) + b"".join(entries))
    held = sum(count for count, flags in runs if flags & PRESENT)
    (folder / "pages-1.img").write_bytes(b"".join(bytes([at]) * PAGE for at in range(held)))


@pytest.fixture
def full(tmp_path: Path) -> Path:
    (tmp_path / "full").mkdir()
    (tmp_path / "small").mkdir()
    return tmp_path / "full"


def test_pages_that_can_come_later_are_named_and_not_held(full: Path) -> None:
    small = full.with_name("small")
    process(full, (1, PRESENT), (2, PRESENT | LAZY), (1, PRESENT), (3, LAZY))
    (full / "core-1.img").write_bytes(b"registers")
    assert split(str(full), str(small)) == Split(lazy=2 * PAGE, eager=2 * PAGE)
    assert (small / "pages-1.img").read_bytes() == b"\0" * PAGE + b"\3" * PAGE
    flags = [(1, PRESENT), (2, LAZY), (1, PRESENT), (3, LAZY)]
    expected = b"".join(message((1, at), (2, count), (4, flag)) for at, (count, flag) in enumerate(flags))
    assert (small / "pagemap-1.img").read_bytes() == MAGICS + message((1, 1)) + expected
    assert (small / "core-1.img").read_bytes() == b"registers"


def test_images_without_such_pages_stay_as_they_are(full: Path) -> None:
    small = full.with_name("small")
    process(full, (2, PRESENT), (3, LAZY))
    split(str(full), str(small))
    for name in ("pagemap-1.img", "pages-1.img"):
        assert (small / name).read_bytes() == (full / name).read_bytes()


def test_a_map_that_does_not_fit_its_pages_is_refused(full: Path) -> None:
    process(full, (2, PRESENT))
    (full / "pages-1.img").write_bytes(bytes(3 * PAGE))
    with pytest.raises(AgentError, match="do not fit together"):
        split(str(full), str(full.with_name("small")))


class Sent:
    """What `send` writes, in pieces."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def add(self, record: bytes, content: bytes = b"") -> None:
        self.parts.append(record + content)


def test_images_arrive_as_they_left(full: Path) -> None:
    (full / "empty.img").touch()
    (full / "large.img").write_bytes(os.urandom((1 << 20) + 1))
    out, arrived = Sent(), full.with_name("small")
    assert send(str(full), out) == (1 << 20) + 1  # type: ignore[arg-type]
    stream = b"".join(out.parts)
    assert receive(str(arrived), (stream[at : at + 1000] for at in range(0, len(stream), 1000))) == (1 << 20) + 1
    for name in ("empty.img", "large.img"):
        assert (arrived / name).read_bytes() == (full / name).read_bytes()


@pytest.mark.parametrize("name", [b"..", b".", b"a/b", b"a\0b"])
def test_no_image_is_written_outside_of_its_folder(full: Path, name: bytes) -> None:
    with pytest.raises(ProtocolError, match="is called"):
        receive(str(full), [struct.pack(">HQ", len(name), 1) + name + b"x"])
    assert list(full.iterdir()) == []


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in memory that stands for the host's."""
    shared = Path("/dev/shm")  # noqa: S108
    if not os.access(shared, os.W_OK):
        pytest.skip("needs a file system in memory at /dev/shm")
    place = shared / f"transship-test-{os.getpid()}"
    monkeypatch.setattr(memory_folder, "ROOT", str(place))
    return place


def test_a_folder_is_for_its_owner_alone_and_gone_with_it(root: Path) -> None:
    folder = memory_folder.MemoryFolder("0badcafe", 1)
    assert Path(folder.path).stat().st_mode & 0o777 == 0o700
    Path(folder.part("images"), "pages-1.img").write_bytes(b"secret")
    assert memory_folder.images("0badcafe") == "held"
    other = memory_folder.MemoryFolder("deadbeef", 1)  # it sweeps, and what is held stays
    assert sorted(each.name for each in root.iterdir()) == ["0badcafe", "deadbeef"]
    memory_folder.remove_tree(folder.part("images"))
    assert memory_folder.images("0badcafe") == "gone"
    folder.give_up()
    assert [each.name for each in root.iterdir()] == ["deadbeef"]
    other.give_up()
    root.rmdir()


def test_what_a_killed_owner_left_is_swept(root: Path) -> None:
    (root / "0badcafe" / "images").mkdir(parents=True)
    (root / "0badcafe" / "images" / "pages-1.img").write_bytes(b"secret")
    assert memory_folder.images("0badcafe") == "left"
    memory_folder.sweep()
    assert memory_folder.images("0badcafe") == "gone"
    assert list(root.iterdir()) == []
    root.rmdir()


def test_more_than_there_is_room_for_is_refused(root: Path) -> None:
    with pytest.raises(AgentError, match="memory images need"):
        memory_folder.MemoryFolder("0badcafe", 1 << 60)
    root.rmdir()


def test_a_name_that_leads_elsewhere_is_refused(root: Path) -> None:
    with pytest.raises(ProtocolError, match="no name of a folder"):
        memory_folder.MemoryFolder("../etc", 1)


def nested(number: int, *fields: tuple[int, int]) -> bytes:
    """A field that is a message."""
    body = message(*fields)[4:]
    return bytes([number << 3 | 2, len(body)]) + body


def file_entry(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("value", "interval", "restored"),
    [((0, 0), (0, 100), (0, 100)), ((0, 0), (5, 0), (5, 0)), ((0, 7), (0, 100), (0, 7)), ((0, 0), (0, 0), (0, 0))],
    ids=["gone off", "gone off, slow", "under way", "not set"],
)
def test_a_periodic_timer_that_has_gone_off_goes_on(
    full: Path, value: tuple[int, int], interval: tuple[int, int], restored: tuple[int, int]
) -> None:
    def timer(until: tuple[int, int]) -> bytes:
        times = ((7, until[0]), (8, until[1]), (9, interval[0]), (10, interval[1]))
        held = nested(3, (1, 1)) + message((4, 1), (5, 1), (6, 0), *times)[4:]
        body = message((1, 3), (2, 2))[4:] + held
        return file_entry(message((1, 17), (2, 3))[4:], bytes([12 << 3 | 2, len(body)]) + body)

    other = file_entry(message((1, 1), (2, 4))[4:], nested(3, (1, 4)))
    (full / "files.img").write_bytes(MAGICS + other + timer(value) + other)
    assert wind_up(str(full)) == (value != restored)
    assert (full / "files.img").read_bytes() == MAGICS + other + timer(restored) + other


def test_files_that_are_cut_short_are_refused(full: Path) -> None:
    for cut in (file_entry(message((1, 1))[4:])[:-1], file_entry(b"\x62\x09"), file_entry(b"\x08\x80")):
        (full / "files.img").write_bytes(MAGICS + cut)
        with pytest.raises(AgentError):
            wind_up(str(full))
