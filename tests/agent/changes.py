"""Random trees and random changes to them: operations on a few paths, so that they meet."""

import os
import shutil
import socket
import stat
import struct
from collections.abc import Callable
from contextlib import chdir, suppress
from functools import partial
from pathlib import Path

from hypothesis import strategies as st

Change = Callable[[bytes], None]

_NAMES = [b"a", b"b", b"a.", b"c\xff", b"d\n", "é".encode(), b"x" * 255]
_PATHS = st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3).map(b"/".join)
_SIZES = st.sampled_from([0, 1, 300, 4096, 65536, 65537, 90_000, 300_000])
_TIMES = st.sampled_from([0, 1, 999_999_999, 1_700_000_000_123_456_789, 4_000_000_000_000_000_001])
_IDS = st.sampled_from([0, 1, 1000, 100_000, 4_000_000_000])
_ACL = struct.pack(
    "<I" + "HHI" * 5, 2, 1, 7, 2**32 - 1, 2, 6, 12345, 4, 5, 2**32 - 1, 16, 7, 2**32 - 1, 32, 1, 2**32 - 1
)
_CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
_XATTRS = st.sampled_from(
    [
        ("user.one", b"1"),
        ("user.one", b"2\0\n"),
        ("user.two", b""),
        ("trusted.overlay.opaque", b"y"),
        ("security.capability", _CAPABILITY),
        ("system.posix_acl_access", _ACL),
        ("system.posix_acl_default", _ACL),
    ]
)


def _bytes(size: int, seed: int) -> bytes:
    return (bytes([seed, seed ^ 255, 1, 2, 3, 4, 5]) * (size // 7 + 1))[:size]


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody to read a FIFO."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def write(path: bytes, size: int, seed: int, root: bytes) -> None:
    with open(root + path, "wb", opener=_at_once) as file:
        file.write(_bytes(size, seed))


def overwrite(path: bytes, at: int, size: int, seed: int, root: bytes) -> None:
    with open(root + path, "r+b") as file:
        file.seek(at)
        file.write(_bytes(size, seed))


def punch(path: bytes, size: int, root: bytes) -> None:
    """A hole from the middle to a new end."""
    with open(root + path, "r+b") as file:
        file.truncate(size // 2)
        file.truncate(size)


def remove(path: bytes, root: bytes) -> None:
    if stat.S_ISDIR(os.lstat(root + path).st_mode):
        shutil.rmtree(root + path)
    else:
        os.unlink(root + path)


def make_folder(path: bytes, root: bytes) -> None:
    os.makedirs(root + path)


def symlink(path: bytes, target: bytes, root: bytes) -> None:
    os.symlink(target, root + path)


def node(path: bytes, kind: int, device: int, root: bytes) -> None:
    os.mknod(root + path, kind | 0o640, device)


def listen(path: bytes, root: bytes) -> None:
    folder, _, name = (root + path).rpartition(b"/")
    if len(name) < 100:
        with chdir(folder), socket.socket(socket.AF_UNIX) as listener:
            listener.bind(name)


def link(path: bytes, other: bytes, root: bytes) -> None:
    os.link(root + path, root + other, follow_symlinks=False)


def rename(path: bytes, other: bytes, root: bytes) -> None:
    os.rename(root + path, root + other)


def swap(path: bytes, other: bytes, root: bytes) -> None:
    aside = root + b"aside"
    os.rename(root + path, aside)
    os.rename(root + other, root + path)
    os.rename(aside, root + other)


def chmod(path: bytes, mode: int, root: bytes) -> None:
    if not stat.S_ISLNK(os.lstat(root + path).st_mode):
        os.chmod(root + path, mode)


def chown(path: bytes, uid: int, gid: int, root: bytes) -> None:
    os.lchown(root + path, uid, gid)


def touch(path: bytes, when: int, root: bytes) -> None:
    os.utime(root + path, ns=(when, when), follow_symlinks=False)


def set_xattr(path: bytes, attribute: tuple[str, bytes], root: bytes) -> None:
    os.setxattr(root + path, attribute[0], attribute[1], follow_symlinks=False)


def remove_xattr(path: bytes, attribute: tuple[str, bytes], root: bytes) -> None:
    os.removexattr(root + path, attribute[0], follow_symlinks=False)


_SEEDS = st.integers(0, 255)
_NODES = st.sampled_from(
    [(stat.S_IFIFO, 0), (stat.S_IFCHR, 0), (stat.S_IFCHR, os.makedev(1, 3)), (stat.S_IFBLK, os.makedev(259, 70000))]
)
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(partial, st.just(write), _PATHS, _SIZES, _SEEDS),
    st.builds(partial, st.just(write), _PATHS, _SIZES, _SEEDS),
    st.builds(partial, st.just(make_folder), _PATHS),
    st.builds(partial, st.just(make_folder), _PATHS),
    st.builds(partial, st.just(overwrite), _PATHS, _SIZES, _SIZES, _SEEDS),
    st.builds(partial, st.just(punch), _PATHS, _SIZES),
    st.builds(partial, st.just(remove), _PATHS),
    st.builds(partial, st.just(symlink), _PATHS, _PATHS),
    st.builds(lambda path, kind: partial(node, path, *kind), _PATHS, _NODES),
    st.builds(partial, st.just(listen), _PATHS),
    st.builds(partial, st.just(link), _PATHS, _PATHS),
    st.builds(partial, st.just(link), _PATHS, _PATHS),
    st.builds(partial, st.just(rename), _PATHS, _PATHS),
    st.builds(partial, st.just(swap), _PATHS, _PATHS),
    st.builds(partial, st.just(chmod), _PATHS, st.integers(0, 0o7777)),
    st.builds(partial, st.just(chown), _PATHS, _IDS, _IDS),
    st.builds(partial, st.just(touch), _PATHS, _TIMES),
    st.builds(partial, st.just(set_xattr), _PATHS, _XATTRS),
    st.builds(partial, st.just(remove_xattr), _PATHS, _XATTRS),
)


def apply(changes: list[Change], root: Path) -> None:
    """Do what is possible of the changes; what the tree does not allow just then is left out."""
    for change in changes:
        with suppress(OSError):
            change(os.fsencode(root) + b"/")
