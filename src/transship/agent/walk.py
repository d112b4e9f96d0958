from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from .opendirs import OpenDirectories, list_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)
"""What a system call says of a name that vanished, or became something else, since it was listed."""


class Found(NamedTuple):
    """A name that a walk met. `fd` is the directory that holds it, valid until the walk goes on."""

    path: bytes
    fd: int
    name: bytes
    status: os.stat_result


class Single(NamedTuple):
    """A file that is moved without the directory that holds it: its name there, and its path in what is sent."""

    name: bytes
    path: bytes


def walk(
    root: int,
    vanished: Callable[[bytes], None],
    single: Single | None = None,
    names_in: Callable[[bytes], list[bytes] | None] = lambda _: None,
) -> Iterator[Found]:
    """Everything in the tree in the order of the paths' bytes, each directory before what it holds, the root first.

    Memory is bounded by the names of the directories from the root to where the walk is. `vanished` is told the path
    of what disappeared between being listed and being looked at. Symlinks are not followed; other file systems that
    are mounted inside are entered. With `single` that file is all there is. `names_in` is asked for a directory's path
    after that was yielded: it may name what is to be visited there, else the directory is listed.
    """
    if single:
        try:
            status = os.stat(single.name, dir_fd=root, follow_symlinks=False)
        except OSError as error:
            _tolerate(error)
            vanished(single.path)
        else:
            yield Found(single.path, root, single.name, status)
        return
    yield Found(b"", root, b".", os.fstat(root))
    open_directories = OpenDirectories(root)
    try:
        pending = [_last_first(names_in(b""), root)]
        prefixes = [b""]
        while pending:
            if not pending[-1]:
                pending.pop()
                prefixes.pop()
                if pending:
                    open_directories.pop()
                continue
            name = pending[-1].pop()
            path = prefixes[-1] + name
            try:
                fd = open_directories.fd
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except OSError as error:
                _tolerate(error)
                vanished(path)
                continue
            yield Found(path, fd, name, status)
            if stat.S_ISDIR(status.st_mode):
                try:
                    open_directories.push(name)
                except OSError as error:
                    _tolerate(error)
                    vanished(path)
                    continue
                pending.append(_last_first(names_in(path), open_directories.fd))
                prefixes.append(path + b"\0")
    finally:
        open_directories.close()


def _last_first(names: list[bytes] | None, fd: int) -> list[bytes]:
    """These names, or else those in a directory: the walk takes them off the end."""
    names = list_names(fd) if names is None else names
    names.sort(reverse=True)
    return names


def _tolerate(error: OSError) -> None:
    if error.errno not in GONE:
        raise error
