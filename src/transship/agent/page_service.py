"""Serves a restored process its pages until it has them all, whatever becomes of the agent, and then wipes them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from . import offspring, private_network
from .cgroup import end_all, has_processes
from .criu import complaint, environment
from .faults import AgentError
from .memory_folder import remove_tree

if TYPE_CHECKING:
    from .memory_folder import MemoryFolder

_SOCKET = "lazy-pages.socket"
_LOG = "lazy-pages.log"
_READY_SECONDS = 30.0
_SERVE, _KEEP, _STOP = b"serv\n", b"keep\n", b"stop\n"
"""What it is told, words of the same length."""
_REMOTE = "remote"
_LOOK_S = 0.5
_ALONE_S = 60.0
"""How long pages are kept for a container that has no processes, when nobody is there to say what becomes of them."""


class PageService:
    """The service, from the agent's side: begun beforehand, as nobody serves while its Python starts.

    Until `keep` it ends with the agent, and the pages with it.

    After that it ends when all pages are delivered, or by `stop`; where the agent is lost, also when the container has
    no processes that could need them.
    """

    def __init__(self, folder: MemoryFolder, container: str, *, remote: bool) -> None:
        """Have a process ready that can `serve`; `remote`: the pages come from the host of the dump.

        Where it ends too early the processes of `container` are killed: they would go on with zeros for memory.
        """
        self._work, self._images = folder.part("work"), folder.part("images")
        self._process = offspring.start(
            "page_service",
            [folder.path, container, str(folder.lock), *([_REMOTE] if remote else [])],
            before=private_network.UNSHARED if remote else (),
            keep=[folder.lock],
        )

    def serve(self) -> None:
        """Have CRIU serve pages from the images, which are all there now. Raises `AgentError` where it does not."""
        self._say(_SERVE)
        path = os.path.join(self._work, _SOCKET)
        deadline = time.monotonic() + _READY_SECONDS
        while not os.path.exists(path):
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = complaint(os.path.join(self._work, _LOG))
                said = self.stop()
                raise AgentError(f"CRIU cannot serve the pages: {log or said or 'it does not begin'}", "ECRIU")
            time.sleep(0.002)

    def keep(self) -> None:
        """Let the service outlive the agent: processes that are restored live on it."""
        self._say(_KEEP)

    def _say(self, word: bytes) -> None:
        with suppress(BrokenPipeError, ValueError):  # it has ended already, which may have been seen
            self._process.stdin.write(word)  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]

    def is_done(self, patience: float) -> bool:
        """Whether every page has been delivered, which is waited for so many seconds. Raises `AgentError`."""
        deadline = time.monotonic() + patience
        # The service goes on for as long as it is held; without images it has nothing left to do.
        while os.path.exists(self._images) and self._process.poll() is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        self._end()
        return True

    def _end(self) -> None:
        """Wait for its end. Raises `AgentError` where pages are missing."""
        _, said = self._process.communicate()
        if self._process.returncode:
            last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise AgentError(f"not all pages arrived: {last or 'their service was lost'}", "ECRIU")

    def stop(self) -> str:
        """End the service at once, whoever lives on it; returns what it said last."""
        self._say(_STOP)
        _, said = self._process.communicate()
        if self._process.returncode < 0:
            with suppress(ProcessLookupError):  # CRIU, which goes on where the service was killed
                os.killpg(self._process.pid, signal.SIGKILL)
        return said.decode("utf-8", "replace").strip().rpartition("\n")[2]


def run() -> None:
    """Be the service: `FOLDER CONTAINER LOCK [remote]`, LOCK being the number of the file that holds the folder."""
    folder, container, lock = sys.argv[1:4]
    if os.read(0, len(_SERVE)) != _SERVE:
        return  # it is not needed
    work = os.path.join(folder, "work")
    words = _connection(work) if sys.argv[4:] == [_REMOTE] else []
    process = subprocess.Popen(
        ["criu", "lazy-pages", "--images-dir", os.path.join(folder, "images"), "--work-dir", work, "-o", _LOG, *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[int(lock)],  # CRIU goes on where this process is killed: the images are needed for as long
    )
    leash = threading.Thread(target=_leash, args=(process, container), daemon=True)
    leash.start()
    status = process.wait()
    if status:
        end_all(container)  # first: whoever waits for the images to go takes processes that are there for complete
    for part in ("images", "small"):
        remove_tree(os.path.join(folder, part))
    if status:
        with suppress(BrokenPipeError):  # the agent is gone
            os.write(2, os.fsencode(complaint(os.path.join(work, _LOG))) + b"\n")
    leash.join()  # whoever restores works in that folder until the agent says that it is done, or ends
    remove_tree(folder)
    sys.exit(1 if status else 0)


def _connection(work: str) -> list[str]:
    """Be the page server that CRIU connects to; returns the options that say so. Its other end is handed on."""
    private_network.bring_up()
    server = socket.create_server(private_network.ADDRESS)
    listener = private_network.offer(work)

    def connect() -> None:
        with server:
            private_network.hand_over(listener, server.accept()[0])

    threading.Thread(target=connect, daemon=True).start()
    address, port = private_network.ADDRESS
    return ["--page-server", "--address", address, "--port", str(port)]


def _leash(process: subprocess.Popen[bytes], container: str) -> None:
    """End the process where standard input ends without the word that keeps it, or nobody can need it any more."""
    words = b""
    while part := os.read(0, len(_KEEP)):
        words += part
        if words.endswith(_STOP):
            break
    needed = time.monotonic()
    while words == _KEEP and process.poll() is None and time.monotonic() - needed < _ALONE_S:
        if has_processes(container):
            needed = time.monotonic()
        time.sleep(_LOOK_S)
    process.kill()
