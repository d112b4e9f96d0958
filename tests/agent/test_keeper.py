"""A keeper on this machine, in folders of the test: its requests, locks and files. Real losses are in tests/hosts."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.migrations import RECORD, a_record
from transship.agent import abandoned, control, docker_api, migration_record
from transship.agent.faults import AgentError
from transship.agent.holding import LockedError, Locks
from transship.agent.keeper import Keeper
from transship.agent.record_files import RecordFiles
from transship.hosts.base import Json
from transship.plan.record import STAGES

TERMS = {"side": "source", "locks": ["volume:data"], "lease": 5.0, "patience": 0.0}


@pytest.fixture(autouse=True)
def hangup() -> Iterator[None]:
    """A keeper on duty ignores it."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


class Desk:
    """A keeper, and what it is asked with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reading, self.writing = os.pipe()
        self.locks, self.files = Locks(str(folder / "run" / "locks")), RecordFiles(str(folder / "records"))
        self.keeper = Keeper(self.reading, self.locks, self.files)

    def ask(self, do: str, **fields: Any) -> Json:
        answer: Json = self.keeper.requests[do]({"do": do, **fields})
        json.dumps(answer)
        return answer

    def guard(self, **record: Any) -> None:
        assert "error" not in self.ask("guard", record=a_record(**record), **TERMS)

    def file(self, name: str = f"{RECORD.id}.json") -> Path:
        return self.folder / "records" / name

    def close(self) -> None:
        for fd in (self.reading, self.writing):
            os.close(fd)
        self.locks.drop()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_the_stages_are_those_of_the_record() -> None:
    assert migration_record.STAGES == STAGES


def test_what_is_on_duty_is_on_disk(desk: Desk) -> None:
    desk.guard()
    assert json.loads(desk.file().read_text()) == json.loads(json.dumps(a_record()))
    assert desk.ask("write", record=a_record(stage="fenced")) == {"patience": 5.0}
    assert json.loads(desk.file().read_text())["stage"] == "fenced"
    assert desk.ask("beat", lease=7.0) == {"patience": 7.0}
    assert desk.ask("end", outcome="moved", detail="") == {}
    assert not desk.keeper.on_duty
    assert "not on duty" in desk.ask("beat", lease=5.0)["error"]
    assert desk.file().stat().st_mode & 0o777 == 0o600
    assert desk.file().parent.stat().st_mode & 0o777 == 0o700
    assert list((desk.folder / "run" / "locks").iterdir()) == []


def test_who_slept_while_it_was_ended_cannot_take_it_up_again(desk: Desk) -> None:
    desk.guard()
    desk.ask("end", outcome="moved", detail="")
    answer = desk.ask("guard", record=a_record(stage="released"), **TERMS)
    assert answer["code"] == "EENDED"
    assert json.loads(desk.file().read_text())["stage"] == "ended"
    assert list((desk.folder / "run" / "locks").iterdir()) == []
    desk.guard(stage="ended")


def test_a_record_that_cannot_be_read_is_written_anew(desk: Desk) -> None:
    desk.guard()
    desk.ask("end", outcome="moved", detail="")
    desk.file().write_text("noise")
    desk.guard()
    assert json.loads(desk.file().read_text())["stage"] == "preparing"


REFUSED: list[tuple[str, Any]] = [
    ("id", "../x"),
    ("id", ""),
    ("id", "a" * 65),
    ("id", None),
    ("container_id", "web"),
    ("container_id", "a" * 63 + "/"),
    ("container_id", "a" * 64 + "\n"),
    ("made", {"container": "../../containers/other"}),
    ("made", None),
    ("retired_name", "x?y=z"),
    ("retired_name", "x y"),
    ("memory", "some"),
    ("memory", "copied"),  # with an id that is no name of a folder
    ("restart_policy", {"Name": "sometimes"}),
    ("restart_policy", {"Name": ["no"]}),
    ("restart_policy", {"Name": "on-failure", "MaximumRetryCount": -1}),
    ("restart_policy", {"Name": "on-failure", "MaximumRetryCount": True}),
    ("stage", "asleep"),
    ("stage", []),
    ("running", "yes"),
    ("running", 1),
    ("source", {"daemon": 5}),
    ("coordinator", "x" * 5000),
    ("detail", "x" * 300_000),
]


@pytest.mark.parametrize(
    ("name", "value"), REFUSED, ids=[f"{name}-{number}" for number, (name, _) in enumerate(REFUSED)]
)
def test_a_record_of_another_form_is_refused_and_nothing_is_held(desk: Desk, name: str, value: Any) -> None:
    answer = desk.ask("guard", record={**a_record(), name: value}, **TERMS)
    assert answer["code"] == "ERECORD"
    assert "\n" not in answer["error"]
    assert not desk.keeper.on_duty
    assert not desk.file().parent.exists() or list(desk.file().parent.iterdir()) == []
    desk.guard()
    before = desk.file().read_text()
    assert "error" in desk.ask("write", record={**a_record(), name: value})
    assert desk.file().read_text() == before
    assert desk.keeper.on_duty


@pytest.mark.parametrize(
    "change",
    [
        {"side": "middle"},
        {"locks": "all"},
        {"locks": [5]},
        {"locks": [""]},
        {"locks": ["x"] * 2000},
        {"lease": 0},
        {"lease": "long"},
        {"lease": True},
        {"patience": None},
        {"record": []},
    ],
    ids="-".join,
)
def test_terms_that_cannot_be_are_refused(desk: Desk, change: Json) -> None:
    answer = desk.ask("guard", **{"record": a_record(), **TERMS, **change})
    assert set(answer) == {"error", "code"}
    assert not desk.keeper.on_duty


def test_requests_without_their_words_are_refused(desk: Desk) -> None:
    desk.guard()
    for do in ("guard", "write", "beat", "records", "forget", "end"):
        assert set(desk.ask(do)) == {"error", "code"}
    assert desk.keeper.on_duty


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.text(max_size=5), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(a_record())), JSON, min_size=1))
def test_no_record_brings_the_reader_down(changes: Json) -> None:
    with suppress(AgentError):
        assert migration_record.read({**a_record(), **changes}).stage in STAGES


@given(JSON)
def test_json_of_all_kinds_is_read_as_it_was_written(value: Any) -> None:
    assert control.parse(control.dumps(value).encode()) == value
    assert control.parse(json.dumps(value, indent=2, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[1,]",
        '{"a":1,}',
        '{"a"}',
        "{1:2}",
        "[1 2]",
        "nul",
        "1 2",
        "'a'",
        "b'a'",
        "(1,)",
        "1e999",
        "9" * 500,
        '"\\x41"',
        '"a\nb"',
        "[" * 100_000,
        "{}{}",
        "NaN",
        '"\\ud800',
    ],
    ids=range(20),
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(AgentError):
        control.parse(text.encode())


def test_an_escaped_character_beyond_the_first_plane_is_one() -> None:
    assert control.parse(b'"\\ud83d\\ude00\\/"') == "\U0001f600/"


def test_a_full_disk_refuses_and_the_duty_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.guard()

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert desk.ask("write", record=a_record(stage="fenced"))["code"] == "ENOSPC"
    assert [each.name for each in desk.file().parent.iterdir()] == [f"{RECORD.id}.json"]
    assert desk.ask("beat", lease=5.0) == {"patience": 60.0}


def test_a_lease_is_over_when_nothing_came(desk: Desk) -> None:
    desk.ask("guard", record=a_record(stage="fenced"), **{**TERMS, "lease": 0.2})
    os.write(desk.writing, b"x")
    assert desk.keeper.read(10) == b"x"
    assert desk.keeper.read(10) == b""


def test_what_came_in_time_is_read_however_late(desk: Desk) -> None:
    desk.ask("guard", record=a_record(stage="fenced"), **{**TERMS, "lease": 0.01})
    os.write(desk.writing, b"x")
    threading.Event().wait(0.05)
    assert desk.keeper.read(10) == b"x"


def test_a_keeper_that_is_left_before_anything_was_done_does_nothing(desk: Desk) -> None:
    desk.guard()
    desk.keeper.leave()
    assert json.loads(desk.file().read_text())["stage"] == "preparing"
    assert list((desk.folder / "run" / "locks").iterdir()) == []


@pytest.mark.parametrize("stage", ["fenced", "stopping", "released"])
def test_a_keeper_whose_docker_never_answers_gives_up_and_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{desk.folder}/no.sock")
    monkeypatch.setattr(abandoned, "PATIENCE_S", 0.2)
    desk.guard(stage=stage)
    desk.keeper.leave()
    left = json.loads(desk.file().read_text())
    assert left["stage"] == stage
    assert "Docker does not answer at" in left["detail"]
    assert list((desk.folder / "run" / "locks").iterdir()) == []


# locks

HOLD = """
import sys
sys.path.insert(0, sys.argv[1])
from transship.agent.holding import Locks
locks = Locks(sys.argv[2])
locks.take(sys.argv[3:], {"id": "first", "container": "web\\n"}, 0.0)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(folder: Path, *names: str) -> Iterator["subprocess.Popen[str]"]:
    source = str(Path(docker_api.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, source, str(folder), *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_all_locks_are_taken_or_none(tmp_path: Path) -> None:
    locks = Locks(str(tmp_path / "run" / "locks"))
    with held_by_another(tmp_path / "run" / "locks", "b") as other:
        with pytest.raises(LockedError) as refused:
            locks.take(["a", "b", "c"], {}, 0.0)
        assert (refused.value.name, refused.value.holder) == ("b", {"id": "first", "container": "web?"})
        assert locks.held_elsewhere("b")
        assert not any(locks.held_elsewhere(name) for name in "ac")
        Locks(str(tmp_path / "run" / "locks")).take(["a", "c"], {}, 0.0)
        other.kill()
        other.wait()
        assert not locks.held_elsewhere("b")
        locks.take(["b"], {}, 0.0)
        assert not locks.held_elsewhere("b")
        locks.drop()


def test_patience_is_rewarded(tmp_path: Path) -> None:
    locks = Locks(str(tmp_path / "run" / "locks"))
    with held_by_another(tmp_path / "run" / "locks", "a") as other:
        ends = threading.Timer(0.5, other.kill)
        ends.start()
        locks.take(["a"], {}, 20.0)
        ends.join()
        locks.drop()


def test_a_lock_whose_file_went_with_its_holder_is_not_mistaken_for_held(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "locks"
    for _ in range(50):
        locks, others = Locks(str(folder)), Locks(str(folder))
        thread = threading.Thread(target=others.take, args=(["a"], {}, 20.0))
        locks.take(["a"], {}, 0.0)
        thread.start()
        locks.drop()
        thread.join()
        assert locks.held_elsewhere("a")
        others.drop()
    assert list(folder.iterdir()) == []


def test_a_lock_file_with_noise_names_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "locks"
    first, locks = Locks(str(folder)), Locks(str(folder))
    first.take(["a"], {}, 0.0)
    (file,) = folder.iterdir()
    file.write_bytes(b"\xff" * 10_000)
    with pytest.raises(LockedError) as refused:
        locks.take(["a"], {}, 0.0)
    assert refused.value.holder == {}
    with file.open("rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    first.drop()


def test_what_a_killed_holder_left_is_swept_and_what_is_held_stays(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "locks"
    with held_by_another(folder, "a") as killed:
        killed.kill()
    locks = Locks(str(folder))
    with held_by_another(folder, "b"):
        locks.take(["c"], {}, 0.0)
        assert len(list(folder.iterdir())) == 3
        locks.sweep()
        assert len(list(folder.iterdir())) == 2
        assert locks.held_elsewhere("b")
        locks.drop()


# files


def test_of_ended_migrations_the_newest_fifty_stay(desk: Desk) -> None:
    desk.guard()
    for number in range(60):
        file = desk.file(f"old-{number:02}.json")
        file.write_text(json.dumps(a_record(id=f"old-{number:02}", stage="ended" if number else "fenced")))
        os.utime(file, (number, number))
    desk.file("noise.json").write_text("noise")
    desk.ask("end", outcome="moved", detail="")
    names = [each["file"] for each in desk.ask("records", after="")["records"]]
    kept = [f"old-{number}.json" for number in range(11, 60)]
    assert names == [f"{RECORD.id}.json", "noise.json", "old-00.json", *kept]


def test_files_that_hold_no_record_are_named(desk: Desk) -> None:
    folder = desk.file().parent
    folder.mkdir(0o700)
    (desk.folder / "secret").write_text('{"secret": 1}')
    (folder / "noise.json").write_bytes(b"\xff{[")
    (folder / "list.json").write_text("[1]")
    (folder / "other.json").write_text(json.dumps(a_record(id="../../etc/shadow")))
    (folder / "renamed.json").write_text(json.dumps(a_record()))
    (folder / "large.json").write_bytes(b" " * 300_000)
    (folder / "link.json").symlink_to(desk.folder / "secret")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    (folder / "name\udcff.json").write_text("{}")
    found = desk.ask("records", after="")["records"]
    assert len(found) == 9
    for each in found:
        assert (each["record"], each["held"]) == (None, False)
        assert each["why"]
        assert "\n" not in each["why"]
        assert "secret" not in each["why"]


# Docker


@contextmanager
def a_daemon(folder: Path, answer: bytes) -> Iterator[docker_api.Docker]:
    """A daemon that says one thing, once."""
    path = folder / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield docker_api.Docker(str(path))
        finally:
            thread.join()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.0 200 OK\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.0 500 Oh\r\n\r\n{}"])
def test_a_daemon_that_stumbles_is_asked_again(tmp_path: Path, answer: bytes) -> None:
    with a_daemon(tmp_path, answer) as docker, pytest.raises(docker_api.UnavailableError):
        docker.start("web")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_what_is_so_already_is_fine(tmp_path: Path, status: bytes) -> None:
    with a_daemon(tmp_path, b"HTTP/1.0 " + status + b"\r\n\r\n") as docker:
        docker.start("web")


def test_a_refusal_does_not_repeat_what_the_daemon_says(tmp_path: Path) -> None:
    answer = b'HTTP/1.0 409 Conflict\r\n\r\n{"message": "cannot run --password=hunter2"}'
    with a_daemon(tmp_path, answer) as docker, pytest.raises(AgentError, match="409") as refused:
        docker.start("web")
    assert not isinstance(refused.value, docker_api.UnavailableError)
    assert "hunter2" not in str(refused.value)


def test_nobody_there_may_be_there_later(tmp_path: Path) -> None:
    with pytest.raises(docker_api.UnavailableError, match="does not answer at"):
        docker_api.Docker(str(tmp_path / "none")).start("web")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte, where the records are to lie."""
    folder = tmp_path / "records"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> None:
    with (folder / "somebody's data").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.lab
def test_the_end_is_written_on_a_disk_that_became_full(desk: Desk, small_disk: Path) -> None:
    desk.guard()
    fill(small_disk)
    for stage in ("fenced", "stopping", "restored"):
        assert "error" not in desk.ask("write", record=a_record(stage=stage))
    assert "error" not in desk.ask("end", outcome="rolled-back", detail="the disk is full")
    assert json.loads(desk.file().read_text())["outcome"] == "rolled-back"
    assert sorted(os.listdir(small_disk)) == [desk.file().name, "somebody's data"]


@pytest.mark.lab
def test_nothing_is_begun_on_a_disk_that_is_full(desk: Desk, small_disk: Path) -> None:
    fill(small_disk)
    assert desk.ask("guard", record=a_record(), **TERMS)["code"] == "ENOSPC"
    assert os.listdir(small_disk) == ["somebody's data"]
    (small_disk / "somebody's data").unlink()
    desk.guard()
