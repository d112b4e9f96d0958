"""Dumps all but the pages, then gives these to the one who asks for them, while the processes stay frozen."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from . import criu, dumping, offspring, private_network
from .faults import AgentError

if TYPE_CHECKING:
    from .memory_folder import MemoryFolder

_READY = b"ready\n"
_LOG = "dump.log"


class PageSource:
    """The dump, from the agent's side. It ends with the agent: without a coordinator nobody hears it anyway."""

    def __init__(self, container: criu.Container, folder: MemoryFolder, options: list[str]) -> None:
        """Dump all but the pages, and be ready to give these. Raises `AgentError` with CRIU's own reason."""
        words = criu.dump_command(container, folder, options)
        self._process = offspring.start(
            "page_source", [folder.path, *words], before=private_network.UNSHARED, keep=[folder.lock]
        )
        if self._process.stdout.readline() != _READY:  # type: ignore[union-attr]
            _, said = self._process.communicate()
            reason = criu.complaint(os.path.join(folder.part("work"), _LOG))
            raise AgentError(f"CRIU cannot dump it: {reason or said.decode('utf-8', 'replace').strip()}", "ECRIU")

    def stop(self) -> None:
        """End it at once. The container stays as it was before."""
        self._process.communicate()


def run() -> None:
    """Be the dump: `FOLDER WORD...`, the words being runc's, whose last is the container."""
    folder, words = sys.argv[1], sys.argv[2:]
    private_network.bring_up()
    ready, status = os.pipe()
    handle = dumping.begin(folder)
    address = "{}:{}".format(*private_network.ADDRESS)
    process = subprocess.Popen(
        [*words[:-1], "--lazy-pages", "--page-server", address, "--status-fd", str(status), words[-1]],
        env=criu.environment(criu.configuration_path(folder)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[status, handle],
        start_new_session=True,
    )
    os.close(status)
    if os.read(ready, 1):
        dumping.may_be_killed(handle, process.pid)
        listener = private_network.offer(os.path.join(folder, "work"))
        threading.Thread(target=_leash, args=(process,), daemon=True).start()
        threading.Thread(target=_connect, args=(listener,), daemon=True).start()
        with suppress(BrokenPipeError):  # the agent is gone, and so is the other end of the leash
            os.write(1, _READY)
    _, said = process.communicate()
    if process.returncode:
        reason = criu.complaint(os.path.join(folder, "work", _LOG))
        sys.stderr.write(reason or said.decode("utf-8", "replace").strip().rpartition("\n")[2])
    sys.exit(1 if process.returncode else 0)


def _connect(listener: socket.socket) -> None:
    private_network.hand_over(listener, socket.create_connection(private_network.ADDRESS))


def _leash(process: subprocess.Popen[bytes]) -> None:
    """End runc and CRIU where standard input ends."""
    while os.read(0, 1):
        pass
    os.killpg(process.pid, signal.SIGKILL)
