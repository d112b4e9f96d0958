"""Looks at paths and processes, at this machine's own: what they run is a plain shell and Python."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from transship.errors import CommandError
from transship.hosts.base import Completed
from transship.hosts.fake import FakeHost
from transship.hosts.paths import PathSeen, look_at, measure
from transship.hosts.processes import look_inside


def here(argv: Sequence[str], stdin: bytes) -> Completed:
    done = subprocess.run(list(argv), input=stdin, capture_output=True, check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


HERE = FakeHost(programs=here)


def test_what_lies_at_a_path_is_seen(tmp_path: Path) -> None:
    odd = tmp_path / "a name\nof two lines"
    odd.mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "one").touch()
    (tmp_path / "link").symlink_to("full")
    os.mkfifo(tmp_path / "pipe")
    paths = [str(odd), *(str(tmp_path / name) for name in ("full", "full/one", "link", "pipe", "nothing"))]
    real = os.path.realpath(tmp_path)
    assert list(look_at(HERE, (), paths).values()) == [
        PathSeen("folder", empty=True, real=f"{real}/a name\nof two lines"),
        PathSeen("folder", empty=False, real=f"{real}/full"),
        PathSeen("file", empty=False, real=f"{real}/full/one"),
        PathSeen("folder", empty=False, real=f"{real}/full"),
        PathSeen("other", empty=False, real=f"{real}/pipe"),
        PathSeen("missing", empty=True, real=f"{real}/nothing"),
    ]
    assert look_at(HERE, (), []) == {}


def test_what_a_path_holds_is_measured(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "data").write_bytes(b"x" * 10_000)
    os.link(tmp_path / "inner" / "data", tmp_path / "again")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1_000_000)
    (tmp_path / "dangling").symlink_to("nowhere")
    tree, alone, nothing = measure(
        HERE, (), [str(tmp_path), str(tmp_path / "inner" / "data"), str(tmp_path / "none")]
    ).values()
    assert (tree.names, tree.complete) == (5, True)
    assert 1_010_000 < tree.size < 1_030_000, "a hard link is counted once"
    assert tree.stored < 100_000, "a hole needs no disk"
    assert (alone.names, alone.size) == (1, 10_000)
    assert (nothing.names, nothing.size) == (0, 0)


@pytest.mark.parametrize("answer", [Completed(1, b"", b""), Completed(0, b"odd\0\0/x\0", b""), Completed(0, b"", b"")])
def test_a_look_that_failed_is_an_error(answer: Completed) -> None:
    host = FakeHost(programs=lambda _argv, _stdin: answer)
    with pytest.raises(CommandError):
        look_at(host, (), ["/x"])


def test_a_process_tells_which_signals_it_handles() -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: None); "
        "signal.signal(signal.SIGHUP, signal.SIG_IGN); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        inside = look_inside(HERE, (), process.pid, "/")
        other = look_inside(HERE, (), process.pid, "f" * 64)
        process.kill()
    assert inside is not None
    assert signal.SIGTERM in inside.handled
    assert signal.SIGHUP in inside.ignored
    assert not {signal.SIGUSR1, signal.SIGUSR2} & (inside.handled | inside.ignored)
    assert inside.listeners is None
    assert other is None, "the process is of no such container"


def test_where_a_process_listens_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        inside = look_inside(HERE, (), os.getpid(), "/", listeners=True)
        assert inside is not None
        assert inside.listeners is not None
        assert ("tcp", "127.0.0.1", listening.getsockname()[1]) in {
            (each.protocol, each.address, each.port) for each in inside.listeners
        }
    assert look_inside(HERE, (), 2**22 + 1, "/") is None, "there is no such process"
