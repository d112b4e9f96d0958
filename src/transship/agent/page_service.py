"""Serves a restored process its pages until it has them all, whatever becomes of the agent, and then wipes them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from . import offspring
from .criu import complaint, environment
from .faults import AgentError
from .memory_folder import remove_tree

if TYPE_CHECKING:
    from .memory_folder import MemoryFolder

_SOCKET = "lazy-pages.socket"
_LOG = "lazy-pages.log"
_READY_SECONDS = 10.0
_KEEP = b"keep\n"


class PageService:
    """The service, from the agent's side. Until `keep` it ends with the agent, and the pages with it."""

    def __init__(self, folder: MemoryFolder, words: list[str]) -> None:
        """Start `criu lazy-pages` on the folder's images; `words` are more of its options. Raises `AgentError`."""
        self._process = offspring.start("page_service", [folder.path, *words], keep=[folder.lock])
        socket = os.path.join(folder.part("work"), _SOCKET)
        deadline = time.monotonic() + _READY_SECONDS
        while not os.path.exists(socket):
            if self._process.poll() is not None or time.monotonic() > deadline:
                reason = complaint(os.path.join(folder.part("work"), _LOG))
                self.stop()
                raise AgentError(f"CRIU cannot serve the pages: {reason or 'it does not begin'}", "ECRIU")
            time.sleep(0.002)

    def keep(self) -> None:
        """Let the service outlive the agent: the process that was restored lives on it."""
        with suppress(BrokenPipeError):  # it has delivered everything already
            self._process.stdin.write(_KEEP)  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def wait(self) -> None:
        """Wait until every page has been delivered. Raises `AgentError` where that failed."""
        _, said = self._process.communicate()
        if self._process.returncode:
            last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise AgentError(f"not all pages arrived: {last or 'their service was lost'}", "ECRIU")

    def stop(self) -> None:
        """End the service at once, whoever lives on it."""
        self._process.communicate()


def run() -> None:
    """Be the service: `FOLDER [OPTION...]`."""
    folder, words = sys.argv[1], sys.argv[2:]
    work = os.path.join(folder, "work")
    process = subprocess.Popen(
        ["criu", "lazy-pages", "--images-dir", os.path.join(folder, "images"), "--work-dir", work, "-o", _LOG, *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    leash = threading.Thread(target=_leash, args=(process,), daemon=True)
    leash.start()
    status = process.wait()
    for part in ("images", "small"):
        remove_tree(os.path.join(folder, part))
    if status:
        sys.stderr.write(complaint(os.path.join(work, _LOG)) + "\n")
    leash.join()  # whoever restores works in that folder until the agent says that it is done, or ends
    remove_tree(folder)
    sys.exit(1 if status else 0)


def _leash(process: subprocess.Popen[bytes]) -> None:
    """End the process where standard input ends without the word that keeps it."""
    word = b""
    while part := os.read(0, len(_KEEP)):
        word += part
    if word != _KEEP:
        process.kill()
