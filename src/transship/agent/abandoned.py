"""What a keeper does by itself when its coordinator is lost: see to it that the container serves on one host.

Only containers with the ids of the record are touched.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import resumption
from .docker_api import UnavailableError
from .faults import AgentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .docker_api import Docker
    from .migration_record import Migration

    Note = Callable[[str, str], None]

PATIENCE_S = 3600.0
"""How long Docker may fail before the keeper gives up."""

_AGAIN_S = 0.5
_LAST_S = 1.0
_SANDBOX_S = 20.0


class Rescue:
    """One side's part. `note(stage, detail)` writes down what came of it; an empty stage stays as it is."""

    def __init__(self, migration: Migration, docker: Docker, note: Note) -> None:
        self._migration = migration
        self._docker = docker
        self._note = note
        self._deadline = time.monotonic() + PATIENCE_S
        self._told = ""

    def run(self, side: str) -> None:
        """Do what is to be done. Where that cannot be, the stage stays and the detail says why."""
        action = _ACTIONS.get((side, self._migration.stage))
        if action is None:
            return
        try:
            action(self)
        except AgentError as error:
            self._note("", f"the coordinator was lost; then: {error}")

    def give_back(self) -> None:
        """Fenced only: the source has its restart policy again."""
        self._insist(self._source_serves)
        self._note("restored", f"the coordinator was lost {_now()}; the source has its restart policy again")

    def bring_back(self) -> None:
        """The source may have been told to stop, or to freeze: it serves again."""
        if self._migration.memory:
            self._insist(lambda: resumption.let_go(self._docker, self._migration))
        self._insist(self._settle)
        self._insist(self._source_serves)
        if self._migration.memory:
            self._insist(lambda: resumption.speak(self._docker, self._migration))
        self._note("restored", f"the coordinator was lost {_now()}; the source serves again")

    def put_aside(self) -> None:
        """The source must not run again: if it stands still, its name says that it has moved."""
        self._insist(self._rename)

    def leave_network(self) -> None:
        """The target has an address for what will not come: it gives that up."""
        if self._migration.memory and self._migration.sandbox:
            self._insist(lambda: self._docker.stop(self._migration.sandbox, _SANDBOX_S))

    def go_forward(self) -> None:
        """Only the target may run: it does."""
        if self._migration.memory:
            self._insist(lambda: resumption.complete(self._docker, self._migration))
        self._insist(self._target_serves)
        self._note("forward", f"the coordinator was lost {_now()}; the target was told to serve")

    def _insist(self, action: Callable[[], None]) -> None:
        """Do something that may be done twice until Docker does it. Raises `AgentError`."""
        while True:
            try:
                return action()
            except UnavailableError as error:
                if time.monotonic() >= self._deadline:
                    raise
                self._complain(str(error))
                time.sleep(_AGAIN_S)

    def _complain(self, sentence: str) -> None:
        """Write down what is waited for, once."""
        if sentence != self._told:
            self._told = sentence
            self._note("", f"the coordinator was lost; trying since {_now()}: {sentence}")

    def _settle(self) -> None:
        """A stop or freeze that the coordinator has asked for may still be under way: let it end first."""
        if self._migration.freeze:
            self._docker.pause(self._migration.source)
        elif self._migration.running:
            self._docker.stop(self._migration.source, max(self._deadline - time.monotonic(), _LAST_S))
            if self._migration.lender:
                self._docker.stop(self._migration.lender, _SANDBOX_S)

    def _source_serves(self) -> None:
        if self._migration.lender:
            self._docker.set_restart_policy(self._migration.lender, resumption.SANDBOX_POLICY)
            self._docker.start(self._migration.lender)
        self._serves(self._migration.source)

    def _target_serves(self) -> None:
        if not self._migration.target:
            raise AgentError("the record does not say which container it is on the target", "ERECORD")
        self._serves(self._migration.target)

    def _serves(self, container: str) -> None:
        """Have a container restart as it did, and run if it did, at the begin."""
        found = self._docker.inspect(container)
        wanted, has = self._migration.restart_policy, found["HostConfig"].get("RestartPolicy") or {}
        if ((has.get("Name") or "no"), has.get("MaximumRetryCount") or 0) != tuple(wanted.values()):
            self._docker.set_restart_policy(container, wanted)
        if not self._migration.running:
            return
        if found["State"]["Paused"]:
            self._docker.unpause(container)
        elif not found["State"]["Running"]:
            self._docker.start(container)

    def _rename(self) -> None:
        name = self._migration.retired_name
        found = self._docker.inspect(self._migration.source)
        policy = (found["HostConfig"].get("RestartPolicy") or {}).get("Name") or "no"
        if name and not found["State"]["Running"] and policy == "no" and found["Name"] != f"/{name}":
            self._docker.rename(self._migration.source, name)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


_ACTIONS: dict[tuple[str, str], Callable[[Rescue], None]] = {
    ("source", "fenced"): Rescue.give_back,
    ("source", "stopping"): Rescue.bring_back,
    ("source", "released"): Rescue.put_aside,
    ("source", "committed"): Rescue.put_aside,
    ("target", "fenced"): Rescue.leave_network,
    ("target", "stopping"): Rescue.leave_network,
    ("target", "released"): Rescue.go_forward,
}
