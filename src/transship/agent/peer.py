from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from . import compress, control, frames
from .faults import AgentError, ProtocolError
from .frames import REPLY, REQUEST, Frame, write_all

if TYPE_CHECKING:
    pass

_TAIL_LINES = 20


class PeerFailed(Exception):  # noqa: N818 - it carries the peer's own words, which are the error
    """The peer answered where data was to come. `reply` is its answer, for whoever asked."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__("the peer failed")
        self.reply = reply


class Peer:
    """The same program on another host, which this one logs in to by itself.

    `words` are what ssh is told, the host and the program's start among them. `known_hosts` are the only host keys
    that it believes; they are in no file. It logs in with the ssh-agent that was forwarded to here.
    """

    def __init__(self, words: list[str], known_hosts: bytes) -> None:
        self._known_hosts = os.memfd_create("known_hosts")
        write_all(self._known_hosts, known_hosts)
        # By way of this process, as ssh closes what it inherits.
        file = f"/proc/{os.getpid()}/fd/{self._known_hosts}"
        self._process = subprocess.Popen(
            ["ssh", "-o", f"UserKnownHostsFile={file}", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._listener = threading.Thread(target=self._listen, name="peer", daemon=True)
        self._listener.start()
        self.input, self._output = _fileno(self._process.stdin), _fileno(self._process.stdout)
        frames.widen(self.input)
        frames.widen(self._output)

    def greet(self) -> dict[str, Any] | None:
        """Send this program over and return what it says of itself; None where it does not start."""
        with open(sys.path[0], "rb") as file:  # the archive that this program runs from
            program = file.read()
        try:
            write_all(self.input, b"%08x" % len(program) + program)
            return control.loads(self.frame(REPLY).payload)
        except (AgentError, BrokenPipeError):
            return None

    def last_words(self) -> str:
        """What ssh and the peer have said on standard error, once both have ended."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        return "\n".join(self._tail)

    def ask(self, request: dict[str, Any]) -> None:
        """Pass a request on. The answer is to be read with `reply`."""
        payload = control.dumps(request).encode("ascii")
        write_all(self.input, frames.encode(Frame(REQUEST, compress.NONE, payload)))

    def frame(self, kind: int) -> Frame:
        """The next frame, which is of this kind. Raises `PeerFailed` where it is an answer instead."""
        found = frames.read(lambda limit: os.read(self._output, limit))
        if found is None:
            said = self.last_words().splitlines()
            raise AgentError(f"the agent on the other host was lost: {said[-1] if said else 'it ended'}")
        if found.type == REPLY != kind:
            raise PeerFailed(control.loads(found.payload))
        if found.type != kind:
            raise ProtocolError("the other host sent a frame that no request had announced")
        return found

    def reply(self) -> dict[str, Any]:
        """Wait for the answer."""
        return control.loads(self.frame(REPLY).payload)

    def _listen(self) -> None:
        if self._process.stderr:
            for line in self._process.stderr:
                self._tail.append(line.decode("utf-8", "replace").rstrip())


def _fileno(pipe: Any) -> int:
    number: int = pipe.fileno()
    return number
