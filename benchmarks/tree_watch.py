"""Finding 200 changes among 100,000 files: inotify against one scan and against a scan by two processes.

    python benchmarks/tree_watch.py [--files 100000] [--folder DIR]

Prints seconds from this one run, and which kinds of change inotify does not tell of. What it does not tell, a tool that
relies on it loses.
"""

import argparse
import ctypes
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from transship.agent.spool import signature
from transship.agent.walk import walk

PER_FOLDER = 500
CHANGED = 200
EVENT = struct.Struct("iIII")
MODIFY, ATTRIB, CLOSE_WRITE, MOVED, CREATE, DELETE = 0x2, 0x4, 0x8, 0xC0, 0x100, 0x200
MASK = MODIFY | ATTRIB | CLOSE_WRITE | MOVED | CREATE | DELETE
LIBC = ctypes.CDLL(None, use_errno=True)


class Watch:
    """inotify on a tree's folders."""

    def __init__(self, folders: list[Path]) -> None:
        self._fd = LIBC.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            if LIBC.inotify_add_watch(self._fd, os.fsencode(folder), MASK) < 0:
                raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def names(self) -> set[bytes]:
        """The names that events came for since the last call."""
        found = set()
        while True:
            try:
                data = os.read(self._fd, 1 << 20)
            except BlockingIOError:
                return found
            offset = 0
            while offset < len(data):
                *_, length = EVENT.unpack_from(data, offset)
                offset += EVENT.size + length
                found.add(data[offset - length : offset].rstrip(b"\0"))


def timed(what: str, action: Callable[[], object]) -> None:
    began = time.perf_counter()
    action()
    print(f"{what:48} {time.perf_counter() - began:8.3f} s")


def scan(root: Path) -> None:
    fd = os.open(root, os.O_RDONLY)
    for found in walk(fd, lambda _: None):
        signature(found.status)
    os.close(fd)


def scan_by_two(roots: list[Path]) -> None:
    """Each process takes every second folder."""
    child = os.fork()
    for root in roots[0 if child else 1 :: 2]:
        scan(root)
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def through_a_mapping(file: Path) -> None:
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        opened.close()
        watch = Watch([file.parent])
        mapped[0:1] = b"!"
        mapped.flush()
        print(f"inotify tells of a write through a mapping: {file.name.encode() in watch.names()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=words.folder, prefix="tree-watch-") as made:
        folders = [Path(made) / f"{number:05d}" for number in range(words.files // PER_FOLDER)]
        for folder in folders:
            folder.mkdir()
            for number in range(PER_FOLDER):
                (folder / f"{number:05d}").write_bytes(b"content")
        watches: list[Watch] = []
        timed(f"inotify: watch {len(folders)} folders", lambda: watches.append(Watch(folders)))
        for number in range(CHANGED):
            (folders[number % len(folders)] / f"{number:05d}").write_bytes(b"changed")
        timed(f"inotify: read the events of {CHANGED} changes", watches[0].names)
        for _ in range(3):
            timed("scan, one process", lambda: scan(Path(made)))
            timed("scan, two processes", lambda: scan_by_two(folders))
        through_a_mapping(folders[0] / "00000")


if __name__ == "__main__":
    main()
