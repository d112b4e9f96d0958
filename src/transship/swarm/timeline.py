"""Where the time of a move goes, from the states that Swarm's own tasks went through. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from transship.swarm.model import STATES, Task, seconds_of

SpanName = Literal["orchestrate", "prepare", "stop", "wait", "start", "monitor"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A state of a task, and when it came into it: `at` is in seconds since 1970, by the clock of who told it.

    `old`: the task ran before the move began. Swarm keeps only the latest state of a task, and its manager takes
    reports in batches: states that follow each other closely are not seen.
    """

    task: str
    node: str
    state: str
    at: float
    old: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the move, in seconds since Swarm was told of the change. Parts of old and new tasks lie side by side.

    `orchestrate`: until a node was chosen for the new task. `prepare`: its node fetches the image and creates the
    container. `stop`: the old task has been told to end, and ends; its grace period is in this. `wait`: the new task is
    ready, and the old one has not ended. `start`: the container starts, until it runs and is healthy. `monitor`: Swarm
    watches the new task before it calls the update complete.
    """

    name: SpanName
    start_s: float
    seconds: float


class Sightings:
    """Collects states as they are seen. `old` are the tasks that there were before, as they were then.

    The states of these are left out: what is new is told by that, and not by the clocks of several machines.
    """

    def __init__(self, old: Collection[Task]) -> None:
        self._old = {task.id for task in old}
        self._before = {(task.id, task.state) for task in old}
        self._seen: dict[tuple[str, str], Sighting] = {}

    def note(self, tasks: Iterable[Task]) -> None:
        """Take down the states that these tasks are in."""
        for task in tasks:
            if (task.id, task.state) not in self._before:
                seen = Sighting(task.id, task.node, task.state, seconds_of(task.at), task.id in self._old)
                self._seen.setdefault((task.id, task.state), seen)

    @property
    def seen(self) -> tuple[Sighting, ...]:
        """All states that were entered since, oldest first."""
        return tuple(sorted(self._seen.values(), key=lambda each: (each.at, STATES.index(each.state))))


def spans(seen: Sequence[Sighting], told: tuple[float, float], monitored: float | None = None) -> tuple[Span, ...]:
    """The parts of a move of which Swarm was `told` first to end the old task, last to start the new one.

    Mostly both are the same moment. `monitored` is when Swarm had watched the new task for long enough.
    Of several tasks the last one counts: that is when the whole service has come so far. A part whose ends were not
    seen is left out.
    """
    began, changed = told
    new = [each for each in seen if not each.old]
    assigned = _last(new, "assigned", "accepted", "preparing")
    preparing = _last(new, "preparing", "accepted", "assigned")
    ready = _last(new, "ready")
    starting = _last(new, "starting")
    running = _last(new, "running")
    ended = _ended(seen)
    ends: tuple[tuple[SpanName, float | None, float | None], ...] = (
        ("orchestrate", changed, assigned),
        ("prepare", preparing, ready or starting),
        ("stop", began, ended),
        ("wait", ready, starting),
        ("start", starting or ready, running),
        ("monitor", running, monitored),
    )
    return tuple(Span(name, start - began, end - start) for name, start, end in ends if start and end and end >= start)


def gap(seen: Sequence[Sighting]) -> float | None:
    """Seconds between the end of the last old task and the start of the last new one; negative where both ran.

    The two nodes' own clocks tell it. None where one of the two was not seen.
    """
    running = _last([each for each in seen if not each.old], "running")
    ended = _ended(seen)
    return None if running is None or ended is None else running - ended


def _ended(seen: Iterable[Sighting]) -> float | None:
    """When the last old task had ended."""
    over = STATES[STATES.index("running") + 1 :]
    return max((each.at for each in seen if each.old and each.state in over), default=None)


def _last(seen: Iterable[Sighting], *states: str) -> float | None:
    """When the last task came into the first of these states that was seen at all."""
    found = list(seen)
    for state in states:
        times = [each.at for each in found if each.state == state]
        if times:
            return max(times)
    return None
