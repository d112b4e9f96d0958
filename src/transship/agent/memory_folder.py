"""Where memory images lie on a host: in memory, for root alone, and gone with whoever made them."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .faults import AgentError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "/run/transship-live"
_NAME = re.compile(r"[0-9a-f]{8,32}")
_IN_MEMORY = ("tmpfs", "ramfs")


class MemoryFolder:
    """A folder with mode 0700 below `ROOT`, which its lock keeps from being swept while anybody holds it.

    `lock` may be handed to a process that outlives the agent: the folder is that one's, then.
    """

    def __init__(self, name: str, needed: int) -> None:
        """Make the folder `name`, after what others left behind. Raises `AgentError` without `needed` bytes of room."""
        self.path = path_of(name)
        os.makedirs(ROOT, mode=0o700, exist_ok=True)
        with _nobody_else_in() as others:
            _sweep(others)
            _check_room(needed)
            try:
                os.mkdir(self.path, 0o700)
            except FileExistsError:
                raise AgentError(f"{self.path} is in use", "EEXIST") from None
            self.lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        for part in ("images", "small", "work"):
            os.mkdir(os.path.join(self.path, part), 0o700)

    def part(self, name: str) -> str:
        """`images` are CRIU's with all pages, `small` those without, `work` is for its logs and sockets."""
        return os.path.join(self.path, name)

    def give_up(self) -> None:
        """Wipe the folder, unless a process that outlives this one still holds it."""
        os.close(self.lock)
        sweep()


def sweep() -> None:
    """Remove every folder that nobody holds: the images of a move that was killed."""
    if os.path.isdir(ROOT):
        with _nobody_else_in() as names:
            _sweep(names)


def images(name: str) -> str:
    """What became of the images in the folder of that name.

    `held`: somebody still lives on them. `gone`: all that was needed of them has been delivered, or they were wiped.
    `left`: those who held them were killed, and nobody can say whether all was delivered.
    """
    try:
        handle = os.open(path_of(name), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return "gone"
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        word = "left"
    except BlockingIOError:
        word = "held"
    finally:
        os.close(handle)
    # Looked for after the lock: whoever holds it removes them before it lets go.
    return word if os.path.exists(os.path.join(path_of(name), "images")) else "gone"


@contextmanager
def _nobody_else_in() -> Iterator[list[str]]:
    """Keep other agents from making folders or removing them, and say which there are."""
    handle = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield os.listdir(handle)
    finally:
        os.close(handle)


def _sweep(names: list[str]) -> None:
    for name in names:
        path = os.path.join(ROOT, name)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
        except BlockingIOError:
            continue  # somebody's images
        finally:
            os.close(handle)


def remove_tree(path: str) -> None:
    """Remove a folder with all that is in it, but nothing that is mounted there: CRIU mounts control groups."""
    device = os.stat(path).st_dev
    with os.scandir(path) as entries:
        for entry in list(entries):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif entry.stat(follow_symlinks=False).st_dev == device:
                remove_tree(entry.path)
    with suppress(OSError):  # what is mounted there goes with whoever mounted it, and the folder with the next sweep
        os.rmdir(path)


def path_of(name: str) -> str:
    """The path of the folder of that name. Raises `ProtocolError` where that can be none's."""
    if not _NAME.fullmatch(name):
        raise ProtocolError(f"{name!r} is no name of a folder")
    return os.path.join(ROOT, name)


def _check_room(needed: int) -> None:
    """Raise `AgentError` where `ROOT` is not in memory, or memory is short."""
    if _kind(ROOT) not in _IN_MEMORY:
        raise AgentError(f"{ROOT} is not in memory, and memory images must not reach a disk")
    status = os.statvfs(ROOT)
    room = min(status.f_bavail * status.f_frsize, _available())
    if room < needed:
        raise AgentError(f"memory images need {needed} bytes in {ROOT}, and there are {room}", "ENOSPC")


def _available() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["MemAvailable"].split()[0]) * 1024


def _kind(path: str) -> str:
    """The type of the file system that `path` is on."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            if line.split()[2] == wanted:
                return line.partition(" - ")[2].split()[0]
    return ""
