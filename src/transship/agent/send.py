from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from . import blocks, records
from .ahead import digested
from .entry import DIRECTORY, FILE, LINK, Entry, digest, encode, kind_of, observe, read_xattrs
from .faults import from_os
from .links import HardLinks, Leader
from .revisit import Revisit
from .spool import Remembered, Spool, inode_of, nlink_of, signature
from .walk import GONE, Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stream import Outgoing
    from .walk import Single

_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CLOCK_TICK_NS = 20_000_000
_WHOLE_SECONDS_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000
_NAMED = 5
# What most entries need of their `Remembered`; making one of each would take a third of the time of an idle round.
_SIGNATURE, _SETTLED, _BLOCKS = (Remembered._fields.index(name) for name in ("signature", "settled", "blocks"))


class Counts:
    """What a round met and sent. Bytes are of content, before compression."""

    def __init__(self) -> None:
        self.entries = 0
        self.sent = 0
        self.deleted = 0
        self.bytes = 0
        self.sockets = 0
        self.unsteady = 0
        """Paths that changed or vanished while they were read."""
        self.unsteady_paths: list[bytes] = []

    def note_unsteady(self, path: bytes) -> None:
        self.unsteady += 1
        if len(self.unsteady_paths) < _NAMED:
            self.unsteady_paths.append(path)


class _Sent(NamedTuple):
    """What became of a path. `fresh`: the target has a new inode under this name."""

    remembered: Remembered
    fresh: bool


