from __future__ import annotations

from typing import NamedTuple


class Leader(NamedTuple):
    """The first path of a file with several names, as it was recorded in this walk; `rewritten`: its file is new."""

    path: bytes
    signature: tuple[int, ...]
    rewritten: bool


class HardLinks:
    """The files with several names that a walk has met and whose other names are still to come.

    A file is forgotten when all of its names were seen, so memory grows only with those that are far apart or outside
    of the tree.
    """

    def __init__(self) -> None:
        self._leaders: dict[tuple[int, ...], tuple[Leader, int]] = {}

    def leader(self, inode: tuple[int, ...]) -> Leader | None:
        """The leader of another name of `inode`; None if this is the first name."""
        found = self._leaders.get(inode)
        if found is None:
            return None
        leader, left = found
        if left == 1:
            del self._leaders[inode]
        else:
            self._leaders[inode] = (leader, left - 1)
        return leader

    def add(self, inode: tuple[int, ...], links: int, leader: Leader) -> None:
        """Remember the first name of `inode`, which has so many `links`."""
        self._leaders[inode] = (leader, links - 1)
