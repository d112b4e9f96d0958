"""Another machine than the one that began a move ends it, of which it knows one host."""

import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import workload
from tests.faults.arena import Arena, agents, records, snapshot
from tests.faults.coordinating import Coordinator
from tests.faults.coordinator import Job
from tests.faults.fault import VARIANTS, draw
from tests.faults.watch import executes
from transship import migrations
from transship.lab.processes import wait_until
from transship.migrations import Reach

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("without", [["source"], ["target"], ["source", "target"]], ids="-".join)
def test_a_coordinator_that_was_killed_before_every_host_had_a_record(
    arena: Arena, tmp_path: Path, without: list[str]
) -> None:
    arena.reset(replace(next(draw("elsewhere")), variant="stop-start", policy="always", network=False, image=True))
    job = Job(
        container=workload.NAME,
        source=arena.address("source", "root"),
        target=arena.address("target", "root"),
        ssh_config=str(arena.lab.ssh_config),
        state=str(tmp_path),
        options=VARIANTS["stop-start"],
        boundary=("completed", "claim", 1),
    )
    with Coordinator(job) as coordinator:
        assert coordinator.until_waiting(time.monotonic() + 120), coordinator.error
        coordinator.send(signal.SIGKILL)
    nodes = (arena.source, arena.target)
    wait_until(lambda: not any(any(agents(node).values()) for node in nodes), 20, "no keeper is at work any more")
    for side in without:
        arena.node(side).output(["rm", "-r", "/var/lib/transship"])
    reach = Reach(tmp_path, (), arena.lab.ssh_config)
    (found,) = migrations.recover(reach)
    assert found.decision.kind == "clean-up"
    assert [each["stage"] for node in nodes for each in records(node)] == ["ended", "ended"]
    assert migrations.recover(reach) == []
    assert executes(arena.source)


@pytest.mark.parametrize("known", ["source", "target"])
def test_what_was_made_is_removed_by_whoever_knows_one_host(arena: Arena, tmp_path: Path, known: str) -> None:
    arena.reset(replace(next(draw("elsewhere")), variant="sync", policy="always", network=True, image=True))
    before = snapshot(arena.target)
    job = Job(
        container=workload.NAME,
        source=arena.address("source", "root"),
        target=arena.address("target", "root"),
        ssh_config=str(arena.lab.ssh_config),
        state=str(tmp_path / "here"),
        options=VARIANTS["sync"],
        boundary=("completed", "last-round", 1),
    )
    with Coordinator(job) as coordinator:
        assert coordinator.until_waiting(time.monotonic() + 120), coordinator.error
        coordinator.send(signal.SIGKILL)
    wait_until(lambda: not any(agents(arena.source).values()), 20, "the keeper has brought the source back")
    assert executes(arena.source)
    assert snapshot(arena.target) != before

    reach = Reach(tmp_path / "there", (arena.address(known, "root"),), arena.lab.ssh_config)
    (found,) = migrations.recover(reach)
    assert found.decision.kind == "clean-up"
    assert snapshot(arena.target) == before
    assert [each["stage"] for node in (arena.source, arena.target) for each in records(node)] == ["ended", "ended"]
    assert migrations.recover(reach) == []
