"""An experiment: the runs of a matrix that are still to be made, one after the other, until none is left."""

import os
import shutil
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import IO

from transship.bench import environment
from transship.bench.matrix import HostsFactor, Matrix, Planned
from transship.bench.measure import Ended, make_move, measures
from transship.bench.methods import method
from transship.bench.pair import Pair, SceneError
from transship.bench.result import Cell, Kept, Outcome, Run, Setting
from transship.bench.scene import Prepared, Stage
from transship.bench.sealed import ResultError, digest
from transship.bench.store import ResultFolder
from transship.bench.table import differences
from transship.errors import HostError, LabError, StepError

OpenPair = Callable[[HostsFactor], AbstractContextManager[Pair]]
"""Connects to hosts of a kind, and makes them first where they are those of a lab."""

UNDER_WAY = "under-way"
_TRIES = 3
"""How often hosts may fail before a run begins, one time after the other, until the experiment is given up."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an experiment is. `run` has just ended; `left_s` is an estimate from the runs of this session."""

    done: int
    total: int
    run: Run
    left_s: float


class Experiment:
    """The runs of one folder."""

    def __init__(
        self,
        folder: ResultFolder,
        open_pair: OpenPair,
        tell: Callable[[Progress | str], None],
        *,
        own_hosts: bool = False,
    ) -> None:
        self._folder = folder
        self._open_pair = open_pair
        self._tell = tell
        self._matrix = Matrix.read(folder.matrix)
        self._own_hosts = own_hosts
        self._schedule = self._matrix.schedule(own_hosts=own_hosts)
        self._revision = environment.revision()
        self._clock = _Clock(len(self._schedule))

    def run(self) -> None:
        """Make every run that has no result yet. When it ends early, what is done stays, and the next call goes on.

        Raises `ResultError` where another process works in the folder, or what is in it does not belong together,
        `UsageError` and `PreflightError` for what the hosts will never do, and `SceneError`, `HostError` or `LabError`
        where they failed again and again.
        """
        with self._folder.locked() as lock:
            done = self._done()
            missing = [planned for planned in self._schedule if planned.run not in done]
            self._clock.start(len(done))
            try:
                for _, group in groupby(missing, key=lambda planned: (planned.cell.suite, planned.cell.store)):
                    self._make_all(deque(group), lock)
            finally:
                shutil.rmtree(self._folder.path / UNDER_WAY, ignore_errors=True)

    def _done(self) -> set[int]:
        """The numbers of the runs that have a result."""
        schedule = {planned.run: planned for planned in self._schedule}
        runs = self._folder.runs()
        for run in runs:
            if bool(run.cell.suite) == self._own_hosts:
                raise ResultError(
                    f"{self._folder.path} was begun {'in a lab' if self._own_hosts else 'on hosts of your own'}",
                    hint="leave --from and --to out" if self._own_hosts else "give --from and --to again",
                )
            if Planned(run.run, run.cell, run.repetition, run.warm_up) != schedule.get(run.run):
                raise ResultError(f"the result {run.name} is not one of this matrix", hint="remove it from the folder")
        return {run.run for run in runs}

    def _make_all(self, waiting: deque[Planned], lock: IO[str]) -> None:
        """Make runs on hosts of one kind; fresh hosts after each that failed, as nobody knows what it left."""
        tries = 0
        while waiting:
            before = len(waiting)
            try:
                self._make_until_failure(waiting, lock)
            except (SceneError, HostError, LabError) as error:
                tries = 1 if len(waiting) < before else tries + 1
                if tries >= _TRIES:
                    raise
                self._tell(f"once more with fresh hosts, because {error}")

    def _make_until_failure(self, waiting: deque[Planned], lock: IO[str]) -> None:
        cell = waiting[0].cell
        kinds = (each for each in self._matrix.hosts if (each.suite, each.store) == (cell.suite, cell.store))
        with self._open_pair(next(kinds, HostsFactor())) as pair:
            where = self._setting(pair, cell)
            stage = Stage(pair, self._matrix.port)
            while waiting:
                run = self._make(waiting[0], pair, stage, where, lock)
                self._folder.keep(run)
                waiting.popleft()
                self._tell(self._clock.after(run))
                if run.outcome != "moved":
                    return

    def _setting(self, pair: Pair, cell: Cell) -> str:
        """The digest of the environment. Raises `ResultError` where it is not that of the runs that are there."""
        now = environment.observe(pair.place, pair.source, pair.target)
        stored = self._folder.environments()
        for run in self._folder.runs():
            if (run.cell.suite, run.cell.store) == (cell.suite, cell.store) and run.setting.environment != digest(now):
                if run.setting.environment not in stored:
                    raise ResultError(f"{self._folder.path} does not say where {run.name} took place")
                differing = "; ".join(differences(stored[run.setting.environment], now))
                raise ResultError(
                    f"{self._folder.path} was begun elsewhere: {differing}",
                    hint="begin a new folder: what was measured in unlike places cannot be compared",
                )
        return self._folder.keep_environment(now)

    def _make(self, planned: Planned, pair: Pair, stage: Stage, where: str, lock: IO[str]) -> Run:
        cell = planned.cell
        prepared = stage.prepare(cell, self._matrix.image_of(cell))
        setting = Setting(where, self._revision, round(os.getloadavg()[0], 2))
        begun, carried = datetime.now(UTC).isoformat(timespec="seconds"), pair.carried()
        folder = self._fresh_folder()
        with pair.metered() as used:
            job = stage.job(prepared, str(folder))
            ended = make_move(job, folder, timeout_s=self._matrix.timeout_s, held=lock.fileno())
        now = pair.carried()
        link = None if carried is None or now is None else now - carried
        outcome, reason, kept = self._arrived(ended, stage, prepared, pair)
        return Run(
            run=planned.run,
            cell=cell,
            repetition=planned.repetition,
            warm_up=planned.warm_up,
            begun=begun,
            outcome=outcome,
            reason=reason,
            measures=measures(ended, used, link, prepared.minimum_bytes),
            kept=kept,
            effort=method(cell.method).effort,
            setting=setting,
            phases=ended.answer.phases,
            rounds=ended.answer.rounds,
            predicted=ended.answer.predicted,
            events=ended.answer.events,
        )

    def _arrived(self, ended: Ended, stage: Stage, prepared: Prepared, pair: Pair) -> tuple[Outcome, str, Kept]:
        """How it ended, and what arrived. Raises `HostError` where a host failed: that says nothing of the method."""
        if not ended.timed_out and ended.answer.moved:
            try:
                return "moved", "", stage.kept(prepared)
            except StepError as error:
                reason = f"it moved, but what arrived cannot be looked at: {error}"
        elif ended.timed_out:
            reason = f"it had not ended after {self._matrix.timeout_s:g} s"
        else:
            reason = ended.answer.reason
        for host in (pair.source, pair.target):
            host.docker.ping()
        return "timeout" if ended.timed_out else "failed", reason, Kept()

    def _fresh_folder(self) -> Path:
        folder = self._folder.path / UNDER_WAY
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return folder


class _Clock:
    """How long the rest will take, by the runs of this session."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._before = self._done = 0
        self._began = time.monotonic()

    def start(self, done: int) -> None:
        """Begin a session in which so many runs are there already."""
        self._before = self._done = done
        self._began = time.monotonic()

    def after(self, run: Run) -> Progress:
        self._done += 1
        each_s = (time.monotonic() - self._began) / (self._done - self._before)
        return Progress(self._done, self._total, run, each_s * (self._total - self._done))
