from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from . import blocks
from .ahead import digested
from .entry import DIRECTORY, FILE, LINK, Entry, digest, encode, kind_of, observe
from .faults import AgentError, from_os, shown
from .links import HardLinks, Leader
from .spool import inode_of, nlink_of, signature
from .walk import Found, Single, walk

if TYPE_CHECKING:
    from collections.abc import Iterator


class Item(NamedTuple):
    """One entry of a tree that nobody changes. `entry` is None for a socket, which does not travel."""

    found: Found
    entry: Entry | None


def inventory(root: int, single: Single | None = None) -> Iterator[Item]:
    """Everything in a tree, as a sender would describe it. Raises `AgentError` if something vanishes meanwhile."""
    links = HardLinks()
    for found in walk(root, vanished, single):
        yield Item(found, describe(found, links))


def describe(found: Found, links: HardLinks) -> Entry | None:
    """The entry of what a walk found; `links` are those of the walk. Raises `AgentError`."""
    kind = kind_of(found.status.st_mode)
    if kind is None:
        return None
    seen = signature(found.status)
    if nlink_of(seen) > 1 and kind != DIRECTORY:
        leader = links.leader(inode_of(seen))
        if leader:
            return Entry(found.path, LINK, target=leader.path)
        links.add(inode_of(seen), nlink_of(seen), Leader(found.path, seen, rewritten=False))
    try:
        return observe(found.path, found.fd, found.name, found.status)
    except OSError as error:
        raise from_os(error, found.path) from error


def vanished(path: bytes) -> None:
    """Raise `AgentError`: nobody should change the tree."""
    raise AgentError(f"{shown(path)}: vanished while the tree was read")


def open_file(found: Found) -> int:
    """Open a file of the inventory for reading."""
    fd = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=found.fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        vanished(found.path)
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
        return block_size, b"".join(packed for _, _, packed in digested(fd, size, block_size))
    finally:
        os.close(fd)


def is_file(entry: Entry | None) -> bool:
    return entry is not None and entry.kind == FILE
