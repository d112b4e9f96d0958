"""What must be true after every fault."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from tests.faults import workload
from tests.faults.arena import Arena, snapshot
from tests.faults.fault import Fault
from tests.faults.watch import Client, Watch, copies, executes
from transship.hosts.base import Json

_LATELY_S = 0.3

Line = tuple[str, str]
"""A log's name, and what the line says."""


@dataclass
class Evidence:
    """All that is known of one fault, when it is over. `before` is what the target had, `container` the source's id."""

    arena: Arena
    fault: Fault
    container: str
    before: dict[str, list[str]]
    watch: Watch
    client: Client

    def answered_lately(self) -> bool:
        """Whether a client has an answer of just now."""
        return bool(self.client.answers) and time.monotonic() - max(self.client.answers) < _LATELY_S

    @cached_property
    def moved(self) -> bool:
        return executes(self.arena.target)

    @cached_property
    def source_logs(self) -> dict[str, list[str]]:
        return workload.written(self.arena.source, self.container)

    @cached_property
    def final_logs(self) -> dict[str, list[str]]:
        return workload.written(self.arena.target, workload.NAME) if self.moved else self.source_logs

    @property
    def heard(self) -> set[Line]:
        """The last line that each writer has shown to a client."""
        return {(log, f"{number} {writer}") for (log, writer), number in self.client.heard.items()}


def broken(found: Evidence) -> list[str]:
    """The invariants that do not hold, in sentences."""
    if found.watch.both:
        return [f"two copies executed at once, {len(found.watch.both)} times seen"]
    running = [
        node.name for node in (found.arena.source, found.arena.target) for frozen in copies(node).values() if not frozen
    ]
    if len(running) != 1:
        return [f"{len(running)} copies execute at the end: {running}"]
    return [*_data(found), *_identity(found), *_nothing_left(found)]


def _data(found: Evidence) -> Iterator[str]:
    for log, lines in found.final_logs.items():
        numbers = [int(line.split()[0]) for line in lines]
        if any(after != before + 1 for before, after in pairwise([0, *numbers])):
            yield f"the {log}'s lines are not counted without a gap: {numbers[:3]} to {numbers[-3:]}"
    if found.moved and found.fault.variant != "stop-start":
        for log, lines in found.source_logs.items():
            if found.final_logs[log][: len(lines)] != lines:
                yield f"the {log} that arrived does not begin with what the source had at the stop"
    if lost := {line for line in _unaccounted(found) if line not in discarded(found)}:
        yield f"lines that a client was shown are lost: {sorted(lost)}"


def _unaccounted(found: Evidence) -> set[Line]:
    logs = [found.final_logs] if found.fault.variant != "stop-start" else [found.source_logs, found.final_logs]
    return {(log, line) for log, line in found.heard if not any(line in each[log] for each in logs)}


def discarded(found: Evidence) -> set[Line]:
    """What the target had shown to a client when it was taken back, before the point of no return."""
    if found.moved:
        return set()
    if found.fault.is_live and found.watch.target_executed:
        return _unaccounted(found)  # by the same writer, who went on there and was taken back
    ours = {line.split()[1] for lines in found.source_logs.values() for line in lines}
    return {(log, line) for log, line in _unaccounted(found) if line.split()[1] not in ours}


def _identity(found: Evidence) -> Iterator[str]:
    source, target, fault = found.arena.source, found.arena.target, found.fault
    here: Json = source.docker.inspect_container(found.container)
    policy = workload.policy_of(target.docker.inspect_container(workload.NAME) if found.moved else here)
    if policy != fault.policy:
        yield f"the copy that runs restarts {policy}, not {fault.policy}"
    if not found.moved:
        if here["Name"] != f"/{workload.NAME}":
            yield f"the source is called {here['Name']}"
        return
    if workload.policy_of(here) != "no":
        yield f"the source that was retired restarts {workload.policy_of(here)}"
    if ".moved-to." not in here["Name"]:
        yield f"the source that was retired is called {here['Name']}"
    if here["State"]["Running"]:
        yield f"the source that was retired is {here['State']['Status']}"


def _nothing_left(found: Evidence) -> Iterator[str]:
    arena = found.arena
    if len(snapshot(arena.source)["containers"]) != 1:
        yield f"the source has {snapshot(arena.source)['containers']}"
    now = snapshot(arena.target)
    if found.moved:
        if now["containers"] != [f"/{workload.NAME}", *([f"/{workload.NAME}-sandbox"] if found.fault.is_live else [])]:
            yield f"the target has {now['containers']}"
    elif now != found.before:
        yield from (
            f"the target has {now[kind]}, not {found.before[kind]}" for kind in now if now[kind] != found.before[kind]
        )
