import os
import threading
import time
from dataclasses import dataclass
from typing import Self

from transship.errors import ConflictError, TransferError
from transship.hosts.agent import Agent, Message
from transship.hosts.base import Host
from transship.live.refusals import explained

FOR_LOGS = 64 << 20
"""Room in bytes beside the pages: CRIU's other images, and its logs."""

_VISIT_S = 10.0
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class LiveSource:
    """The container that is moved while it runs, on its host.

    Called in this order: `prepare`, `freeze`, `dump`. It stays frozen then, and nothing is lost by stopping anywhere:
    `undo.restore_source` has it go on, with its connections, as packets that it could not send meanwhile are sent then.
    """

    host: Host
    agent: Agent
    container: str
    """Its id."""
    name: str
    """Of the folder for its images, the same on both hosts: hexadecimal digits."""
    pid: int
    terminal: bool
    memory_bytes: int
    established: bool
    """Whether its connections go on elsewhere."""
    options: tuple[str, ...] = ()
    """Lines of CRIU's configuration for the dump."""

    @classmethod
    def find(cls, host: Host, agent: Agent, container: str, *, name: str, established: bool) -> Self:
        """The running container of that name or id. Raises `ConflictError` where it does not run."""
        found = host.docker.inspect_container(container)
        if found["State"]["Status"] != "running":
            raise ConflictError(f"{container} on {host.name} is {found['State']['Status']}, not running")
        pid = int(found["State"]["Pid"])
        memory = int(agent.call("footprint", container=found["Id"], pid=pid)["bytes"])
        terminal = bool(found["Config"]["Tty"])
        watched = agent.call("watched", container=found["Id"], pid=pid)["paths"]
        options = (*_lock(agent), *(f"irmap-scan-path {path}" for path in watched))
        return cls(host, agent, found["Id"], name, pid, terminal, memory, established, options)

    @property
    def needed_bytes(self) -> int:
        """How much memory the images may take on a host."""
        return self.memory_bytes + FOR_LOGS

    def prepare(self) -> str:
        """Make room for the images, and have the way to the container's network ready; returns their folder."""
        images = self.agent.call("memory", folder=self.name, bytes=self.needed_bytes)["images"]
        self.agent.call("enter", pid=self.pid)
        return str(images)

    def freeze(self) -> None:
        """Let nothing more leave the container, then freeze its processes.

        In this order: an answer that was given after that is in the process's memory, unsent, and moves with it; and no
        connection comes into being that nobody has accepted, which CRIU refuses.

        Programs that `docker exec` has started cannot be dumped, and health checks are such: their end is waited for.
        Raises `ConflictError` where one does not end.
        """
        deadline = time.monotonic() + _VISIT_S
        self._await_visitors(deadline)
        self.agent.call("network", acts=["mute"])
        self.host.docker.pause(self.container)
        while self._is_visited():  # by one that came between; none comes where it is frozen
            self.host.docker.unpause(self.container)
            self._await_visitors(deadline)
            self.host.docker.pause(self.container)

    def _await_visitors(self, deadline: float) -> None:
        while self._is_visited():
            if time.monotonic() > deadline:
                raise ConflictError(
                    f"a health check, or another program that docker exec started, has run in {self.container[:12]} on "
                    f"{self.host.name} for {_VISIT_S:g} s, and cannot be dumped",
                    hint="end it, and try again; sync does without",
                )
            threading.Event().wait(_LOOK_S)

    def _is_visited(self) -> bool:
        return bool(self.host.docker.inspect_container(self.container).get("ExecIDs"))

    def dump(self, *, lazily: bool = False) -> int:
        """Write the images of the frozen container and return their size in bytes. It stays frozen.

        `lazily`: all but the pages that can come later, which then are given to the target over a `PageWay`. Raises
        `TransferError` with CRIU's own reason.
        """
        request: Message = {"container": self.container, "pid": self.pid, "terminal": self.terminal, "lazily": lazily}
        try:
            said = self.agent.call("dump", **request, established=self.established, options=list(self.options))
        except TransferError as error:
            raise TransferError(explained(str(error)), hint=error.hint) from error
        return int(said["bytes"])

    def speak(self) -> None:
        """Let packets leave again, for connections that end here."""
        self.agent.call("network", acts=["speak"])

    def wipe(self) -> None:
        """Take away the images. The container is as it was."""
        self.agent.call("wipe", paths=[])


def _lock(agent: Agent) -> tuple[str, ...]:
    """How CRIU keeps packets away while it reads sockets: with nftables where it can, in a moment."""
    feature = "network_lock_nftables"
    return ("network-lock nftables",) if agent.call("criu", features=[feature])["features"] else ()


def hexadecimal(path: str) -> str:
    """A path as requests to an agent hold it."""
    return os.fsencode(path).hex()
