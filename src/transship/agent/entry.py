from __future__ import annotations

import errno
import hashlib
import os
import stat
import struct
from typing import NamedTuple

from .faults import ProtocolError, shown

FILE, DIRECTORY, SYMLINK, CHARACTER, BLOCK, FIFO, LINK = range(1, 8)
_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK,
    stat.S_IFIFO: FIFO,
}

NOT_MOVED = frozenset(
    [
        # A label belongs to the policy of its host; the target gives its own.
        "security.selinux",
        # Signed over the inode's number.
        "security.evm",
        # Where overlayfs notes handles of inodes of this very host.
        "trusted.overlay.origin",
        "trusted.overlay.impure",
        "trusted.overlay.nlink",
        "trusted.overlay.index",
        "trusted.overlay.upper",
        "trusted.overlay.uuid",
    ]
)
_NO_XATTRS = (errno.ENOTSUP, errno.ENOSYS)
_FIXED = struct.Struct(">BIIIqQQIII")
_XATTR = struct.Struct(">HI")
_MAX_NAME = 255
_MODES = 0o7777
_DEVICES = 0xFFF << 32 | 0xFFFFF
"""The numbers that Linux gives to devices: 12 bits and 20."""
_NOBODY = 0xFFFFFFFF


class Entry(NamedTuple):
    """One name in a tree, with everything that has to arrive.

    `path` is the components joined by NUL, which no name can hold and which sorts before all others: comparing two
    paths as bytes gives the order of a walk. The root is empty. `kind` is one of the constants above; a `LINK` says
    only that it is the same file as `target`, the path that came first. `size` is that of a file's content.
    """

    path: bytes
    kind: int
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    rdev: int = 0
    size: int = 0
    target: bytes = b""
    xattrs: tuple[tuple[str, bytes], ...] = ()


def kind_of(mode: int) -> int | None:
    """The kind for an `st_mode`, None for what does not travel (sockets)."""
    return _KINDS.get(stat.S_IFMT(mode))


def observe(path: bytes, fd: int, name: bytes, status: os.stat_result) -> Entry:
    """All of an entry but its content. `fd` is the directory that holds `name`, `status` what lstat said of it."""
    mode = status.st_mode
    kind = _KINDS[stat.S_IFMT(mode)]
    device = kind in (CHARACTER, BLOCK)
    return Entry(
        path,
        kind,
        stat.S_IMODE(mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        (os.major(status.st_rdev) << 32 | os.minor(status.st_rdev)) if device else 0,
        status.st_size if kind == FILE else 0,
        os.readlink(name, dir_fd=fd) if kind == SYMLINK else b"",
        read_xattrs(address(fd, name)),
    )


def address(fd: int, name: bytes) -> bytes:
    """A path for the calls that take no directory descriptor. Its length does not depend on the tree's depth."""
    return b"/proc/self/fd/%d/%s" % (fd, name)


def read_xattrs(where: int | bytes) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes that travel, sorted: ACLs and capabilities are among them. A symlink is not followed."""
    follow = isinstance(where, int)
    try:
        names = os.listxattr(where, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return ()
        raise
    found = []
    for name in sorted(names):
        if name in NOT_MOVED:
            continue
        try:
            found.append((name, os.getxattr(where, name, follow_symlinks=follow)))
        except OSError as error:
            if error.errno != errno.ENODATA:  # else it was taken away since it was listed
                raise
    return tuple(found)


def encode(entry: Entry) -> bytes:
    """The entry's bytes, the same on every host."""
    xattrs = b""
    for name, value in entry.xattrs:
        raw = os.fsencode(name)
        xattrs += _XATTR.pack(len(raw), len(value)) + raw + value
    path, target = entry.path, entry.target
    return b"".join([_FIXED.pack(*entry[1:8], len(path), len(target), len(xattrs)), path, target, xattrs])


def decode(data: memoryview, offset: int) -> tuple[Entry, int]:
    """The entry at `offset` of `data` and where it ends. Raises `ProtocolError`."""
    try:
        *numbers, path_length, target_length, xattr_length = _FIXED.unpack_from(data, offset)
    except struct.error as error:
        raise ProtocolError("an entry is cut short") from error
    start = offset + _FIXED.size
    middle = start + path_length
    last = middle + target_length
    end = last + xattr_length
    if end > len(data):
        raise ProtocolError("an entry is cut short")
    path = bytes(data[start:middle])
    check_path(path)
    xattrs = tuple(_decode_xattrs(data[last:end]))
    entry = Entry._make((path, *numbers, bytes(data[middle:last]), xattrs))
    if not FILE <= entry.kind <= LINK or entry.mode > _MODES or entry.size >> 63 or _NOBODY in entry[3:5]:
        raise ProtocolError(f"{shown(path)}: impossible attributes")
    if entry.rdev & ~(_DEVICES if entry.kind in (CHARACTER, BLOCK) else 0):
        raise ProtocolError(f"{shown(path)}: not the number of a device")
    if entry.kind == LINK:
        check_path(entry.target)
    if entry.kind == SYMLINK and (not entry.target or b"\0" in entry.target):
        raise ProtocolError(f"{shown(path)}: a symlink to nothing")
    return entry, end


def _decode_xattrs(data: memoryview) -> list[tuple[str, bytes]]:
    found = []
    offset = 0
    while offset < len(data):
        if offset + _XATTR.size > len(data):
            raise ProtocolError("an extended attribute is cut short")
        name_length, value_length = _XATTR.unpack_from(data, offset)
        middle = offset + _XATTR.size + name_length
        offset = middle + value_length
        if offset > len(data):
            raise ProtocolError("an extended attribute is cut short")
        name = os.fsdecode(bytes(data[middle - name_length : middle]))
        if not name or "\0" in name or name in NOT_MOVED:
            raise ProtocolError(f"an extended attribute named {name!r} does not travel")
        found.append((name, bytes(data[middle:offset])))
    return found


def check_path(path: bytes) -> None:
    """Raise `ProtocolError` unless every component is a plain name. The empty path, the root, is one."""
    if not path:
        return
    for name in path.split(b"\0"):
        if name in (b"", b".", b"..") or b"/" in name or len(name) > _MAX_NAME:
            raise ProtocolError(f"{shown(path)}: not a path inside the tree")


def digest(data: bytes) -> bytes:
    """What stands for `data` in states and manifests: 128 bits of SHA-256, which current processors compute fastest."""
    return hashlib.sha256(data).digest()[:16]
