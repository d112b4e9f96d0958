from __future__ import annotations

import os

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT_OPEN = 48


def open_root(path: bytes) -> int:
    """Open a tree's root. The user named it: symlinks on the way to it are followed."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_below(fd: int, names: list[bytes]) -> int:
    """Open the directory `names` below `fd`, one component at a time, no symlink followed. The caller closes it."""
    current = os.dup(fd)
    for name in names:
        try:
            below = os.open(name, _FLAGS, dir_fd=current)
        finally:
            os.close(current)
        current = below
    return current


def list_names(fd: int) -> list[bytes]:
    """The names in an open directory, in no order."""
    return os.listdir(b"/proc/self/fd/%d" % fd)


class OpenDirectories:
    """The open directories from a tree's root down to where a walk is.

    Any depth works with few descriptors: those of the directories nearest to the root are closed when there are too
    many, and opened again when the walk comes back to them. A directory that was moved meanwhile is then looked for by
    its path: an `OSError`, or another directory of the same tree, never one outside. The root's descriptor stays the
    caller's.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._names: list[bytes] = []
        self._fds: list[int] = []
        self._identities: list[tuple[int, int]] = []
        """Device and inode of the directories that were closed: `_fds` holds -1 for these, the first ones."""

    @property
    def fd(self) -> int:
        """The innermost directory."""
        if not self._fds:
            return self._root
        if self._fds[-1] < 0:
            self._fds[-1] = open_below(self._root, self._names)
            self._identities.pop()
        return self._fds[-1]

    def push(self, name: bytes) -> None:
        """Enter `name`. On `OSError` nothing has changed."""
        self._fds.append(os.open(name, _FLAGS, dir_fd=self.fd))
        self._names.append(name)
        if len(self._fds) - len(self._identities) > _KEPT_OPEN:
            first = len(self._identities)
            status = os.fstat(self._fds[first])
            os.close(self._fds[first])
            self._fds[first] = -1
            self._identities.append((status.st_dev, status.st_ino))

    def pop(self) -> None:
        """Leave the innermost directory."""
        self._names.pop()
        fd = self._fds.pop()
        if fd < 0:
            self._identities.pop()
            return
        if self._fds and self._fds[-1] < 0:
            self._reopen_parent(fd)
        os.close(fd)

    def go(self, names: list[bytes]) -> None:
        """Be in the directory `names` below the root. On `OSError` it is in one above."""
        same = 0
        for mine, wanted in zip(self._names, names):
            if mine != wanted:
                break
            same += 1
        while len(self._names) > same:
            self.pop()
        for name in names[same:]:
            self.push(name)

    def _reopen_parent(self, child: int) -> None:
        """Spare the way from the root where the parent is still the one that it was."""
        parent = os.open(b"..", _FLAGS, dir_fd=child)
        status = os.fstat(parent)
        if (status.st_dev, status.st_ino) == self._identities[-1]:
            self._fds[-1] = parent
            self._identities.pop()
        else:
            os.close(parent)

    def close(self) -> None:
        """Leave them all."""
        for fd in self._fds[len(self._identities) :]:
            os.close(fd)
        self._names, self._fds, self._identities = [], [], []
