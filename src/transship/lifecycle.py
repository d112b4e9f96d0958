"""The life of the two copies: fence, stop, release, start, prove, retire."""

import threading
import time
from dataclasses import dataclass
from typing import Literal

from transship.errors import ConflictError, HostError, NotFoundError, UnhealthyError
from transship.hosts.base import Host, Json
from transship.lender import retire_lender, stop_lender
from transship.metrics.downtime import Probe
from transship.metrics.events import Recorder
from transship.plan.steps import Move

POLL_S = 0.02
SETTLE_S = 0.5
"""How long the target's container must stay up, as some fall over a moment after they have begun."""


@dataclass(frozen=True, slots=True)
class Fence:
    """See to it that the source does not come back by itself, and that nobody else has begun to change it.

    A second move of the same container would find it renamed, fenced or stopped by the first.
    """

    container_id: str
    name: str
    running: bool
    restart_policy: Json
    phase: str = "fence"

    def describe(self) -> str:
        return "keep the source from restarting by itself"

    def run(self, move: Move) -> None:
        """Raises `ConflictError` if the source is not as it was when the plan was made."""
        inspected = move.source.docker.inspect_container(self.container_id)
        policy = inspected["HostConfig"].get("RestartPolicy") or {}
        found = inspected["Name"], inspected["State"]["Running"], policy.get("Name") or "no"
        if found != (f"/{self.name}", self.running, self.restart_policy.get("Name") or "no"):
            raise ConflictError(
                f"somebody has stopped, started, renamed or updated {self.name} on {move.source.name} "
                "since the plan was made",
                hint="see whether another move of it is under way, then try again",
            )
        move.custody.advance("fenced")
        for container in filter(None, (self.container_id, move.custody.record.lender)):
            move.source.docker.set_restart_policy(container, {"Name": "no"})


@dataclass(frozen=True, slots=True)
class StopSource:
    """Stop the source, with its own signal and grace period."""

    container_id: str
    phase: str = "stop"

    def describe(self) -> str:
        return "stop the source"

    def run(self, move: Move) -> None:
        move.custody.advance("stopping")
        move.source.docker.stop(self.container_id)
        stop_lender(move.source.docker, move.custody.record)


@dataclass(frozen=True, slots=True)
class FreezeSource:
    """Freeze the source where it stands. It stays so until it is killed, after the point of no return, or undone.

    A host that reboots meanwhile ends it, and the fence keeps it from starting again.
    """

    container_id: str
    phase: str = "freeze"

    def describe(self) -> str:
        return "freeze the source"

    def run(self, move: Move) -> None:
        move.custody.advance("stopping")
        move.source.docker.pause(self.container_id)


@dataclass(frozen=True, slots=True)
class ProveStopped:
    """See that nobody has started the source again: a systemd unit, an updater or a colleague may want it to run.

    `released`: the target serves already. Then a source that cannot be asked is no reason to go back, for which it
    would be needed; nothing on its host starts it by itself any more.
    """

    container_id: str
    released: bool = False
    phase: str = ""

    def describe(self) -> str:
        return "see that the source does not run"

    def run(self, move: Move) -> None:
        """Raises `ConflictError` if it runs. One that was removed does not."""
        try:
            state = move.source.docker.inspect_container(self.container_id)["State"]
        except NotFoundError:
            return
        except HostError:
            if self.released:
                return
            raise
        if state["Running"] and not state["Paused"]:
            raise ConflictError(
                f"somebody started the source on {move.source.name} again while it was being moved",
                hint="find out who: a systemd unit, an updater, docker compose; then try again",
            )


@dataclass(frozen=True, slots=True)
class Release:
    """Give the container out of the source's hands: from now on only the target may run it."""

    phase: str = "release"

    def describe(self) -> str:
        return "hand the container over"

    def run(self, move: Move) -> None:
        move.custody.advance("released")


