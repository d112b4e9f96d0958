"""The archive of an image, read and edited beside the daemon that saves it, or here where no program can run there."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import IO, cast

from transship.agent.faults import AgentError
from transship.agent.image_filter import Edit, shorten
from transship.errors import CommandError, TransferError
from transship.hosts.base import Docker, Host
from transship.transfer.beside import output
from transship.transfer.layers import Contents
from transship.transfer.stream import as_generator

_CHUNK = 1 << 18


def read_contents(host: Host, image: str) -> Contents:
    """What `docker save` of an image gives on a host; it is read there. Raises `CommandError`, `UnreachableError`."""
    with closing(output(host, ["contents", image])) as printed:
        text = b"".join(printed)
    try:
        return Contents.from_json(json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise CommandError(f"what {host.name} says of the archive of {image} cannot be read") from error


def read_beside(host: Host, image: str, edit: Edit) -> Iterator[bytes]:
    """Yield an image's archive, edited and gzipped on the host. Raises `CommandError` where it cannot be had whole.

    Closing the iterator ends the program over there.
    """
    return output(host, ["save", image, json.dumps([sorted(edit.drop), edit.rename, edit.add])])


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
