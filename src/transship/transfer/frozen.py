from contextlib import suppress
from dataclasses import dataclass

from transship.errors import ConflictError
from transship.plan.steps import Move


@dataclass(frozen=True, slots=True)
class KillSource:
    """After the point of no return: end the frozen source, none of whose processes runs again."""

    container_id: str
    phase: str = "kill"

    def describe(self) -> str:
        return "kill the frozen source"

    def run(self, move: Move) -> None:
        """Raises `TransferError` where its processes cannot be reached; then it stays frozen."""
        docker = move.source.docker
        state = docker.inspect_container(self.container_id)["State"]
        if state["Paused"]:
            move.work.pair.source.call("kill", container=self.container_id, pid=state["Pid"])
        with suppress(ConflictError):  # it has ended
            docker.kill(self.container_id)
