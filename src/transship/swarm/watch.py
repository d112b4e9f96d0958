"""Waiting for Swarm: until a service's tasks are where they shall be."""

import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from transship.errors import HostError, UnhealthyError
from transship.swarm.base import Swarm
from transship.swarm.model import Node, Service, Task
from transship.swarm.timeline import Sightings

POLL_S = 0.025
PENDING_S = 3.0
"""How long a task may find no node before that is taken for final."""
_OUT_OF_REACH_S = 30.0

_HALTED = {"paused", "rollback_started", "rollback_paused", "rollback_completed"}


@dataclass(frozen=True, slots=True)
class Goal:
    """`count` tasks run on these nodes, and none elsewhere.

    A task that shall end counts no more when its node is lost: nobody will ever tell that it has. But where none at all
    shall run it counts, as it may still be writing; unless `despite_lost`.
    """

    count: int
    nodes: frozenset[str]
    despite_lost: bool = False


@dataclass
class Watch:
    """Looks at a service's tasks again and again. `known` are those that were there before the change.

    A manager that cannot be reached for a moment is asked again, until the deadline of the wait.
    """

    swarm: Swarm
    service: str
    known: Collection[Task]
    sightings: Sightings = field(init=False)
    _old: frozenset[str] = field(init=False)
    _pending: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sightings = Sightings(self.known)
        self._old = frozenset(task.id for task in self.known)

    def arrive(self, goal: Goal, timeout_s: float, *, patient: bool = False) -> list[Task]:
        """Wait until the goal is reached, and return the tasks; `patient`: in spite of failures, as Swarm tries again.

        Raises `UnhealthyError` where a new task fails or finds no node, Swarm gives the update up, or time is over, and
        `HostError` where the manager is out of reach at the end of that time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                tasks, service = self._look()
                if self._reached(tasks, goal):
                    return tasks
                if not patient:
                    self._refuse(tasks, service)
                if time.monotonic() > deadline:
                    raise UnhealthyError(
                        f"{service.name} does not run as it should after {timeout_s:g} s: {self._describe(tasks)}",
                        hint="docker service ps tells why; a longer --timeout may help",
                    )
            except HostError:
                if time.monotonic() > deadline:
                    raise
            threading.Event().wait(POLL_S)

    def reached(self, goal: Goal) -> bool:
        """Whether the goal is reached right now. Raises `HostError` where the manager is out of reach."""
        return self._reached(self._look()[0], goal)

    def stay(self, goal: Goal, seconds: float) -> None:
        """See that the tasks stay where they are for a while.

        Raises `UnhealthyError` where one does not, and `HostError` where the manager stays out of reach.
        """
        until = time.monotonic() + seconds
        patience = until + _OUT_OF_REACH_S
        while time.monotonic() < until:
            try:
                tasks, service = self._look()
                self._refuse(tasks, service)
                if not self._reached(tasks, goal):
                    raise UnhealthyError(f"{service.name} did not stay up on its new node: {self._describe(tasks)}")
            except HostError:
                if time.monotonic() > patience:
                    raise
                until = time.monotonic() + seconds  # what was not seen is no proof
            threading.Event().wait(POLL_S)

    def settle(self, timeout_s: float) -> None:
        """Wait until Swarm has watched the new tasks for as long as the service wants.

        Raises `UnhealthyError` where one of them fails meanwhile.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                tasks, service = self._look()
                self._refuse(tasks, service)
                if service.update_state != "updating":
                    return
                if time.monotonic() > deadline:
                    raise UnhealthyError(f"Swarm still updates {service.name} after {timeout_s:g} s")
            except HostError:
                if time.monotonic() > deadline:
                    raise
            threading.Event().wait(POLL_S)

    def _look(self) -> tuple[list[Task], Service]:
        tasks = tasks_of(self.swarm, self.service)
        service = Service.read(self.swarm.service(self.service))
        self.sightings.note(tasks)
        return tasks, service

    def _refuse(self, tasks: Iterable[Task], service: Service) -> None:
        """Raise what keeps a new task from running for good."""
        for task in tasks:
            if task.id in self._old:
                continue
            if task.state in {"failed", "rejected"} or (task.ended and task.wanted):
                raise UnhealthyError(
                    f"a task of {service.name} {task.state} on its new node: {task.error or task.message}",
                    hint="docker service ps --no-trunc and the node's log tell more",
                )
            if not (task.state == "pending" and task.wanted and task.error and self._knows_nodes()):
                self._pending.pop(task.id, None)
            elif time.monotonic() - self._pending.setdefault(task.id, time.monotonic()) > PENDING_S:
                raise UnhealthyError(f"Swarm finds no node for {service.name}: {task.error}")
        if service.update_state in _HALTED:
            raise UnhealthyError(f"Swarm has given the update of {service.name} up: {service.update_message}")

    def _reached(self, tasks: Iterable[Task], goal: Goal) -> bool:
        alive = [task for task in tasks if not task.ended and (task.wanted or task.node)]
        wanted = [task for task in alive if task.wanted]
        if len(wanted) != goal.count or not all(task.running and task.node in goal.nodes for task in wanted):
            return False
        ending = {task.node for task in alive if not task.wanted}
        return not ending or ((goal.count > 0 or goal.despite_lost) and not ending & self._within_reach())

    def _knows_nodes(self) -> bool:
        """Not for a while after an election: the new leader has not heard of its nodes yet, and gives them no tasks."""
        return all(Node.read(each).state != "unknown" for each in self.swarm.nodes())

    def _within_reach(self) -> set[str]:
        return {node.id for node in map(Node.read, self.swarm.nodes()) if not node.lost}

    def _describe(self, tasks: Iterable[Task]) -> str:
        """What is waited for and what is in the way, for a person."""
        nodes = {node.id: node for node in map(Node.read, self.swarm.nodes())}
        said = [_said(task, nodes.get(task.node)) for task in tasks if not task.ended and (task.wanted or task.node)]
        return ", ".join(said) or "no task"


def _said(task: Task, node: Node | None) -> str:
    where = f" on {node.name if node else task.node}" if task.node else ""
    words = f"one is {task.state}{where}" if task.wanted else f"one that shall end is {task.state}{where}"
    why = task.error or ("its node is lost" if task.node and (node is None or node.lost) else "")
    return f"{words} ({why})" if why else words


def tasks_of(swarm: Swarm, service: str) -> list[Task]:
    """The tasks of a service, also the few ended ones that the swarm remembers."""
    return [Task.read(each) for each in swarm.tasks(service)]
