from __future__ import annotations

import errno
import os

from .opendirs import OpenDirectories, list_names


def remove(fd: int, name: bytes) -> None:
    """Take away `name` in the directory `fd`, with all that it holds. Not there: fine. Follows no symlink."""
    inside = OpenDirectories(fd)
    pending = [[name]]
    entered: list[bytes] = []
    try:
        while pending:
            if pending[-1]:
                child = pending[-1].pop()
                if not _unlink(inside.fd, child):
                    inside.push(child)
                    entered.append(child)
                    pending.append(list_names(inside.fd))
                continue
            pending.pop()
            if entered:
                inside.pop()
                os.rmdir(entered.pop(), dir_fd=inside.fd)
    finally:
        inside.close()


def _unlink(fd: int, name: bytes) -> bool:
    """False where `name` is a directory."""
    try:
        os.unlink(name, dir_fd=fd)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EISDIR:
            raise
        return False
    return True
