"""One fault: a move is disturbed, what a user would do is done, and what is true then is looked at."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.faults import invariants, workload
from tests.faults.arena import Arena, agents, leftovers, records, snapshot
from tests.faults.coordinating import Coordinator
from tests.faults.coordinator import Job
from tests.faults.fault import LIVE_VARIANTS, VARIANTS, Fault
from tests.faults.inflict import Later, strike
from tests.faults.invariants import Evidence
from tests.faults.watch import Client, Watch, copies, executes
from transship import migrations
from transship.lab.processes import wait_until
from transship.migrations import Reach

MOVES = {**VARIANTS, **LIVE_VARIANTS}
LONGEST_S = 150.0
"""A coordinator that has not ended by then hangs."""
ASKS = 6
"""The exit code of a recovery that only a user can decide."""
SETTLE_S = 30.0
LEASE_S = 5.0
PATIENCE_S = 5.0
"""How long a coordinator waits for a host that is gone; a user's waits longer."""
CONNECT_S = 3
"""The same, where nothing accepts the connection."""
BACK_S = 10.0
"""When a source must serve again whose coordinator was killed before it had released it."""


@dataclass
class Report:
    """What came of a fault. `failures` are sentences; without any, all is as it should be.

    `result` is which side serves at the end: `moved` or `back`. `alone`: without anybody's help exactly one copy
    served. `recovered`: somebody ran `transship recover` (or the same move again), since something was left to do.
    `back_s` is how long after a coordinator's death the source served again by itself. `silence_s` is the longest time
    in which a client had no answer. `missed`: the fault did not happen, the move was over or did not need what it hits.
    `discarded`: lines that the target had shown to a client before it was taken back.
    """

    number: int
    name: str
    variant: str
    kind: str
    side: str
    result: str = ""
    exit: int | None = None
    said: str = ""
    missed: bool = False
    alone: bool = False
    recovered: bool = False
    back_s: float | None = None
    silence_s: float = 0.0
    discarded: int = 0
    gap_s: float = 0.0
    seconds: float = 0.0
    steps: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def attempt(arena: Arena, fault: Fault) -> Report:
    """Carry out a fault from begin to end. The hosts are usable afterwards, whatever happened."""
    report = Report(fault.number, str(fault), fault.variant, fault.kind, fault.side)
    began = time.monotonic()
    folder = arena.folder / f"fault-{fault.number}"
    folder.mkdir(mode=0o700)
    try:
        _Trial(arena, fault, report, folder).run()
    except Exception as error:  # noqa: BLE001 - it is the report
        report.failures.append(f"{type(error).__name__}: {error}")
    finally:
        if fault.kind.startswith("dockerd"):
            arena.doubtful.add(fault.side)
        arena.mend()
        shutil.rmtree(folder)
    report.seconds = time.monotonic() - began
    return report


