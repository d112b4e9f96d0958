from __future__ import annotations

from typing import TYPE_CHECKING

from . import blocks, records
from .faults import ProtocolError, shown
from .inventory import content_blocks, entry_digest, inventory, is_file
from .spool import Remembered, Spool, nlink_of, signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .stream import Outgoing
    from .walk import Single

_PIECE = 240 * 1024
_NOT_KNOWN = bytes(16)


def describe(root: int, out: Outgoing, single: Single | None = None, *, contents: bool) -> None:
    """Tell a sender what this tree holds, so that its next round sends only what differs.

    With `contents` files are read and their digests sent too; without, a file of the same size and time counts as the
    same. Whatever cannot be taken on trust (sockets; the content of files with several names, which must not be
    changed in place) is told with a digest that nothing has.
    """
    for item in inventory(root, single):
        digest = entry_digest(item.entry) if item.entry else _NOT_KNOWN
        size, packed = 0, b""
        if contents and is_file(item.entry):
            if nlink_of(signature(item.found.status)) > 1:
                digest = _NOT_KNOWN
            else:
                size, packed = content_blocks(item)
        out.add(records.known(records.Known(item.found.path, digest, size, packed[:_PIECE])))
        for start in range(_PIECE, len(packed), _PIECE):
            out.add(records.more(packed[start : start + _PIECE]))
    out.end()


class Adoption:
    """Turns what a target told into what a sender remembers. The target is not trusted to tell it well."""

    def __init__(self) -> None:
        self.spool = Spool()
        self._count = 0
        self._last: records.Known | None = None
        self._blocks = bytearray()

    def take(self, payload: Iterable[records.Record]) -> None:
        """Add the records of one frame."""
        for record in payload:
            if isinstance(record, records.Known):
                self._begin(record)
            elif isinstance(record, records.More) and self._last:
                self._extend(record.blocks)
            elif isinstance(record, records.End) and record.total == self._count:
                self._store()
            else:
                raise ProtocolError("the target's state is out of order")
            self._count += 1

    def _begin(self, record: records.Known) -> None:
        if self._last and record.path <= self._last.path:
            raise ProtocolError(f"{shown(record.path)}: the target's state is out of order")
        self._store()
        self._last = record
        self._extend(record.blocks)

    def _extend(self, packed: bytes) -> None:
        self._blocks += packed
        if len(self._blocks) > blocks.MOST_BYTES:
            raise ProtocolError("the target's state has more blocks than a file may have")

    def _store(self) -> None:
        if self._last is None:
            return
        path, digest, size, _ = self._last
        packed = bytes(self._blocks)
        self.spool.append(tuple(Remembered(path, None, False, digest, size, packed)), len(packed))  # noqa: FBT003
        self._blocks = bytearray()
