from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from . import blocks
from .entry import DIRECTORY, FILE, LINK, Entry, digest, encode, kind_of, observe
from .faults import AgentError, from_os, shown
from .links import HardLinks, Leader
from .spool import inode_of, nlink_of, signature
from .walk import Found, Single, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Knows = Callable[[bytes, tuple[int, ...]], bytes | None]


class Item(NamedTuple):
    """One entry of a tree that nobody changes.

    `entry` is None for a socket, which does not travel, and for what was `known` beforehand by its digest.
    """

    found: Found
    entry: Entry | None
    known: bytes | None = None


def inventory(root: int, single: Single | None = None, knows: Knows | None = None) -> Iterator[Item]:
    """Everything in a tree, as a sender would describe it. Raises `AgentError` if something vanishes meanwhile.

    `knows` is asked, in the order of the walk, for the digest of what has a path and a signature: what it knows is not
    looked at any closer.
    """
    links = HardLinks()
    for found in walk(root, _vanished, single):
        known = knows(found.path, signature(found.status)) if knows and _has_one_name(found.status) else None
        if known is not None:
            yield Item(found, None, known)
            continue
        try:
            yield Item(found, _describe(found, links))
        except OSError as error:
            raise from_os(error, found.path) from error


def _has_one_name(status: os.stat_result) -> bool:
    """What has several is described by the first of them, which may not be the one that it was."""
    return status.st_nlink == 1 or stat.S_ISDIR(status.st_mode)


def _describe(found: Found, links: HardLinks) -> Entry | None:
    kind = kind_of(found.status.st_mode)
    if kind is None:
        return None
    seen = signature(found.status)
    if nlink_of(seen) > 1 and kind != DIRECTORY:
        leader = links.leader(inode_of(seen))
        if leader:
            return Entry(found.path, LINK, target=leader.path)
        links.add(inode_of(seen), nlink_of(seen), Leader(found.path, seen, rewritten=False))
    return observe(found.path, found.fd, found.name, found.status)


def _vanished(path: bytes) -> None:
    raise AgentError(f"{shown(path)}: vanished while the tree was read")


def open_file(found: Found) -> int:
    """Open a file of the inventory for reading."""
    fd = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=found.fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        _vanished(found.path)
    return fd


def entry_digest(entry: Entry) -> bytes:
    """What stands for an entry without its content."""
    return digest(encode(entry))


def content_blocks(item: Item) -> tuple[int, bytes]:
    """The size of the blocks of a file's content and their packed digests."""
    size = item.found.status.st_size
    fd = open_file(item.found)
    try:
        allocated = min(size, item.found.status.st_blocks * 512)
        block_size = blocks.SMALL if size <= blocks.SMALL else blocks.block_size(allocated)
        if size <= blocks.SMALL:
            return block_size, blocks.of_content(os.pread(fd, blocks.SMALL, 0))
        return block_size, blocks.of_file(fd, size, block_size)
    finally:
        os.close(fd)


def is_file(entry: Entry | None) -> bool:
    return entry is not None and entry.kind == FILE
