from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from transship.errors import ConflictError
from transship.hosts.base import Docker
from transship.hosts.pair import Asked
from transship.plan.steps import Move


@dataclass(frozen=True, slots=True)
class KillSource:
    """After the point of no return: end the frozen source, none of whose processes runs again."""

    container_id: str
    phase: str = "kill"

    def describe(self) -> str:
        return "kill the frozen source"

    def run(self, move: Move) -> None:
        kill_frozen(move.source.docker, lambda: move.work.pair.source, self.container_id)


def kill_frozen(docker: Docker, agent: Callable[[], Asked], container: str) -> None:
    """End a frozen container, none of whose processes runs again. One that has ended is left alone.

    Raises `TransferError` where its processes cannot be reached; then it stays frozen.
    """
    state = docker.inspect_container(container)["State"]
    if state["Paused"]:
        agent().call("kill", container=container, pid=state["Pid"])
    with suppress(ConflictError):  # it has ended
        docker.kill(container)
