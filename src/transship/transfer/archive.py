"""The archive of an image, read and edited beside the daemon that saves it, or here where no program can run there."""

import json
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from typing import IO, cast

from transship.agent.faults import AgentError
from transship.agent.image_filter import Edit, shorten
from transship.errors import CommandError, TransferError
from transship.hosts.agent import archive as program
from transship.hosts.base import Docker, Host
from transship.transfer.layers import Contents
from transship.transfer.stream import as_generator

_CHUNK = 1 << 18
_START = """\
import os, sys
fd = os.memfd_create("transship")
with open(fd, "wb", closefd=False) as file:
    file.write(sys.stdin.buffer.read())
sys.path.insert(0, "/proc/self/fd/%d" % fd)
from transship_agent.image_program import run
run()
"""
"""What the host's Python is given on its command line; the program comes on standard input and touches no disk."""


def read_contents(host: Host, image: str) -> Contents:
    """What `docker save` of an image gives on a host; it is read there. Raises `CommandError`, `UnreachableError`."""
    with closing(_output(host, ["contents", image])) as output:
        text = b"".join(output)
    try:
        return Contents.from_json(json.loads(text))
    except (ValueError, LookupError, TypeError) as error:
        raise CommandError(f"what {host.name} says of the archive of {image} cannot be read") from error


def read_beside(host: Host, image: str, edit: Edit) -> Iterator[bytes]:
    """Yield an image's archive, edited and gzipped on the host. Raises `CommandError` where it cannot be had whole.

    Closing the iterator ends the program over there.
    """
    return _output(host, ["save", image, json.dumps([sorted(edit.drop), edit.rename, edit.add])])


def _output(host: Host, words: Sequence[str]) -> Generator[bytes, None, None]:
    """What the program writes. It is whole only when the program has ended well: that is the last thing looked at."""
    with host.popen(["python3", "-I", "-B", "-c", _START, *words]) as process:
        stdin, stdout, stderr = (cast("IO[bytes]", each) for each in (process.stdin, process.stdout, process.stderr))
        try:
            with suppress(BrokenPipeError), stdin:  # a program that does not start says why
                stdin.write(program())
            while chunk := os.read(stdout.fileno(), _CHUNK):
                yield chunk
            said = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
            if process.wait() != 0:
                reason = said or f"the program ended with status {process.returncode}"
                raise CommandError(f"{host.name} cannot read the archive of its image: {reason}")
        finally:
            process.kill()


def read_here(docker: Docker, image: str, edit: Edit) -> Iterator[bytes]:
    """Yield an image's archive, edited in this process: all of it crosses from the source to here.

    Raises `TransferError` for what is no whole archive, and what `Docker.save` raises.
    """
    read_end, write_end = os.pipe()
    broken: list[Exception] = []

    def work() -> None:
        try:
            with os.fdopen(write_end, "wb") as out, closing(as_generator(docker.save([image]))) as chunks:
                shorten(cast("IO[bytes]", _Chunks(chunks)), out, edit)
        except Exception as error:  # noqa: BLE001 - it is raised where the archive is read
            broken.append(error)

    worker = threading.Thread(target=work, name="image archive", daemon=True)
    worker.start()
    try:
        with os.fdopen(read_end, "rb", buffering=0) as pipe:
            while chunk := pipe.read(_CHUNK):
                yield chunk
    finally:
        worker.join()
    if broken and isinstance(broken[0], AgentError):
        raise TransferError(str(broken[0])) from broken[0]
    if broken:
        raise broken[0]


class _Chunks:
    """A stream to read from, made of pieces of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0:
            self._rest = self._rest or next(self._chunks, b"")
            if not self._rest:
                break
            parts.append(self._rest[:size])
            self._rest = self._rest[size:]
            size -= len(parts[-1])
        return b"".join(parts)
