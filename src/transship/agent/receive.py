from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from . import records
from .entry import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    FILE,
    LINK,
    SYMLINK,
    Entry,
    address,
    read_xattrs,
)
from .faults import AgentError, ProtocolError, from_os, shown
from .opendirs import OpenDirectories, open_below
from .overlay import not_followed
from .remove import remove
from .system import punch_hole, write_zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .walk import Single

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHANGE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NODES = {CHARACTER: stat.S_IFCHR, BLOCK: stat.S_IFBLK, FIFO: stat.S_IFIFO}


class _OpenFile(NamedTuple):
    """A large file whose data is arriving, in the directory that is open. `working` is the name that it has so far."""

    entry: Entry
    fd: int
    working: bytes
    name: bytes


class Receiver:
    """Makes a tree what the records say, whoever wrote them: nothing outside of the tree's root is touched.

    Every name is looked up in a directory that was opened without following symlinks. A file that is there is
    replaced at once when its new content is complete, large files that are patched aside. Where `devices` is false
    only whiteouts are made, which give access to nothing. `limit` bounds the bytes of content in this round, 0: not at
    all. With `single` only that file may come. Raises `ProtocolError` for what no sender sends and `AgentError` for
    what this host cannot do; what was made until then stays.
    """

    def __init__(self, root: int, single: Single | None = None, *, devices: bool = False, limit: int = 0) -> None:
        self._root = root
        self._single = single
        self._devices = devices
        self._limit = limit
        self._directories = OpenDirectories(root)
        self._path: list[bytes] = []
        self._times = [_times(root)]
        """For the root and each component of `_path` the times that it gets when it is left."""
        self._file: _OpenFile | None = None
        self._temporary = b".transship-" + os.urandom(8).hex().encode()
        self.count = 0
        self.bytes = 0

    def apply(self, record: records.Record) -> None:
        """Do what one record says."""
        self.count += 1
        try:
            self._dispatch(record)
        except OSError as error:
            raise from_os(error, _path_of(record, self._file)) from error

    def _dispatch(self, record: records.Record) -> None:
        if isinstance(record, (records.Data, records.Blank, records.Close)):
            self._change_file(record)
            return
        if self._file:
            raise ProtocolError(f"{shown(self._file.entry.path)}: another record before its end")
        if isinstance(record, records.Put):
            self._put(record)
        elif isinstance(record, records.Open):
            self._open(record)
        elif isinstance(record, records.Delete):
            name = self._enter_parent(record.path)
            remove(self._directories.fd, name)
        else:
            raise ProtocolError("a record that is not for the target")

    def finish(self) -> None:
        """Give all directories that are still open their times. After it nothing may be applied."""
        if self._file:
            raise ProtocolError(f"{shown(self._file.entry.path)}: the round ends inside of it")
        try:
            while self._path:
                self._leave()
            os.utime(self._root, ns=self._times[0])
        except OSError as error:
            raise from_os(error, b"\0".join(self._path)) from error

    def close(self) -> None:
        """Give up: close everything and take the unfinished file away, unless it was there before."""
        if self._file:
            os.close(self._file.fd)
            if self._file.working != self._file.name:
                os.unlink(self._file.working, dir_fd=self._directories.fd)
            self._file = None
        self._directories.close()

    # where

    def _enter_parent(self, path: bytes) -> bytes:
        """Make the directory that holds `path` the open one, and return the name in it."""
        if self._single:
            if path != self._single.path:
                raise ProtocolError(f"{shown(path)}: is not the file that was to come")
            return self._single.name
        *parents, name = path.split(b"\0")
        if parents != self._path:
            same = 0
            for mine, wanted in zip(self._path, parents):
                if mine != wanted:
                    break
                same += 1
            while len(self._path) > same:
                self._leave()
            for parent in parents[same:]:
                self._enter(parent)
        return name

    def _enter(self, name: bytes) -> None:
        self._directories.push(name)
        self._path.append(name)
        self._times.append(_times(self._directories.fd))

    def _leave(self) -> None:
        os.utime(self._directories.fd, ns=self._times.pop())
        self._directories.pop()
        self._path.pop()

    # what

    def _put(self, record: records.Put) -> None:
        entry = record.entry
        if self._single and entry.kind != FILE:
            raise ProtocolError(f"{shown(entry.path)}: is no file")
        if not entry.path:
            self._put_root(entry)
            return
        name = self._enter_parent(entry.path)
        fd = self._directories.fd
        if entry.kind == FILE:
            self._account(len(record.content))
            self._put_file(fd, name, entry, record.content)
        elif entry.kind == DIRECTORY:
            self._put_directory(fd, name, entry)
        elif entry.kind == LINK:
            self._put_link(fd, name, entry.target)
        else:
            with self._replacing(fd, name, lambda working: self._make_node(fd, working, entry)) as working:
                _dress_node(fd, working, entry)

    def _put_root(self, entry: Entry) -> None:
        if entry.kind != DIRECTORY:
            raise ProtocolError("the root of a tree is a directory")
        _dress(self._root, entry)
        self._times[0] = (entry.mtime_ns, entry.mtime_ns)

    def _put_directory(self, fd: int, name: bytes, entry: Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=fd)
                os.mkdir(name, 0o700, dir_fd=fd)
        self._enter(name)
        _dress(self._directories.fd, entry)
        self._times[-1] = (entry.mtime_ns, entry.mtime_ns)

    def _put_file(self, fd: int, name: bytes, entry: Entry, content: memoryview) -> None:
        opened: list[int] = []
        try:
            with self._replacing(fd, name, lambda working: opened.append(_create(fd, working))):
                _write(opened[0], content, 0)
                _dress(opened[0], entry)
                os.utime(opened[0], ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            for file in opened:
                os.close(file)

    def _put_link(self, fd: int, name: bytes, target: bytes) -> None:
        *parents, first = target.split(b"\0")
        directory = open_below(self._root, parents)
        try:
            status = os.stat(first, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                raise ProtocolError(f"{shown(target)}: a directory has one name only")
            if _is_same(fd, name, status):
                return  # renaming a name over another of the same file would leave both

            def link(working: bytes) -> None:
                os.link(first, working, src_dir_fd=directory, dst_dir_fd=fd, follow_symlinks=False)

            with self._replacing(fd, name, link):
                pass
        finally:
            os.close(directory)

    def _make_node(self, fd: int, name: bytes, entry: Entry) -> None:
        if entry.kind == SYMLINK:
            os.symlink(entry.target, name, dir_fd=fd)
            return
        whiteout = entry.kind == CHARACTER and entry.rdev == 0
        if entry.kind in (CHARACTER, BLOCK) and not whiteout and not self._devices:
            raise AgentError(f"{shown(entry.path)}: is a device, and devices are not allowed in this tree", "EPERM")
        device = os.makedev(entry.rdev >> 32, entry.rdev & 0xFFFFFFFF)
        os.mknod(name, _NODES[entry.kind] | 0o600, device, dir_fd=fd)

    @contextmanager
    def _replacing(self, fd: int, name: bytes, make: Callable[[bytes], None]) -> Iterator[bytes]:
        """Make `name`, beside what is there already, which it replaces when the block ends without an error."""
        working = self._begin(fd, name, make)
        try:
            yield working
            if working != name:
                os.rename(working, name, src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            os.unlink(working, dir_fd=fd)
            raise

    def _begin(self, fd: int, name: bytes, make: Callable[[bytes], None]) -> bytes:
        try:
            make(name)
        except FileExistsError:
            pass
        else:
            return name
        if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            remove(fd, name)
            make(name)
            return name
        make(self._temporary)
        return self._temporary

    # large files

    def _open(self, record: records.Open) -> None:
        entry = record.entry
        if not entry.path:
            raise ProtocolError("the root of a tree is a directory")
        name = self._enter_parent(entry.path)
        fd = self._directories.fd
        if record.patch:
            file = os.open(name, _CHANGE, dir_fd=fd)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise ProtocolError(f"{shown(entry.path)}: only a file can be patched")
            self._file = _OpenFile(entry, file, name, name)
            return
        opened: list[int] = []
        working = self._begin(fd, name, lambda working: opened.append(_create(fd, working)))
        self._file = _OpenFile(entry, opened[0], working, name)

    def _change_file(self, record: records.Data | records.Blank | records.Close) -> None:
        file = self._file
        if file is None:
            raise ProtocolError("data for no file")
        if isinstance(record, records.Close):
            self._complete(file, record.size)
            return
        if isinstance(record, records.Blank) and record.hole:
            punch_hole(file.fd, record.offset, record.length)
            return
        length = record.length if isinstance(record, records.Blank) else len(record.content)
        if record.offset + length > file.entry.size:
            raise ProtocolError(f"{shown(file.entry.path)}: data beyond its end")
        self._account(length)
        if isinstance(record, records.Blank):
            write_zeros(file.fd, record.offset, length)
        else:
            _write(file.fd, record.content, record.offset)

    def _complete(self, file: _OpenFile, size: int) -> None:
        os.ftruncate(file.fd, size)
        _dress(file.fd, file.entry)
        os.utime(file.fd, ns=(file.entry.mtime_ns, file.entry.mtime_ns))
        if file.working != file.name:
            fd = self._directories.fd
            os.rename(file.working, file.name, src_dir_fd=fd, dst_dir_fd=fd)
        self._file = None
        os.close(file.fd)

    def _account(self, count: int) -> None:
        self.bytes += count
        if self._limit and self.bytes > self._limit:
            raise AgentError(f"the source sends more than the {self._limit} bytes that were expected", "EDQUOT")


def _times(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_atime_ns, status.st_mtime_ns


def _create(fd: int, name: bytes) -> int:
    return os.open(name, _CREATE, 0o600, dir_fd=fd)


def _write(fd: int, content: memoryview, offset: int) -> None:
    while content:
        count = os.pwrite(fd, content, offset)
        content = content[count:]
        offset += count


def _is_same(fd: int, name: bytes, status: os.stat_result) -> bool:
    try:
        there = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino)


def _dress(fd: int, entry: Entry) -> None:
    """Owner first, which takes away set-id bits and capabilities; then the mode, then ACLs, which refine it."""
    os.fchown(fd, entry.uid, entry.gid)
    os.fchmod(fd, entry.mode)
    _set_xattrs(fd, entry)


def _dress_node(fd: int, name: bytes, entry: Entry) -> None:
    os.chown(name, entry.uid, entry.gid, dir_fd=fd, follow_symlinks=False)
    if entry.kind != SYMLINK:
        os.chmod(address(fd, name), entry.mode)  # just made by us: it is no symlink
    _set_xattrs(address(fd, name), entry)
    os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=fd, follow_symlinks=False)


def _set_xattrs(where: int | bytes, entry: Entry) -> None:
    """Make the attributes those of `entry`: others may be there, inherited from the directory's default ACL."""
    refused = not_followed(entry.xattrs)
    if refused:
        raise AgentError(f"{shown(entry.path)}: has {refused}, which overlayfs on this host does not follow", "EPERM")
    follow = isinstance(where, int)
    wanted = dict(entry.xattrs)
    there = dict(read_xattrs(where))
    for name in there:
        if name not in wanted:
            os.removexattr(where, name, follow_symlinks=follow)
    for name, value in wanted.items():
        if there.get(name) != value:
            os.setxattr(where, name, value, follow_symlinks=follow)


def _path_of(record: records.Record, file: _OpenFile | None) -> bytes:
    if isinstance(record, (records.Put, records.Open)):
        return record.entry.path
    if isinstance(record, records.Delete):
        return record.path
    return file.entry.path if file else b""
