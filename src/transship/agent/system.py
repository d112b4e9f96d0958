"""What the standard library has no call for. Without ctypes: the Python of a minimal installation has none."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess

_SPACE = struct.Struct("hhqqiI4i")
_PUNCH_HOLE = 1 << 30 | _SPACE.size << 16 | ord("X") << 8 | 43
_UNSUPPORTED = (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL)
_ZEROS = bytes(256 << 10)


def punch_hole(fd: int, offset: int, length: int) -> None:
    """Make a part of a file a hole; where the file system has none, write zeros."""
    try:
        fcntl.ioctl(fd, _PUNCH_HOLE, _SPACE.pack(0, os.SEEK_SET, offset, length, 0, 0, 0, 0, 0, 0))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        write_zeros(fd, offset, min(length, os.fstat(fd).st_size - offset))


def write_zeros(fd: int, offset: int, length: int) -> None:
    """Write zeros: unlike a hole they take space."""
    while length > 0:
        count = os.pwrite(fd, _ZEROS[:length] if length < len(_ZEROS) else _ZEROS, offset)
        offset += count
        length -= count


def sync(fd: int) -> None:
    """Have all of the file system that `fd` is on written to disk, and where that cannot be said, of all file systems.

    It also makes the kernel note, in a file's ctime, the next change through each shared memory mapping: until then
    only the first change after the previous write-back was noted.
    """
    try:
        done = subprocess.run(["sync", "-f", f"/proc/self/fd/{fd}"], pass_fds=[fd], capture_output=True, check=False)
    except FileNotFoundError:
        os.sync()
        return
    if done.returncode:
        os.sync()
