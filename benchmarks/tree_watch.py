"""Finding 200 changes among 100,000 files: inotify and fanotify against a walk, and against what rounds do.

    python benchmarks/tree_watch.py [--files 100000] [--folder DIR]

Prints seconds from this one run, and which kinds of change inotify and fanotify do not tell of: a tool that relies on
them loses these. Needs root: fanotify watches the whole file system, and an overlay is mounted.
"""

import argparse
import ctypes
import mmap
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

from transship.agent.sift import sift
from transship.agent.spool import Spool, signature
from transship.agent.walk import walk

PER_FOLDER = 500
CHANGED = 200
MODIFY, ATTRIB, CLOSE_WRITE, MOVED, CREATE, DELETE = 0x2, 0x4, 0x8, 0xC0, 0x100, 0x200
MASK = MODIFY | ATTRIB | CLOSE_WRITE | MOVED | CREATE | DELETE
ALL_CORES = os.sched_getaffinity(0)
LIBC = ctypes.CDLL(None, use_errno=True)


def events(fd: int) -> Iterable[bytes]:
    """What can be read at once."""
    while True:
        try:
            yield os.read(fd, 1 << 20)
        except BlockingIOError:
            return


class Inotify:
    """Watches a tree's folders, one by one."""

    _EVENT = struct.Struct("iIII")

    def __init__(self, folders: list[Path]) -> None:
        self._fd = LIBC.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            if LIBC.inotify_add_watch(self._fd, os.fsencode(folder), MASK) < 0:
                raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def names(self) -> set[bytes]:
        found = set()
        for data in events(self._fd):
            offset = 0
            while offset < len(data):
                *_, length = self._EVENT.unpack_from(data, offset)
                offset += self._EVENT.size + length
                found.add(data[offset - length : offset].rstrip(b"\0"))
        return found


class Fanotify:
    """Watches the whole file system that a folder is on."""

    _INIT = 0x2 | 0x10 | 0x400 | 0x800  # do not wait, no limit, folders and names
    _ADD_FILESYSTEM = 0x1 | 0x100
    _ON_FOLDERS = 0x40000000
    _EVENT = struct.Struct("=IBBHQii")
    _HANDLE = struct.Struct("=BBH8sIi")

    def __init__(self, folders: list[Path]) -> None:
        self._fd = LIBC.fanotify_init(self._INIT, os.O_RDONLY)
        mask = ctypes.c_uint64(MASK | self._ON_FOLDERS)
        if LIBC.fanotify_mark(self._fd, self._ADD_FILESYSTEM, mask, -1, os.fsencode(folders[0])) < 0:
            raise OSError(ctypes.get_errno(), "fanotify_mark")

    def names(self) -> set[bytes]:
        found = set()
        for data in events(self._fd):
            offset = 0
            while offset < len(data):
                length, _, _, head, *_ = self._EVENT.unpack_from(data, offset)
                *_, handle, _ = self._HANDLE.unpack_from(data, offset + head)
                name = data[offset + head + self._HANDLE.size + handle : offset + length]
                found.add(name.partition(b"\0")[0])
                offset += length
        return found


def timed(what: str, action: Callable[[], object]) -> None:
    began = time.perf_counter()
    action()
    print(f"{what:48} {time.perf_counter() - began:8.3f} s")


def notes_of(root: int) -> Spool:
    """A walk, as the first round does it."""
    notes = Spool()
    for found in walk(root, lambda _: None):
        notes.append((found.path, signature(found.status)))
    return notes


def is_same(note: tuple[object, ...], status: os.stat_result) -> bool:
    return note[1] == signature(status)


def look(root: int) -> None:
    """Times a walk against the comparison of later rounds."""
    with closing(notes_of(root)) as notes:
        for _ in range(3):
            timed("walk", lambda: notes_of(root).close())
            for cores in sorted({1, len(ALL_CORES)}):
                os.sched_setaffinity(0, list(ALL_CORES)[:cores])
                timed(f"compare with notes, {cores} processes", lambda: sift(root, notes, is_same))
            os.sched_setaffinity(0, ALL_CORES)


def write_mapped(mapped: mmap.mmap) -> None:
    mapped[3:4] = b"?"
    mapped.flush()


def missed(folder: Path, kind: type[Inotify | Fanotify]) -> None:
    """Which writes are not told of: into an open file, through a mapping, and the same through a mounted overlay."""
    below, upper, work, merged = (folder / name for name in ("below", "upper", "work", "merged"))
    for each in (below, upper, work, merged):
        each.mkdir(exist_ok=True)
    layers = f"lowerdir={below},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, merged], check=True)
    try:
        for where in (upper, merged):
            file = where / "written"
            file.write_bytes(b"content")
            with file.open("r+b", buffering=0) as opened, mmap.mmap(opened.fileno(), 0) as mapped:
                changes: dict[str, Callable[[], object]] = {
                    "a write": partial(opened.write, b"!"),
                    "a mapping": partial(write_mapped, mapped),
                }
                for name, change in changes.items():
                    watch = kind([upper])
                    change()
                    told = "told" if b"written" in watch.names() else "MISSED"
                    print(f"{kind.__name__}: {name}, {where.name} folder of an overlay: {told}")
    finally:
        subprocess.run(["umount", merged], check=True)


def watched(folders: list[Path], kind: type[Inotify | Fanotify]) -> None:
    began = time.perf_counter()
    watch = kind(folders)
    print(f"{f'{kind.__name__}: watch {len(folders)} folders':48} {time.perf_counter() - began:8.3f} s")
    for number in range(CHANGED):
        (folders[number % len(folders)] / f"{number:05d}").write_bytes(b"changed")
    timed(f"{kind.__name__}: read the events of {CHANGED} changes", watch.names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=words.folder, prefix="tree-watch-") as made:
        folders = [Path(made, "tree", f"{number:05d}") for number in range(words.files // PER_FOLDER)]
        for folder in folders:
            folder.mkdir(parents=True)
            for number in range(PER_FOLDER):
                (folder / f"{number:05d}").write_bytes(b"content")
        for kind in (Inotify, Fanotify):
            watched(folders, kind)
        root = os.open(Path(made, "tree"), os.O_RDONLY)
        look(root)
        os.close(root)
        for kind in (Inotify, Fanotify):
            missed(Path(made), kind)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