@dataclass(frozen=True, slots=True)
class StartTarget:
    """Start the target's container, and let it restart by itself from now on if the source did."""

    restart_policy: Json
    phase: str = "start"

    def describe(self) -> str:
        return "start the container on the target"

    def run(self, move: Move) -> None:
        move.target.docker.start(move.made.container)
        move.target.docker.set_restart_policy(move.made.container, self.restart_policy)


@dataclass(frozen=True, slots=True)
class LetRestart:
    """Give the target's container, which stays stopped, the restart policy that the source had."""

    restart_policy: Json
    phase: str = "create"

    def describe(self) -> str:
        return "give the container its restart policy"

    def run(self, move: Move) -> None:
        # Docker starts nothing by itself that never ran: this holds from its first start on.
        move.target.docker.set_restart_policy(move.made.container, self.restart_policy)


@dataclass(frozen=True, slots=True)
class ProveHealthy:
    """Wait until the container serves on the target: its health check says so, and the probe answers."""

    probe: Probe | None
    timeout_s: float
    phase: str = ""

    def describe(self) -> str:
        return f"wait until {self.probe or 'the container'} answers"

    def run(self, move: Move) -> None:
        """Raises `UnhealthyError` when the container ends, is found unhealthy, or does not answer in time."""
        self.prove(move.target, move.made.container, move.recorder)

    def prove(self, target: Host, container: str, recorder: Recorder) -> None:
        """See `run`."""
        deadline = time.monotonic() + self.timeout_s
        with recorder.phase("healthy"):
            while not self._seen_serving(target, container, deadline):
                if time.monotonic() > deadline:
                    raise UnhealthyError(
                        f"{self._awaited(target)} within {self.timeout_s:g} s",
                        hint="a longer --health-timeout may help",
                    )
                threading.Event().wait(POLL_S)
        with recorder.phase("settle"):
            settled = time.monotonic() + SETTLE_S
            while time.monotonic() < settled:
                _state_of_running(target, container)
                threading.Event().wait(POLL_S)

    def _seen_serving(self, target: Host, container: str, deadline: float) -> bool:
        """A connection that is lost for a moment says nothing of the container: it is asked again."""
        try:
            return self._serves(target, container)
        except HostError:
            if time.monotonic() > deadline:
                raise
            return False

    def _serves(self, target: Host, container: str) -> bool:
        state = _state_of_running(target, container)
        health = (state.get("Health") or {}).get("Status", "none")
        if health == "unhealthy":
            raise UnhealthyError(f"the health check of the container fails on {target.name}")
        return health in {"healthy", "none"} and (self.probe is None or self.probe.answers(target.network_address))

    def _awaited(self, target: Host) -> str:
        if self.probe is None:
            return f"the container's health check did not pass on {target.name}"
        return f"{self.probe} did not answer on {target.name} ({target.network_address})"


@dataclass(frozen=True, slots=True)
class Retire:
    """After the point of no return: the source stays, stopped and under a name that says where it went, or is removed.

    Its volumes stay in both cases.
    """

    container_id: str
    name: str
    how: Literal["keep", "remove"]
    phase: str = "retire"

    def describe(self) -> str:
        return f"rename the source to {self.name}" if self.how == "keep" else "remove the source"

    def run(self, move: Move) -> None:
        docker = move.source.docker
        if self.how == "remove":
            docker.remove_container(self.container_id)
        elif docker.inspect_container(self.container_id)["Name"] != f"/{self.name}":  # its keeper may have done it
            docker.rename(self.container_id, self.name)
        retire_lender(docker, move.custody.record)


def _state_of_running(host: Host, container: str) -> Json:
    """The container's state. Raises `UnhealthyError` if it has ended or restarts."""
    inspected = host.docker.inspect_container(container)
    state: Json = inspected["State"]
    if not state.get("Running") or state.get("Restarting") or inspected.get("RestartCount"):
        raise UnhealthyError(
            f"the container ended on {host.name} soon after its start, with exit code {state.get('ExitCode')}",
            hint="it may miss something there: a device, a file, a neighbour; its logs on the source may tell",
        )
    return state
