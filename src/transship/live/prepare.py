"""What is made ready for a container's memory while the source serves."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from transship.errors import DockerError, NotFoundError, TransferError
from transship.hosts.agent import Agent, start_agent
from transship.hosts.base import Host, Json
from transship.hosts.facts import RootAccess
from transship.journal.stored import to_json
from transship.live.memory import Memory
from transship.live.pages import PageWay
from transship.live.sandbox import Surroundings, sandbox_body
from transship.live.source import LiveSource
from transship.live.target import LiveTarget
from transship.plan.steps import Move
from transship.sandbox.image import image_name, provide
from transship.sandbox.whole import sandbox_name
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec
from transship.transfer.relay import AgentPair


@dataclass(frozen=True, slots=True)
class CreateSandbox:
    """Create the container that has the network of `spec` on the target. It is not started."""

    spec: ContainerSpec
    architecture: str
    api_version: ApiVersion
    phase: str = "create"

    def describe(self) -> str:
        return f"create {sandbox_name(self.spec.name)}, which has the network of {self.spec.name}"

    def run(self, move: Move) -> None:
        docker, made = move.target.docker, move.made
        name = image_name(self.architecture)
        try:
            docker.inspect_image(name)
        except NotFoundError:
            made.sandbox_image = name
            move.custody.save()
        image = provide(docker, self.architecture)
        hostname = move.source.docker.inspect_container(move.custody.record.container_id)["Config"]["Hostname"]
        socket = move.work.pair.target.call("daemon", record=dict(to_json(move.custody.record)))["socket"]
        around = Surroundings(image, hostname, str(socket), self.api_version)
        body = sandbox_body(self.spec, around)
        made.sandboxing = True
        move.custody.save()
        try:
            made.sandbox = docker.create_container(sandbox_name(self.spec.name), body)
        except DockerError:  # refused: what is there of that name, somebody else has made
            made.sandboxing = False
            raise
        move.custody.save()


@dataclass(frozen=True, slots=True)
class PrepareMemory:
    """Make room for memory images on both hosts, and have all run that is needed when the processes stand still.

    `endpoints` are the networks of the sandbox. `established`: connections go on. `lazily`: memory comes later.
    """

    source_container: str
    endpoints: tuple[tuple[str, Json], ...]
    root: tuple[RootAccess, RootAccess]
    docker_root: str
    established: bool
    lazily: bool
    phase: str = "prepare"

    def describe(self) -> str:
        later = ", and the way for what comes later" if self.lazily else ""
        return f"make room in memory for the processes on both hosts{later}; start the sandbox, without an address"

    def run(self, move: Move) -> None:
        """Raises `TransferError` where memory is short."""
        reader, writer = self._agent(move, move.source, 0), self._agent(move, move.target, 1)
        made, established = move.made, self.established
        source = LiveSource.find(move.source, reader, self.source_container, name=move.id, established=established)
        target = LiveTarget(
            move.target, writer, self.docker_root, made.container, made.sandbox, self.endpoints, move.id, established
        )
        move.work.memory = Memory(source, target, AgentPair(reader, writer), self._way(move))
        move.resources.callback(partial(_leave, move))  # before the way of the pages is cut, which would be heard
        source.prepare()
        target.prepare(source.needed_bytes, remote=self.lazily)

    def _way(self, move: Move) -> PageWay | None:
        if not self.lazily:
            return None
        giver, taker = self._agent(move, move.source, 0), self._agent(move, move.target, 1)
        return move.resources.enter_context(PageWay(giver, taker, name=move.id, container=move.made.container))

    def _agent(self, move: Move, host: Host, side: int) -> Agent:
        return move.resources.enter_context(start_agent(host, self.root[side]))


def _leave(move: Move) -> None:
    """The move has ended, or is undone: images are wiped, and what was restored too early is never heard again."""
    memory = move.work.memory
    if not isinstance(memory, Memory):
        return
    for leave in (memory.target.wipe if _is_moved(move) else memory.target.abandon, memory.source.wipe):
        with suppress(TransferError):  # its agent is gone, and wipes when it ends
            leave()


def _is_moved(move: Move) -> bool:
    return move.custody.record.stage in {"committed", "ended"}
