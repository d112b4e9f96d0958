"""What the processes of a container watch with inotify, by its names."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WATCH = re.compile(r"^inotify wd:\S+ ino:([0-9a-f]+) ", re.MULTILINE)
_SAYABLE = re.compile(r"[^\s\"'#\\]+")
"""Names that a line of CRIU's configuration can hold."""


def watched_paths(pid: int, processes: Iterable[int]) -> list[str]:
    """The paths in the own filesystem of a container that its processes watch, as they see them.

    An inotify watch names an inode, and CRIU finds its path by a file handle, which overlayfs does not give. So CRIU
    must be told where to look (`irmap-scan-path`). What lies in volumes it finds by itself. `pid` is one of the
    processes; nothing is looked through where nothing is watched.
    """
    wanted = {inode for process in processes for inode in _watched_inodes(process)}
    if not wanted:
        return []
    root = f"/proc/{pid}/root"
    return sorted(path for path in _paths_of(f"{root}/", wanted, len(root)) if _SAYABLE.fullmatch(path))


def _watched_inodes(process: int) -> Iterator[int]:
    folder = f"/proc/{process}/fdinfo"
    with suppress(OSError):  # the process has ended
        for name in os.listdir(folder):
            with suppress(OSError), open(os.path.join(folder, name), encoding="ascii") as file:
                yield from (int(inode, 16) for inode in _WATCH.findall(file.read()))


def _paths_of(folder: str, wanted: set[int], prefix: int) -> Iterator[str]:
    """Everything on the filesystem of `folder` that has one of these inodes; other filesystems are left out."""
    device = os.stat(folder).st_dev
    waiting = [folder]
    if os.stat(folder).st_ino in wanted:
        yield "/"
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:  # it is gone
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if found.st_ino in wanted:
                    yield entry.path[prefix:]
                if entry.is_dir(follow_symlinks=False) and found.st_dev == device:
                    waiting.append(entry.path)
