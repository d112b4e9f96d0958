"""The records of migrations on this host, a file each."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from . import control
from .faults import AgentError, from_os
from .migration_record import migration_id, read

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "/var/lib/transship"
LONGEST = 256 << 10
"""Bytes that a record may have."""

_RESERVE = 64 << 10
"""Bytes that are put aside with a record, so that its end can be written on a disk that the migration has filled."""

_ENDING = ".json"


class RecordFiles:
    """The records in one folder, which only root may look into. Raises `AgentError`."""

    def __init__(self, folder: str = FOLDER) -> None:
        self._path = folder

    def write(self, record: dict[str, Any]) -> None:
        """Have a record on disk when this returns: all of it, or what was there before where it fails."""
        name = read(record).id + _ENDING
        content = control.dumps(record).encode("ascii")
        if len(content) > LONGEST:
            raise AgentError(f"the record of a migration has more than {LONGEST} bytes", "ERECORD")
        try:
            self._make_folder()
            with self._folder() as folder:
                try:
                    _write(name, content, folder)
                except OSError as error:
                    if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not _give_way(name, folder):
                        raise
                    _write(name, content, folder)
        except OSError as error:
            raise from_os(error, os.fsencode(f"{self._path}/{name}")) from error

    def reserve(self, migration: str) -> None:
        """Put space aside for what will have to be written. Raises `AgentError` where there is none."""
        name = _reserve(migration_id(migration) + _ENDING)
        try:
            with self._folder() as folder:
                fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
                try:
                    os.posix_fallocate(fd, 0, _RESERVE)
                    os.fsync(fd)
                finally:
                    os.close(fd)
        except OSError as error:
            raise from_os(error, os.fsencode(f"{self._path}/{name}")) from error

    def release(self, migration: str) -> None:
        """Give back what was put aside, if it still is."""
        with suppress(FileNotFoundError), self._folder() as folder:
            os.unlink(_reserve(migration_id(migration) + _ENDING), dir_fd=folder)

    def names(self) -> list[str]:
        """The names of all files that should hold a record, sorted."""
        try:
            with self._folder() as folder:
                return sorted(name for name in os.listdir(folder) if name.endswith(_ENDING) and name[0] != ".")
        except FileNotFoundError:
            return []

    def read(self, name: str) -> dict[str, Any]:
        """The record in a file. Raises `AgentError` where it is none, or not the one that the name says."""
        try:
            with self._folder() as folder:
                content = _content(name, folder)
        except OSError as error:
            raise from_os(error, os.fsencode(name)) from error
        record = control.loads(content)
        if read(record).id + _ENDING != name:
            raise AgentError("it holds the record of another migration than its name says", "ERECORD")
        return record

    def forget(self, migration: str) -> None:
        """Take a record away. Not there (any more): fine."""
        with suppress(FileNotFoundError), self._folder() as folder:
            os.unlink(migration_id(migration) + _ENDING, dir_fd=folder)
            os.fsync(folder)
        self.release(migration)

    def prune(self, kept: int) -> None:
        """Take away the records of migrations that have ended, but for the newest `kept`."""
        ended = []
        for name in self.names():
            with suppress(AgentError):  # what cannot be read is not ours to take away
                if self.read(name)["stage"] == "ended":
                    ended.append((os.stat(os.path.join(self._path, name)).st_mtime_ns, name))
        for _, name in sorted(ended, reverse=True)[kept:]:
            self.forget(name[: -len(_ENDING)])

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """The folder, open. Raises `OSError`."""
        fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)

    def _make_folder(self) -> None:
        try:
            os.mkdir(self._path, 0o700)
        except FileExistsError:
            return
        above = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(above)
        finally:
            os.close(above)


def _reserve(name: str) -> str:
    return f".{name}.reserve"


def _give_way(name: str, folder: int) -> bool:
    """Whether there was something put aside, which is free now."""
    try:
        os.unlink(_reserve(name), dir_fd=folder)
    except FileNotFoundError:
        return False
    os.fsync(folder)
    return True


def _content(name: str, folder: int) -> bytes:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LONGEST:
            raise AgentError("it is no file, or larger than a record can be", "ERECORD")
        return file.read(LONGEST)


def _write(name: str, content: bytes, folder: int) -> None:
    unfinished = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(unfinished, dir_fd=folder)
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=folder)
        raise
    os.fsync(folder)
