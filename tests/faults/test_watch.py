"""Those who look for two copies and for lost lines find them where there are any."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults import workload
from tests.faults.arena import Arena, snapshot
from tests.faults.fault import Fault, draw
from tests.faults.invariants import Evidence, broken
from tests.faults.watch import Client, Watch, executes, is_dying
from transship.lab.processes import wait_until

pytestmark = pytest.mark.lab

SOON_S = 20.0


@pytest.fixture
def fault() -> Fault:
    return replace(next(draw("watch")), variant="sync", policy="always", network=False, image=True)


def look(arena: Arena, fault: Fault, tamper: Callable[[], object]) -> list[str]:
    """What is found where nothing was moved, and somebody has meddled with the container instead."""
    container = arena.reset(fault)
    with Watch(arena.source, arena.target) as watch, Client({"h1": arena.source.address}) as client:
        wait_until(lambda: len(client.answers) > 5, SOON_S, "the source served")
        tamper()
        served = len(client.answers)
        wait_until(lambda: len(client.answers) > served + 5, SOON_S, "the source went on")
        before = snapshot(arena.target)
    return broken(Evidence(arena, fault, container, before, watch, client))


def rewrite(arena: Arena, log: str, command: str) -> None:
    """Replace a log by what a command makes of it."""
    script = f'lines=$({command} < {workload.LOGS[log]}); echo "$lines" > {workload.LOGS[log]}'
    arena.source.output(["docker", "exec", workload.NAME, "sh", "-c", script])


def test_one_that_was_killed_takes_no_step_any_more() -> None:
    with subprocess.Popen(["sleep", "60"]) as program:
        assert not is_dying(str(program.pid))
        program.kill()
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        assert is_dying(str(program.pid))


def test_nothing_is_found_where_nothing_happened(arena: Arena, fault: Fault) -> None:
    assert look(arena, fault, lambda: None) == []


def test_a_line_that_is_gone_is_missed(arena: Arena, fault: Fault) -> None:
    found = look(arena, fault, lambda: rewrite(arena, "volume", "tail -n +2"))
    assert any("the volume's lines are not counted without a gap" in each for each in found)


def test_lines_that_a_client_was_shown_are_missed(arena: Arena, fault: Fault) -> None:
    def another_writer() -> None:
        arena.source.output(["docker", "restart", workload.NAME])
        rewrite(arena, "layer", 'while read -r number _; do echo "$number nobody"; done')

    found = look(arena, fault, another_writer)
    assert any("lines that a client was shown are lost: [('layer'" in each for each in found)


def test_two_copies_are_seen_and_a_frozen_one_does_not_count(arena: Arena, fault: Fault) -> None:
    arena.reset(fault)
    workload.run(arena.target, policy="no", volume=False, network=False)
    with Watch(arena.source, arena.target) as watch:
        wait_until(lambda: bool(watch.both), SOON_S, "two copies were seen")
    arena.source.output(["docker", "pause", workload.NAME])
    assert not executes(arena.source)
    with Watch(arena.source, arena.target) as watch:
        wait_until(lambda: bool(watch.changes), SOON_S, "somebody has looked")
    assert not watch.both
    arena.source.output(["docker", "unpause", workload.NAME])
