"""Two agents on this machine, started as on any host, and what two trees are compared by."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transship.agent.blocks import extents
from transship.hosts.agent import BOOTSTRAP, Agent, Message
from transship.hosts.pair import Pair
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

ROOT = os.geteuid() == 0


def start_agent(name: str, python: str = sys.executable, on_event: Callable[[Message], None] = lambda _: None) -> Agent:
    process = subprocess.Popen(
        [python, "-I", "-B", "-c", BOOTSTRAP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    agent = Agent(name, process, on_event)
    agent.greet()
    return agent


@contextmanager
def local_pair(python: str = sys.executable) -> Iterator[AgentPair]:
    with AgentPair(start_agent("source", python), start_agent("target", python)) as pair:
        yield pair


def opened(pair: Pair, source: Path, target: Path, number: int = 0, *, empty: bool = True) -> TreeSync:
    tree = TreeSync(pair, number, TreePaths("data", str(source), str(target), devices=True, durable=False))
    tree.open(empty=empty)
    return tree


Attributes = dict[bytes, tuple[object, ...]]


def attributes(root: Path) -> Attributes:
    """Everything that has to be equal of two trees: all attributes, contents by bytes, hard links by their groups."""
    found: Attributes = {}
    first: dict[tuple[int, int], bytes] = {}
    base = os.fsencode(root)
    pending = [b""]
    while pending:
        path = pending.pop()
        full = base + (b"/" + path if path else b"")
        status = os.lstat(full)
        mode = status.st_mode
        if stat.S_ISSOCK(mode):
            continue
        content: object = None
        if stat.S_ISREG(mode):
            content = (status.st_size, data_of(full))
        elif stat.S_ISLNK(mode):
            content = os.readlink(full)
        elif stat.S_ISDIR(mode):
            pending += sorted((os.path.join(path, name) for name in os.listdir(full)), reverse=True)
        group = first.setdefault((status.st_dev, status.st_ino), path)
        xattrs = {
            name: os.getxattr(full, name, follow_symlinks=False) for name in os.listxattr(full, follow_symlinks=False)
        }
        found[path] = (mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_rdev, content, xattrs, group)
    return found


def data_of(path: bytes) -> list[tuple[int, bytes]]:
    """A file's content without its zeros: 4 KiB blocks with their offsets."""
    fd = os.open(path, os.O_RDONLY)
    try:
        found = []
        for start, stop in extents(fd, os.fstat(fd).st_size):
            for offset in range(start - start % 4096, stop, 4096):
                block = os.pread(fd, 4096, offset)
                if block.strip(b"\0"):
                    found.append((offset, block))
        return found
    finally:
        os.close(fd)
