import os
import threading
from contextlib import suppress
from typing import Self

from transship.errors import TransferError
from transship.hosts.agent import Agent

_CHUNK = 256 << 10


class PageWay:
    """The way of the pages from one host to the other while the process runs already: through this process.

    `source` and `target` are agents of their own, which do nothing else. Use it as a context manager, for as long as
    pages are missing: where it is cut before, the target kills the container, whose processes would go on with zeros.
    """

    def __init__(self, source: Agent, target: Agent, *, name: str, container: str) -> None:
        """`name` is that of the folder for the move's images, on both hosts; `container` the target's id."""
        self._source, self._target = source, target
        self._name, self._container = name, container
        self._threads = (
            threading.Thread(target=self._ask, name="pages wanted", daemon=True),
            threading.Thread(target=self._give, name="pages given", daemon=True),
        )
        self.bytes = 0
        """What has passed, of which nearly all are pages."""

    def open(self) -> None:
        """Connect to the source, which has been dumped. The target connects when its first page is missing."""
        self._source.call("pages", folder=self._name)
        self._target.request("pages", folder=self._name, container=self._container)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Cut the way. Twice is fine."""
        self._source.close()
        self._target.close()

    def _ask(self) -> None:
        with suppress(TransferError):  # what ends one direction ends the other: CRIU says why, on both hosts
            self._target.reply()
            self._carry(self._target, self._source)
        self._source.end_input()

    def _give(self) -> None:
        with suppress(TransferError):
            self._carry(self._source, self._target)
        self._target.end_input()

    def _carry(self, source: Agent, target: Agent) -> None:
        with suppress(OSError, ValueError):  # closed
            while data := os.read(source.output, _CHUNK):
                target.write(data)
                self.bytes += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
