"""Two who want the same at the same time: one proceeds, the other is told why not."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import workload
from tests.faults.arena import Arena
from tests.faults.coordinating import Coordinator
from tests.faults.coordinator import Job
from tests.faults.fault import VARIANTS, draw
from tests.faults.watch import Watch, copies, executes
from transship.errors import PreflightError

pytestmark = pytest.mark.lab

OTHER = "reader"


@pytest.fixture
def job(arena: Arena, tmp_path: Path) -> Callable[..., Job]:
    """A container with a volume is on the source. Makes what a coordinator of its own is told."""
    arena.reset(replace(next(draw("rivals")), variant="sync", policy="always", network=False, image=True))

    def make(who: str, container: str = workload.NAME) -> Job:
        return Job(
            container=container,
            source=arena.address("source", "root"),
            target=arena.address("target", "root"),
            ssh_config=str(arena.lab.ssh_config),
            state=str(tmp_path / who),
            options={**VARIANTS["sync"], "shared_volumes": True},
            boundary=("started", "claim", 1),
        )

    return make


def compete(one: Job, other: Job) -> list[Coordinator]:
    """Both plan, and begin at the same moment. Returns them as they ended: who moved, and who did not."""
    deadline = time.monotonic() + 120
    with Coordinator(one) as first, Coordinator(other) as second:
        for each in (first, second):
            assert each.until_waiting(deadline), each.error
        for each in (first, second):
            each.go()
        for each in (first, second):
            while each.hear(deadline - time.monotonic()) and time.monotonic() < deadline:
                continue
        return sorted((first, second), key=lambda each: each.status or 0)


@pytest.mark.parametrize("turn", range(3))
def test_of_two_coordinators_one_moves_and_the_other_is_told_who_does(
    arena: Arena, job: Callable[..., Job], turn: int
) -> None:
    with Watch(arena.source, arena.target) as watch:
        winner, loser = compete(job("one"), job("other"))
    assert winner.status == 0, winner.error
    assert loser.status == PreflightError.exit_code
    assert f"a move of {workload.NAME} is under way on" in loser.error
    assert not watch.both
    assert executes(arena.target)
    assert not executes(arena.source)


def test_of_two_containers_that_share_a_volume_one_moves(arena: Arena, job: Callable[..., Job]) -> None:
    arena.source.output(
        ["docker", "run", "-d", "--name", OTHER, "-v", f"{workload.VOLUME}:/data", "busybox", "sleep", "100000"]
    )
    winner, loser = compete(job("one"), job("other", OTHER))
    assert winner.status == 0, winner.error
    assert loser.status == PreflightError.exit_code
    assert "is under way on" in loser.error
    assert len(copies(arena.source)) + len(copies(arena.target)) == 1
