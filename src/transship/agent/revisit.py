from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from .sift import sift
from .walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .sift import IsSame
    from .spool import Spool
    from .walk import Found, Single

    Note = tuple[Any, ...]
    Visit = tuple[Note | None, Found | None, bool]
    """What is remembered of a path, what was found there if it has to be looked at, and whether it is gone.

    What was neither found nor is gone is as the note says. Plain tuples: most of the time of an idle round goes here.
    """


class Revisit:
    """A walk through a tree of which notes were taken before (tuples whose first is the path), merged with these.

    Where few notes differ from the tree only what does is visited: a directory that is as it was holds the names that
    it held. `found` is as `walk` yields it, and `vanished` is told what it tells. To be iterated over once.
    """

    def __init__(
        self, root: int, notes: Spool | None, is_same: IsSame, vanished: Callable[[bytes], None], single: Single | None
    ) -> None:
        self._notes = notes
        self._is_same = is_same
        self._differences = sift(root, notes, is_same) if notes and not single else None
        self._differ = frozenset(self._differences.changed + self._differences.gone) if self._differences else None
        self._walk = walk(root, vanished, single, self._names_in)
        self._next = 0
        """Which of the changed paths is the first that the walk has not passed."""
        self._same: bytes | None = None
        """The last visited path that is as it was."""
        self._changed: set[bytes] = set()
        """The visited paths that are not: of what they held, only what is visited is left."""
        self._gone = b"\0"
        """How the paths begin that went with the last one that is gone."""

    def __iter__(self) -> Iterator[Visit]:
        notes = iter(self._notes or ())
        note = next(notes, None)
        for found in self._walk:
            path = found.path
            while note is not None and note[0] < path:
                yield self._unvisited(note)
                note = next(notes, None)
            known = None
            if note is not None and note[0] == path:
                known, note = note, next(notes, None)
                if self._is_same(known, found.status):
                    self._same = path
                    yield known, None, False
                    continue
                self._changed.add(path)
            yield known, found, False
        while note is not None:
            yield self._unvisited(note)
            note = next(notes, None)

    def _names_in(self, path: bytes) -> list[bytes] | None:
        """What `walk` asks: the names that lead to something that has changed, in a directory that has not."""
        if self._differences is None or self._same != path:
            return None
        changed = self._differences.changed
        prefix = path + b"\0" if path else b""
        while self._next < len(changed) and changed[self._next] <= path:
            self._next += 1
        names = set()
        for each in islice(changed, self._next, None):
            if not each.startswith(prefix):
                break
            names.add(each[len(prefix) :].partition(b"\0")[0])
        return list(names)

    def _unvisited(self, note: Note) -> Visit:
        """What became of something that the walk did not meet."""
        path = note[0]
        if (
            self._differ is not None
            and path not in self._differ
            and path.rpartition(b"\0")[0] not in self._changed
            and not path.startswith(self._gone)
        ):
            return note, None, False
        if not path.startswith(self._gone):
            self._gone = path + b"\0"
        return note, None, True
