"""Where a mounted folder or file lies on a host, and how it is made there and taken away again."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import Any

from .faults import AgentError, from_os, shown
from .opendirs import list_names, open_root
from .remove import remove

_FOLDER_MODE = 0o755


def look(path: bytes) -> dict[str, Any]:
    """What is at `path`, symlinks followed: `folder`, `file`, `other` or `missing`. Paths in the answer are hex.

    `missing` are the names that would have to be made, the outermost first; `empty` whether nothing is there yet that
    could be lost; `owner` is uid, gid and mode.
    """
    missing: list[bytes] = []
    above = path
    while not os.path.lexists(above):
        missing.insert(0, above)
        above = os.path.dirname(above)
    found: dict[str, Any] = {
        "kind": "missing",
        "real": os.path.realpath(path).hex(),
        "missing": [each.hex() for each in missing],
        "empty": True,
        "owner": [],
    }
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return found
    except OSError as error:
        raise _failed(path, error) from error
    found["owner"] = [status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)]
    if stat.S_ISDIR(status.st_mode):
        return {**found, "kind": "folder", "empty": not os.listdir(path)}
    return {**found, "kind": "file" if stat.S_ISREG(status.st_mode) else "other", "empty": not status.st_size}


def provide(paths: list[bytes], kind: str) -> bytes:
    """Make `paths`, the outermost first, all of them folders of root but the last, which is of `kind`, and empty.

    Returns the one that somebody else made meanwhile, or nothing. Where it cannot make all, nothing is left.
    """
    made: list[bytes] = []
    try:
        for path in paths:
            if kind == "file" and path == paths[-1]:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            else:
                os.mkdir(path, _FOLDER_MODE)
            made.append(path)
    except OSError as error:
        discard(made)
        if error.errno == errno.EEXIST:
            return path
        raise _failed(path, error) from error
    return b""


def discard(paths: list[bytes]) -> None:
    """Take away what `provide` made, and what came into the last one; what others put beside that stays."""
    try:
        for path in reversed(paths):
            if path == paths[-1]:
                _remove_whole(path)
            else:
                with suppress(FileNotFoundError):
                    os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise _failed(path, error) from error


def empty(path: bytes, owner: list[int]) -> None:
    """Make a folder or file empty again that was so, and give it back its owner and mode."""
    try:
        if os.path.isdir(path):
            fd = open_root(path)
            try:
                for name in list_names(fd):
                    remove(fd, name)
            finally:
                os.close(fd)
        else:
            os.truncate(path, 0)
        os.chown(path, owner[0], owner[1])
        os.chmod(path, owner[2])
    except OSError as error:
        raise _failed(path, error) from error


def _remove_whole(path: bytes) -> None:
    folder, name = os.path.split(path)
    try:
        fd = open_root(folder)
    except FileNotFoundError:
        return
    try:
        remove(fd, name)
    finally:
        os.close(fd)


def _failed(path: bytes, error: OSError) -> AgentError:
    return AgentError(f"{shown(path)}: {error.strerror}", from_os(error, path).code)
