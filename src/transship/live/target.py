from dataclasses import dataclass

from transship.errors import DockerError, StepError
from transship.hosts.agent import Agent
from transship.hosts.base import Host, Json
from transship.live.refusals import explained
from transship.live.sandbox import NOWHERE
from transship.live.source import hexadecimal

FOLDERS = "/run/transship-live"
"""Where the agent has a folder in memory for each move."""

_RESTORE_OPTIONS = ("file-locks", "lazy-pages")
_FINISH_S = 0.5


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """The place where the container goes on: two containers, created and not started, on their host.

    Called in this order: `prepare`, `connect`, (images arrive,) `serve`, `restore`, `open`, `finished` until it is so.
    After a failure, or at any time before the point of no return, `abandon` ends what was restored without a word to
    anybody and wipes the images; it may be called twice.
    """

    host: Host
    agent: Agent
    docker_root: str
    container: str
    sandbox: str
    """Ids."""
    endpoints: tuple[tuple[str, Json], ...]
    """The networks of the sandbox, and what it is there."""
    name: str
    """Of the folder for the images, the same on both hosts."""
    established: bool
    """Whether connections go on."""

    def prepare(self, needed_bytes: int, *, remote: bool) -> str:
        """Have the sandbox run, without an address, and room for the images; returns where they belong.

        `remote`: pages will come over a `PageWay`.
        """
        docker = self.host.docker
        docker.start(self.sandbox)
        docker.disconnect(NOWHERE, self.sandbox)
        self.agent.call("enter", pid=docker.inspect_container(self.sandbox)["State"]["Pid"])
        self.agent.call("network", acts=["hush"])
        images = self.agent.call("memory", folder=self.name, bytes=needed_bytes)["images"]
        self.agent.call("ready", container=self.container, remote=remote)
        return str(images)

    def connect(self) -> None:
        """Give the sandbox the container's addresses, and tell its neighbours: what they send waits for an answer."""
        for network, endpoint in self.endpoints:
            self.host.docker.connect(network, self.sandbox, endpoint)
        self.agent.call("network", acts=["announce"])

    def serve(self) -> None:
        """Put the images that have arrived where the restore looks for them, and be ready to deliver the pages."""
        self.agent.call("split")
        self.agent.call(
            "checkpoint",
            container=self.container,
            root=hexadecimal(self.docker_root),
            options=["tcp-established" if self.established else "tcp-close", *_RESTORE_OPTIONS],
        )
        self.agent.call("serve")

    def restore(self) -> None:
        """Have the processes go on, and not end with this process. Raises `StepError` with CRIU's own reason.

        Their pages are delivered as they are asked for; `finished` says whether all are there.
        """
        self.agent.call("keep")
        try:
            self.host.docker.start(self.container, checkpoint=self.name)
        except DockerError as error:
            line = self.agent.call("complaint")["line"]
            reason = explained(line) if line else str(error)
            raise StepError(f"{self.host.name} cannot restore it: {reason}") from error

    def open(self) -> None:
        """Let it refuse what it does not want, as everything that it had is there now."""
        self.agent.call("network", acts=["unhush", "announce"])

    def finished(self) -> bool:
        """Whether all memory is there, which is waited for a moment. Raises `TransferError` where it will not be."""
        if not self.agent.call("served", seconds=_FINISH_S)["all"]:
            return False
        self.agent.call("wipe", paths=[self._checkpoint()])
        return True

    def abandon(self) -> None:
        """Let nothing be heard of what goes on here, end it, and wipe the images. Raises `TransferError`."""
        self.agent.call("network", acts=["mute"])
        self.agent.call("wipe", paths=[self._checkpoint()])

    def wipe(self) -> None:
        """Wipe the images that nobody lives on."""
        self.agent.call("wipe", paths=[self._checkpoint()])

    def _checkpoint(self) -> str:
        return hexadecimal(f"{self.docker_root}/containers/{self.container}/checkpoints/{self.name}")


def configuration_path(name: str) -> str:
    """Where a host has CRIU's options for the restore of this move, for as long as that takes."""
    return f"{FOLDERS}/{name}/criu.conf"
