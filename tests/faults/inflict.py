"""What each kind of fault does, and what its end is if it has one."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.arena import Arena, agents, masters, running_with, sessions
from tests.faults.coordinating import Coordinator
from tests.faults.fault import Fault

BLIP_S = 5.0
DOCKERD_S = 3.0
SLOW_S = 10.0
_SECOND_SIGNAL_S = 0.6
_WHILE_IT_UNDOES_S = 2.0
_ROOM = 400_000

Later = list[tuple[float, Callable[[], None]]]


@dataclass
class Blow:
    """What was done. `missed`: there was nothing to do it to. `later` has what follows, each after so many seconds."""

    missed: bool = False
    later: Later = field(default_factory=list)


def strike(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    """Do it now. What it breaks for good is repaired by `Arena.mend`."""
    return _KINDS[fault.kind](arena, fault, coordinator)


def _kill(pids: list[int]) -> Blow:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return Blow(missed=not pids)


def _coordinator_killed(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    coordinator.send(signal.SIGKILL)
    return Blow()


def _interrupted(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    coordinator.send(signal.SIGINT)
    return Blow()


def _interrupted_twice(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    coordinator.send(signal.SIGINT)
    return Blow(later=[(fault.chance * _SECOND_SIGNAL_S, lambda: coordinator.send(signal.SIGINT))])


def _killed_while_it_undoes(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    coordinator.send(signal.SIGINT)
    return Blow(later=[(fault.chance * _WHILE_IT_UNDOES_S, lambda: coordinator.send(signal.SIGKILL))])


def _agent_killed(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    return _kill([pid for pid, keeps in agents(arena.node(fault.side)).items() if not keeps])


def _keeper_killed(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    return _kill([pid for pid, keeps in agents(arena.node(fault.side)).items() if keeps])


def _pages_killed(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    """Who serves the pages, and every other time CRIU with it, which could go on without."""
    words = [b"transship_agent.page_service", *([b"lazy-pages"] if fault.chance < 0.5 else [])]
    return _kill(running_with(arena.node(fault.side), words))


def _dockerd_killed(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    node = arena.node(fault.side)
    node.stop_dockerd(crash=True)
    return Blow(later=[(DOCKERD_S, node.start_dockerd)])


def _dockerd_stays_dead(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    arena.node(fault.side).stop_dockerd(crash=True)
    return Blow()


def _session_killed(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    return _kill(sessions(arena.node(fault.side)))


def _master_killed(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    return _kill(masters(coordinator.pid, arena.node(fault.side).ssh_alias))


def _cut(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    arena.node(fault.side).cut()
    return Blow()


def _cut_for_a_while(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    arena.node(fault.side).cut()
    return Blow(later=[(BLIP_S, arena.node(fault.side).mend)])


def _slowed(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    """For a while; then, every other time, the coordinator is killed as well, as by somebody who waits no longer."""
    node = arena.node(fault.side)
    node.set_rate("64kbit")
    later: Later = [(SLOW_S, lambda: coordinator.send(signal.SIGKILL))] if fault.chance < 0.5 else []
    return Blow(later=[*later, (SLOW_S, lambda: node.set_rate(None))])


def _disk_full(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    arena.target.fill_disk(leave=int(max(0.0, fault.chance - 0.5) * _ROOM))
    return Blow()


def _host_gone(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    arena.node(fault.side).kill()
    return Blow()


def _host_rebooted(arena: Arena, fault: Fault, coordinator: Coordinator) -> Blow:
    arena.node(fault.side).kill()
    return Blow(later=[(0.0, arena.node(fault.side).boot)])


_KINDS: dict[str, Callable[[Arena, Fault, Coordinator], Blow]] = {
    "coordinator killed": _coordinator_killed,
    "interrupted": _interrupted,
    "interrupted twice": _interrupted_twice,
    "killed while it undoes": _killed_while_it_undoes,
    "agent killed": _agent_killed,
    "keeper killed": _keeper_killed,
    "pages killed": _pages_killed,
    "dockerd killed": _dockerd_killed,
    "dockerd stays dead": _dockerd_stays_dead,
    "ssh session killed": _session_killed,
    "ssh master killed": _master_killed,
    "link cut": _cut,
    "link cut for 5 s": _cut_for_a_while,
    "link at 64 kbit/s": _slowed,
    "disk full": _disk_full,
    "host gone": _host_gone,
    "host rebooted": _host_rebooted,
}
