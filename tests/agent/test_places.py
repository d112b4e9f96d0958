"""What mounted paths are on a host, and how they come and go."""

import os
from pathlib import Path

import pytest

from transship.agent import places
from transship.agent.faults import AgentError


def encoded(*paths: Path) -> list[bytes]:
    return [os.fsencode(path) for path in paths]


def decoded(paths: list[str]) -> list[str]:
    return [os.fsdecode(bytes.fromhex(path)) for path in paths]


def test_a_path_is_seen_as_what_the_kernel_would_mount(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("x")
    (tmp_path / "link").symlink_to("real/file")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    found = places.look(bytes(tmp_path / "link"))
    assert (found["kind"], found["empty"], decoded([found["real"]])) == ("file", False, [str(tmp_path / "real/file")])
    assert places.look(bytes(tmp_path / "real"))["kind"] == "folder"
    assert places.look(bytes(tmp_path / "fifo"))["kind"] == "other"
    dangling = places.look(bytes(tmp_path / "dangling"))
    assert (dangling["kind"], dangling["missing"]) == ("missing", [])


def test_what_is_missing_is_made_and_taken_away_again(tmp_path: Path) -> None:
    wanted = tmp_path / "one/two/file"
    found = places.look(bytes(wanted))
    assert decoded(found["missing"]) == [str(tmp_path / "one"), str(tmp_path / "one/two"), str(wanted)]
    made = [bytes.fromhex(path) for path in found["missing"]]
    assert places.provide(made, "file") == b""
    assert wanted.read_bytes() == b""
    wanted.write_text("arrived")
    places.discard(made)
    assert list(tmp_path.iterdir()) == []
    places.discard(made)


def test_what_others_put_beside_it_stays(tmp_path: Path) -> None:
    made = encoded(tmp_path / "one", tmp_path / "one/two")
    places.provide(made, "folder")
    (tmp_path / "one/two/inside").mkdir()
    (tmp_path / "one/theirs").write_text("kept")
    places.discard(made)
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["theirs"]


def test_what_somebody_else_has_just_made_is_theirs(tmp_path: Path) -> None:
    (tmp_path / "one/two").mkdir(parents=True)
    (tmp_path / "one/two/theirs").write_text("kept")
    made = encoded(tmp_path / "new", tmp_path / "one/two")
    assert places.provide(made, "folder") == made[-1]
    assert (tmp_path / "one/two/theirs").read_text() == "kept"
    assert not (tmp_path / "new").exists()


def test_where_not_all_can_be_made_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="File name too long"):
        places.provide(encoded(tmp_path / "one", tmp_path / "one" / ("x" * 300)), "folder")
    assert list(tmp_path.iterdir()) == []


def test_what_was_empty_is_empty_again(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir(mode=0o711)
    file.touch(mode=0o604)
    for path in (folder, file):
        owner = places.look(bytes(path))["owner"]
        if path is folder:
            (folder / "sub").mkdir()
        else:
            file.write_text("arrived")
        path.chmod(0o700)
        places.empty(bytes(path), owner)
        assert places.look(bytes(path))["owner"] == owner
        assert places.look(bytes(path))["empty"]