@dataclass
class _Trial:
    arena: Arena
    fault: Fault
    report: Report
    folder: Path

    def run(self) -> None:
        arena, fault = self.arena, self.fault
        self.container = arena.reset(fault)
        self.before = snapshot(arena.target)
        hosts = {node.name: node.address for node in (arena.source, arena.target)}
        with Watch(arena.source, arena.target) as watch, Client(hosts) as client:
            wait_until(lambda: bool(client.answers), SETTLE_S, "the source serves")
            released = self._disturbed(watch)
            self._settle()
            serving = [node for node in (arena.source, arena.target) if executes(node)]
            self.report.alone = len(serving) == 1
            if released is not None:
                self.report.back_s = watch.source_back(released)
            self._help()
            final = Evidence(arena, fault, self.container, self.before, watch, client)
            wait_until(final.answered_lately, SETTLE_S, "a copy serves")
            self.report.silence_s = client.longest_silence_s
        self.report.gap_s = watch.longest_gap_s
        self.report.result = "moved" if executes(arena.target) else "back"
        self.report.failures += invariants.broken(final)
        self.report.discarded = len(invariants.discarded(final))
        self.report.failures += self._still_open()
        if self.report.back_s is not None and self.report.back_s > BACK_S:
            self.report.failures.append(f"the source served again only after {self.report.back_s:.1f} s")
        if fault.onward and not self.report.failures:
            self._onward()

    # the move and the fault

    def _job(self, *, boundary: bool) -> Job:
        arena, fault = self.arena, self.fault
        return Job(
            container=workload.NAME,
            source=arena.address("source", fault.user),
            target=arena.address("target", fault.user),
            ssh_config=str(arena.lab.ssh_config),
            state=str(self.folder / "state"),
            options=MOVES[fault.variant],
            probe=f"http:{workload.PORT}/log" if fault.probe else "",
            boundary=fault.boundary if boundary else None,
            patience_s=PATIENCE_S,
            connect_s=CONNECT_S,
        )

    def _disturbed(self, watch: Watch) -> float | None:
        """Move and disturb. Returns when the coordinator died, if it did before it released the source."""
        with Coordinator(self._job(boundary=True)) as coordinator:
            deadline = time.monotonic() + LONGEST_S
            assert coordinator.until("ready", deadline), coordinator.error
            struck = self._reach(coordinator, deadline)
            committed = coordinator.told("completed", "settle")
            died, later = self._struck(coordinator) if struck else (None, [])
            self.report.missed = self.report.missed or not struck
            if not self._outlasts(coordinator, later, deadline):
                self.report.failures.append(f"the coordinator had not ended after {LONGEST_S:.0f} s")
            self.report.exit, self.report.said = coordinator.status, coordinator.error
            self.report.steps = [f"{each['kind']} {each.get('phase', '')}" for each in coordinator.said][-6:]
            if struck and not committed and coordinator.status == 0 and self.fault.kind.startswith("interrupted"):
                self.report.failures.append("the interrupt was not heeded")
            handed_over = coordinator.told("started", "release") and self.fault.boundary != ("started", "release", 1)
            return None if handed_over else died

    def _reach(self, coordinator: Coordinator, deadline: float) -> bool:
        """Wait for the moment of the fault. Returns whether it came before the end."""
        if self.fault.boundary:
            return coordinator.until_waiting(deadline)
        moment = time.monotonic() + self.fault.moment * self.arena.usual[self.fault.variant]
        while time.monotonic() < moment:
            if not coordinator.hear(moment - time.monotonic()):
                return False
        return True

    def _struck(self, coordinator: Coordinator) -> tuple[float | None, Later]:
        now = time.monotonic()
        blow = strike(self.arena, self.fault, coordinator)
        coordinator.go()
        self.report.missed = blow.missed
        return (now if self.fault.kind == "coordinator killed" else None), blow.later

    def _outlasts(self, coordinator: Coordinator, later: Later, deadline: float) -> bool:
        """Wait for the coordinator's end, and do what follows the fault in time. Returns whether it ended."""
        now = time.monotonic()
        due = [(now + after, action) for after, action in later]
        ended = False
        while due or not ended:
            if time.monotonic() > deadline:
                return False
            ended = not coordinator.hear(min(0.05, max(0.0, deadline - time.monotonic())))
            if ended and due:
                time.sleep(0.02)  # what follows is due at a time of its own
            while due and due[0][0] <= time.monotonic():
                due.pop(0)[1]()
        return True

    # afterwards

    def _settle(self) -> None:
        """Wait until nobody is at work, mend, and wait again: who waited for the repair goes on then."""
        nodes = (self.arena.source, self.arena.target)

        def quiet() -> bool:
            return not any(node.group.processes() and any(agents(node).values()) for node in nodes)

        patience = time.monotonic() + LEASE_S + 3.0
        while not quiet() and time.monotonic() < patience:
            time.sleep(0.05)  # a condition with a deadline that may pass: who needs the repair waits for it
        self.arena.mend()
        wait_until(quiet, SETTLE_S, "no keeper is at work any more")

    def _reach_of(self, state: str, *, named: bool = False) -> Reach:
        at = (self.arena.address("source", self.fault.user), self.arena.address("target", self.fault.user))
        return Reach(self.folder / state, at if named else (), self.arena.lab.ssh_config)

    def _help(self) -> None:
        """What a user does who is told that something is open."""
        # A keeper that was being started when its coordinator died may have taken its locks only since.
        wait_until(lambda: all(each.decision.kind != "wait" for each in self._open()), SETTLE_S, "nobody is at work")
        if not self._open():
            return
        self.report.recovered = True
        if self.fault.again and self.report.exit == 4 and "goes on from that" in self.report.said:
            self._move_again()
            return
        ends = [self.arena.address(side, self.fault.user) for side in ("source", "target")]
        words = ["--state-dir", str(self.folder / "state"), "recover", "--yes", "--json"]
        ids = {each.record.id for each in self._open()}
        # Before the first keeper has written the record, only the machine that began knows of the migration.
        known = any(each["id"] in ids for node in (self.arena.source, self.arena.target) for each in records(node))
        if self.fault.elsewhere and known:
            words = ["--state-dir", str(self.folder / "elsewhere"), "recover", "--yes", "--json"]
            words += ["--host", ends[0], "--host", ends[1]]
        done = self._transship(words)
        if done.returncode == ASKS and self.fault.variant == "live --post-copy":
            # Memory that had not come is nowhere but at the source, as the user was told before.
            done = self._transship([*words, *ids, "--keep", "source"])
        self.report.said += f" | recover: {done.stdout[-600:]} {done.stderr[-600:]}"
        if done.returncode != 0:
            self.report.failures.append(f"recover ended with {done.returncode}: {done.stderr.strip()[-400:]}")

    def _transship(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "transship", *words],
            env={**os.environ, "TRANSSHIP_SSH_CONFIG": str(self.arena.lab.ssh_config), "COLUMNS": "300"},
            capture_output=True, text=True, check=False, timeout=LONGEST_S,
        )  # fmt: skip

    def _open(self) -> list[migrations.Status]:
        return migrations.status(self._reach_of("state"))

    def _move_again(self) -> None:
        with Coordinator(self._job(boundary=False)) as coordinator:
            coordinator.until("ended", time.monotonic() + LONGEST_S)
            self.report.said += f" | again: {coordinator.error}"
            while coordinator.hear(1.0):
                continue
            if coordinator.status != 0:
                self.report.failures.append(f"the same move again ended with {coordinator.status}: {coordinator.error}")

    def _still_open(self) -> list[str]:
        """Whether anything is still open, and whether a second recovery finds anything to do."""
        arena, failures = self.arena, []
        before = [(snapshot(node), copies(node)) for node in (arena.source, arena.target)]
        for reach in (self._reach_of("state"), self._reach_of("third", named=True)):
            # What could not be written down where a host was gone, or was done from elsewhere, is by now.
            kinds = [found.decision.kind for found in migrations.recover(reach)]
            failures += [f"a second recovery decides {kind}" for kind in kinds if kind != "nothing"]
            failures += [f"still open: {each.sentence}" for each in (migrations.status(reach) if kinds else ())]
        if before != [(snapshot(node), copies(node)) for node in (arena.source, arena.target)]:
            failures.append("a second recovery has changed something")
        for node in (arena.source, arena.target):
            failures += [
                f"the record on {node.name} is {each['stage']}" for each in records(node) if each["stage"] != "ended"
            ]
            failures += [f"{node.name} still has {each}" for each in leftovers(node)]
        return failures

    def _onward(self) -> None:
        """An ordinary move follows, from wherever it is, to a host whose Docker is in order."""
        there = executes(self.arena.target)
        if self.fault.kind.startswith("dockerd") and self.fault.side == ("source" if there else "target"):
            self.arena.restart(self.fault.side)  # what it holds for containers that have ended, see docs/faults.md
        job = replace(
            self._job(boundary=False),
            source=self.arena.address("target" if there else "source", self.fault.user),
            target=self.arena.address("source" if there else "target", self.fault.user),
            state=str(self.folder / "onward"),
            options={**MOVES[self.fault.variant], "replace_data": True},
        )
        with Coordinator(job) as coordinator:
            coordinator.until("ended", time.monotonic() + LONGEST_S)
            while coordinator.hear(1.0):
                continue
            if coordinator.status != 0:
                self.report.failures.append(f"the next move ended with {coordinator.status}: {coordinator.error}")


def learn(arena: Arena, variants: Iterable[str] = VARIANTS) -> None:
    """Move each variant undisturbed once, for `usual` and `told`."""
    for variant in variants:
        fault = Fault(
            -1, variant, "interrupted", "", None, 0.0, "root", "always",
            network=True, image=False, probe=False, elsewhere=False, again=False, onward=False, chance=0.0,
        )  # fmt: skip
        arena.reset(fault)
        folder = arena.folder / "learn"
        job = Job(
            workload.NAME, arena.address("source", "root"), arena.address("target", "root"),
            str(arena.lab.ssh_config), str(folder), MOVES[variant],
        )  # fmt: skip
        with Coordinator(job) as coordinator:
            deadline = time.monotonic() + LONGEST_S
            assert coordinator.until("ready", deadline), coordinator.error
            began = time.monotonic()
            assert coordinator.until("ended", deadline), coordinator.error
            arena.usual[variant] = time.monotonic() - began
            assert coordinator.error == "", coordinator.error
            arena.told[variant] = tuple(each["phase"] for each in coordinator.said if each["kind"] == "started")


def line(report: Report) -> str:
    """A report as a line of JSON."""
    return json.dumps(report.to_json())
