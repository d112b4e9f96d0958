import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from transship.errors import ConflictError, DockerError, TransferError
from transship.hosts.agent import Agent, Message
from transship.hosts.base import Host
from transship.live.refusals import explained

FOR_LOGS = 64 << 20
"""Room in bytes beside the pages: CRIU's other images, and its logs."""


@dataclass(frozen=True, slots=True)
class LiveSource:
    """The container that is moved while it runs, on its host.

    Called in this order: `prepare`, `freeze`, `dump`, then either `thaw` or, when it serves elsewhere, `end`. Until
    `end` nothing is lost by stopping anywhere: `thaw` has the container go on, its connections included, as packets
    that it could not send meanwhile are sent then. `thaw` may be called at any time and twice.
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
    options: tuple[str, ...] = ()
    """Lines of CRIU's configuration for the dump."""

    @classmethod
    def find(cls, host: Host, agent: Agent, container: str, *, name: str) -> Self:
        """The running container of that name or id. Raises `ConflictError` where it does not run."""
        found = host.docker.inspect_container(container)
        if found["State"]["Status"] != "running":
            raise ConflictError(f"{container} on {host.name} is {found['State']['Status']}, not running")
        pid = int(found["State"]["Pid"])
        memory = int(agent.call("footprint", container=found["Id"], pid=pid)["bytes"])
        return cls(host, agent, found["Id"], name, pid, bool(found["Config"]["Tty"]), memory, _lock(agent))

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

        In this order: an answer that was given after that is in the process's memory, unsent, and moves with it.
        """
        self.agent.call("network", acts=["mute"])
        self.host.docker.pause(self.container)

    def dump(self, *, lazily: bool = False) -> int:
        """Write the images of the frozen container and return their size in bytes. It stays frozen.

        `lazily`: all but the pages that can come later, which then are given to the target over a `PageWay`. Raises
        `TransferError` with CRIU's own reason.
        """
        request: Message = {"container": self.container, "pid": self.pid, "terminal": self.terminal, "lazily": lazily}
        try:
            said = self.agent.call("dump", **request, options=list(self.options))
        except TransferError as error:
            raise TransferError(explained(str(error)), hint=error.hint) from error
        return int(said["bytes"])

    def thaw(self) -> None:
        """Have the container go on as if nothing had happened, and say to its neighbours that it is here."""
        with suppress(DockerError):  # it was not frozen
            self.host.docker.unpause(self.container)
        self.agent.call("network", acts=["speak", "announce"])
        self.agent.call("wipe", paths=[])

    def end(self) -> None:
        """Kill the frozen container, none of whose processes runs again and nothing of which is heard any more."""
        with suppress(TransferError):
            self.agent.call("kill", container=self.container, pid=self.pid)
        with suppress(ConflictError):  # it has ended
            self.host.docker.kill(self.container)
        self.agent.call("wipe", paths=[])


def _lock(agent: Agent) -> tuple[str, ...]:
    """How CRIU keeps packets away while it reads sockets: with nftables where it can, in a moment."""
    feature = "network_lock_nftables"
    return ("network-lock nftables",) if agent.call("criu", features=[feature])["features"] else ()


def hexadecimal(path: str) -> str:
    """A path as requests to an agent hold it."""
    return os.fsencode(path).hex()