class Sender:
    """One round: compares a tree with what was sent before, sends what differs and remembers what it sent.

    `barrier_ns` is the time, on the clock of the file system, before the tree was synced and this walk began. What
    changed later than that may change again without a sign, so it counts as unsettled and is read again next round.
    """

    def __init__(
        self, root: int, before: Spool | None, out: Outgoing, barrier_ns: int, single: Single | None = None
    ) -> None:
        self._tree = root, single
        self._before = before
        self._out = out
        self._barrier_ns = barrier_ns
        self._links = HardLinks()
        self._gone = b"\0"
        """The last path that was taken away on the target, with all that it held there."""
        self.counts = Counts()
        self.spool = Spool()

    def run(self, progress: Callable[[Counts], None]) -> None:
        """Send the round. `progress` is called for every entry that is not as it was."""
        root, single = self._tree
        for note, found, gone in Revisit(root, self._before, _is_same, self.counts.note_unsteady, single):
            if gone and note:
                self._forget(Remembered(*note))
                continue
            self.counts.entries += 1
            if found:
                self._visit(found, Remembered(*note) if note else None)
                progress(self.counts)
            elif note:
                self.spool.append(note, len(note[_BLOCKS]))

    def _forget(self, old: Remembered) -> None:
        """Have the target delete what it has of `old`, once for all that is below it."""
        if old.path.startswith(self._gone + b"\0"):
            return
        self._out.add(records.delete(old.path))
        self.counts.deleted += 1
        self._gone = old.path

    def _visit(self, found: Found, previous: Remembered | None) -> None:
        kind = kind_of(found.status.st_mode)
        try:
            if kind is None:
                self.counts.sockets += 1
            else:
                self._send(found, kind, previous)
                return
        except BrokenPipeError:
            raise  # it is not about this path: nobody reads what is sent
        except OSError as error:
            if error.errno not in GONE:
                raise from_os(error, found.path) from error
            self.counts.note_unsteady(found.path)
        if previous:
            self._forget(previous)

    def _send(self, found: Found, kind: int, previous: Remembered | None) -> None:
        seen = signature(found.status)
        linked = _linked(seen)
        leader = self._links.leader(inode_of(seen)) if linked else None
        if leader:
            sent = self._send_link(found.path, leader, previous)
        elif previous and previous.settled and previous.signature == seen:
            sent = _Sent(previous, fresh=False)
        elif kind == FILE:
            sent = self._send_file(found, previous)
        else:
            sent = self._send_other(found, seen, previous)
        remembered = sent.remembered
        if previous and kind != DIRECTORY:
            self._gone = found.path  # if it was a directory before, putting something else there removed the rest
        if linked and not leader and remembered.signature:
            first = Leader(found.path, remembered.signature, sent.fresh)
            self._links.add(inode_of(remembered.signature), nlink_of(remembered.signature), first)
        self.spool.append(tuple(remembered), len(remembered.blocks))

    def _send_link(self, path: bytes, leader: Leader, previous: Remembered | None) -> _Sent:
        """Another name of a file. It is remembered with what the first name's content was when that was sent."""
        encoded = encode(Entry(path, LINK, target=leader.path))
        known = digest(encoded)
        if leader.rewritten or previous is None or previous.digest != known:
            self._put(encoded)
        return _Sent(Remembered(path, leader.signature, False, known, 0, b""), fresh=False)  # noqa: FBT003

    def _send_other(self, found: Found, seen: tuple[int, ...], previous: Remembered | None) -> _Sent:
        encoded = encode(observe(found.path, found.fd, found.name, found.status))
        known = digest(encoded)
        changed = previous is None or previous.digest != known
        if changed:
            self._put(encoded)
        return _Sent(Remembered(found.path, seen, self._is_settled(seen), known, 0, b""), fresh=changed)

    def _send_file(self, found: Found, previous: Remembered | None) -> _Sent:
        fd = _open(found)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.ESTALE, "it is no file any more")
            entry = Entry(
                found.path,
                FILE,
                stat.S_IMODE(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns,
                size=status.st_size,
                xattrs=read_xattrs(fd),
            )
            if previous and previous.signature is None and not previous.block_size:
                encoded = encode(entry)
                if digest(encoded) == previous.digest:  # the target has it, by its size and time
                    seen = signature(status)
                    return _Sent(previous._replace(signature=seen, settled=self._is_settled(seen)), fresh=False)
            if status.st_size <= blocks.SMALL:
                return self._send_small(fd, status, entry, previous)
            return self._send_large(fd, status, entry, previous)
        finally:
            os.close(fd)

    def _send_small(self, fd: int, status: os.stat_result, entry: Entry, previous: Remembered | None) -> _Sent:
        content = os.pread(fd, blocks.SMALL, 0)
        seen, settled = self._after_reading(fd, status, entry.path)
        encoded = encode(entry._replace(size=len(content)))
        known = digest(encoded)
        compare = previous is not None and previous.block_size == blocks.SMALL
        packed = blocks.of_content(content) if compare or not settled else b""
        same = compare and previous is not None and previous.digest == known and previous.blocks == packed
        if not same:
            self._put(encoded, content)
        size = 0 if settled else blocks.SMALL
        return _Sent(Remembered(entry.path, seen, settled, known, size, b"" if settled else packed), fresh=not same)

    def _send_large(self, fd: int, status: os.stat_result, entry: Entry, previous: Remembered | None) -> _Sent:
        size, base = _base(status, previous)
        encoded = encode(entry)
        known = digest(encoded)
        patch = _Patch(self._out, encoded, base)
        if base is not None:
            patch.run(fd, status.st_size, size)
        else:
            for offset, data in blocks.chunks(fd, status.st_size, size):
                patch.compare(offset, data, size)
        seen, settled = self._after_reading(fd, status, entry.path)
        patch.finish(status.st_size, size, force=previous is None or previous.digest != known)
        self.counts.bytes += patch.bytes
        self.counts.sent += patch.opened
        remembered = Remembered(entry.path, seen, settled, known, size, bytes(patch.seen))
        return _Sent(remembered, fresh=patch.opened and base is None)

    def _put(self, encoded: bytes, content: bytes = b"") -> None:
        self._out.add(records.put(encoded, content))
        self.counts.sent += 1
        self.counts.bytes += len(content)

    def _after_reading(self, fd: int, before: os.stat_result, path: bytes) -> tuple[tuple[int, ...], bool]:
        """The signature to remember for a file that was read, and whether it is settled."""
        seen = signature(before)
        if signature(os.fstat(fd)) != seen:
            self.counts.note_unsteady(path)
            return seen, False
        return seen, self._is_settled(seen)

    def _is_settled(self, seen: tuple[int, ...]) -> bool:
        changed_ns = seen[-1]
        # File systems that store whole seconds are told by their times.
        blur = _WHOLE_SECONDS_NS if changed_ns % _SECOND_NS == 0 else _CLOCK_TICK_NS
        return changed_ns < self._barrier_ns - blur


class _Patch:
    """The data records of one large file. `base` is the packed digests of what the target has, None for nothing."""

    def __init__(self, out: Outgoing, encoded: bytes, base: bytes | None) -> None:
        self._out = out
        self._encoded = encoded
        self._base = base or b""
        self._is_patch = base is not None
        self._at = 0
        self.seen = bytearray()
        self.bytes = 0
        self.opened = False

    def run(self, fd: int, end: int, size: int) -> None:
        """Send what differs from the base. What others found to differ is read again: it may have changed since."""
        for offset, length, packed in digested(fd, end, size):
            data = b"" if self._skip(packed) else blocks.read(fd, length, offset)
            if data:
                self.compare(offset, data, size)

    def _skip(self, packed: bytes) -> bool:
        """Whether the base has these blocks, and no others before them."""
        if not self._base.startswith(packed, self._at):
            return False
        self.seen += packed
        self._at += len(packed)
        return True

    def compare(self, offset: int, data: bytes, size: int) -> None:
        """Send the blocks of `data` that differ from the base; what lies before in the base alone is a hole now."""
        found = blocks.digests(offset, data, size)
        packed = b"".join(found)
        if self._skip(packed):
            return
        self.seen += packed
        run = None
        for number, record in enumerate(found):
            changed = self._differs(record, size)
            if changed and run is None:
                run = number
            elif not changed and run is not None:
                self._send(offset + run * size, memoryview(data)[run * size : number * size])
                run = None
        if run is not None:
            self._send(offset + run * size, memoryview(data)[run * size :])

    def _differs(self, record: bytes, size: int) -> bool:
        width = blocks.RECORD.size
        while self._at < len(self._base) and self._base[self._at : self._at + 8] < record[:8]:
            self._hole(size)
        old = self._base[self._at : self._at + width]
        if old[:8] == record[:8]:
            self._at += width
        return old != record

    def _hole(self, size: int) -> None:
        index, _ = blocks.RECORD.unpack_from(self._base, self._at)
        self._at += blocks.RECORD.size
        self._open()
        self._out.add(records.blank(index * size, size, hole=True))

    def _send(self, offset: int, data: memoryview) -> None:
        self._open()
        for start in range(0, len(data), blocks.CHUNK):
            part = data[start : start + blocks.CHUNK]
            if part == blocks.ZEROS[: len(part)]:
                self._out.add(records.blank(offset + start, len(part), hole=False))
            else:
                self._out.add(records.data(offset + start, len(part)), part)
                self.bytes += len(part)

    def _open(self) -> None:
        if not self.opened:
            self._out.add(records.open_file(self._encoded, patch=self._is_patch))
            self.opened = True

    def finish(self, length: int, size: int, *, force: bool) -> None:
        """End the file, which is `length` bytes long; `force` says that at least its attributes differ."""
        while self._at < len(self._base):
            self._hole(size)
        if force or not self._is_patch:
            self._open()
        if self.opened:
            self._out.add(records.close(length))


def _base(status: os.stat_result, previous: Remembered | None) -> tuple[int, bytes | None]:
    """The size of a file's blocks, and their digests in the target if its file may be changed in place.

    That is so where the file there has one name only, or is the same as here: then whatever happens to its other names
    happens here as well, and each name that has become another file is replaced on its own.
    """
    allocated = min(status.st_size, status.st_blocks * 512)  # a file system may count its own notes on extents, too
    if previous is None or len(previous.blocks) <= blocks.RECORD.size:
        return blocks.block_size(allocated), None
    size = blocks.block_size(allocated, previous.block_size)
    then = previous.signature
    alone = then is None or nlink_of(then) == 1 or inode_of(then) == (status.st_dev, status.st_ino)
    return size, previous.blocks if alone and size == previous.block_size else None


def _is_same(note: tuple[Any, ...], status: os.stat_result) -> bool:
    """Nothing is to be done about it. Files with several names are: each name depends on which of them comes first."""
    seen = signature(status)
    return note[_SETTLED] and note[_SIGNATURE] == seen and not _linked(seen)


def _linked(seen: tuple[int, ...]) -> bool:
    return nlink_of(seen) > 1 and not stat.S_ISDIR(seen[3])


def _open(found: Found) -> int:
    try:
        return os.open(found.name, _OPEN_FLAGS | os.O_NOATIME, dir_fd=found.fd)
    except PermissionError:  # O_NOATIME is for a file's owner and for root
        return os.open(found.name, _OPEN_FLAGS, dir_fd=found.fd)
