"""What a process watches is found by its name, in its own filesystem."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from transship.agent.watches import watched_paths

WATCHES = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
root, *paths = sys.argv[1:]
inotify = libc.inotify_init()
os.chroot(root)
os.chdir("/")
assert all(libc.inotify_add_watch(inotify, os.fsencode(each), 2) > 0 for each in paths)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def watching(root: Path, *paths: str) -> Iterator[int]:
    """A process that has this root, and watches these paths in it."""
    argv = [sys.executable, "-c", WATCHES, str(root), *paths]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its root")
def test_watched_files_and_folders_are_found(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    (tmp_path / "odd name").mkdir()
    (tmp_path / "other").touch()
    with watching(tmp_path, "/a/b", "/a/b/file", "/", "/odd name") as pid:
        assert watched_paths(pid, [pid, 1 << 30]) == ["/", "/a/b", "/a/b/file"]
    with watching(tmp_path) as pid:
        assert watched_paths(pid, [pid]) == []
