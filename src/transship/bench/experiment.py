"""An experiment: the runs of a matrix that are still to be made, one after the other, until none is left."""

import shutil
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import IO

from transship.bench import environment
from transship.bench.environment import Environment
from transship.bench.matrix import HostsFactor, Matrix, Planned
from transship.bench.pair import Pair, SceneError
from transship.bench.possible import refuse_impossible
from transship.bench.result import Run
from transship.bench.sealed import ResultError, digest
from transship.bench.store import ResultFolder
from transship.bench.table import differences
from transship.bench.trials import UNDER_WAY, Trials
from transship.errors import HostError, LabError, PreflightError, TransshipError, UsageError

OpenPair = Callable[[HostsFactor], AbstractContextManager[Pair]]
"""Connects to hosts of a kind, and makes them first where they are those of a lab."""

Kind = tuple[str, str]
"""Suite and store of both hosts; both empty for one's own."""

_TRIES = 3
"""How often hosts are opened, and how often the scene of a run is set, one time after the other."""

_PAUSE_S = 5.0
"""Before the second try; before the third it is twice as long."""


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
        self._tries: Counter[int] = Counter()
        self._hopeless: set[str] = set()
        self._possible: set[Kind] = set()

    def run(self, lock: IO[str]) -> None:
        """Make every run that has no result yet. When it ends early, what is done stays, and the next call goes on.

        `lock` is the folder's (`ResultFolder.locked`): a move that outlives this process holds it. Raises `ResultError`
        where what is in the folder does not belong together, `PreflightError` before the first run for what the hosts
        will never do, and `HostError` or `LabError` where they cannot be had, again and again.
        """
        done = self._done()
        missing = [planned for planned in self._schedule if planned.run not in done]
        self._clock.start(len(done))
        try:
            if len(kinds := dict.fromkeys(map(_kind, missing))) > 1:
                for kind in kinds:
                    with self._opened(kind) as pair:
                        self._look(pair, kind)
            for _, group in groupby(missing, key=_kind):
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
        if others := sorted({run.setting.revision for run in runs} - {self._revision}):
            self._tell(f"the code is not that of all runs before: {', '.join(others)} then, {self._revision} now")
        self._hopeless = {run.cell.id for run in runs if run.outcome == "impossible"}
        return {run.run for run in runs}

    def _opened(self, kind: Kind) -> AbstractContextManager[Pair]:
        words = ", ".join(filter(None, kind))
        self._tell(f"two hosts are made: {words}" if words else "connecting to both hosts")
        kinds = (each for each in self._matrix.hosts if (each.suite, each.store) == kind)
        return self._open_pair(next(kinds, HostsFactor()))

    def _make_all(self, waiting: deque[Planned], lock: IO[str]) -> None:
        """Make runs on hosts of one kind; fresh hosts after each that failed, as nobody knows what it left."""
        unopened = 0
        while waiting:
            tried = self._tries.total()
            try:
                self._make_until_failure(waiting, lock)
            except (SceneError, HostError, LabError) as error:
                if _interrupted(error):
                    raise KeyboardInterrupt from error
                unopened = unopened + 1 if self._tries.total() == tried else 0
                if unopened >= _TRIES:
                    raise
                self._tell(f"once more with fresh hosts, because {error}")
                time.sleep(_PAUSE_S * max(unopened, self._tries[waiting[0].run] if waiting else 1))

    def _make_until_failure(self, waiting: deque[Planned], lock: IO[str]) -> None:
        kind = _kind(waiting[0])
        with self._opened(kind) as pair:
            where = self._setting(self._look(pair, kind), kind)
            trials = Trials(pair, self._matrix, self._folder.path, where, self._revision)
            while waiting:
                run = self._made(waiting[0], trials, lock)
                self._folder.keep(run)
                waiting.popleft()
                self._tell(self._clock.after(run))
                if run.outcome != "moved":
                    return

    def _made(self, planned: Planned, trials: Trials, lock: IO[str]) -> Run:
        """One run. Raises what kept it from being made, as long as it is to be tried again; then it is impossible."""
        try:
            return trials.make(planned, lock)
        except (SceneError, HostError, LabError, UsageError, PreflightError) as error:
            if _interrupted(error):
                raise
            self._tries[planned.run] += 1
            tries = 1 if planned.cell.id in self._hopeless else _TRIES
            if self._tries[planned.run] < tries and not isinstance(error, UsageError | PreflightError):
                raise
            self._hopeless.add(planned.cell.id)
            return trials.impossible(planned, str(error))

    def _look(self, pair: Pair, kind: Kind) -> Environment:
        """What the hosts are. Raises `PreflightError` where they can never make all runs."""
        here, there = (environment.look_at(host) for host in (pair.source, pair.target))
        if kind not in self._possible:
            cells = {each.cell.id: each.cell for each in self._schedule if _kind(each) == kind}.values()
            refuse_impossible(pair, (here, there), [(cell, self._matrix.image_of(cell)) for cell in cells])
            self._possible.add(kind)
        return environment.describe(pair.place, here, there)

    def _setting(self, now: Environment, kind: Kind) -> str:
        """The digest of the environment. Raises `ResultError` where it is not that of the runs that are there."""
        stored = self._folder.environments()
        for run in self._folder.runs():
            if (run.cell.suite, run.cell.store) == kind and run.setting.environment != digest(now):
                if run.setting.environment not in stored:
                    raise ResultError(f"{self._folder.path} does not say where {run.name} took place")
                differing = "; ".join(differences(stored[run.setting.environment], now))
                raise ResultError(
                    f"{self._folder.path} was begun elsewhere: {differing}",
                    hint="begin a new folder: what was measured in unlike places cannot be compared",
                )
        return self._folder.keep_environment(now)


def _kind(planned: Planned) -> Kind:
    return planned.cell.suite, planned.cell.store


def _interrupted(error: TransshipError) -> bool:
    """Whether it came up while a Ctrl-C was on its way out: that is then what counts."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return True
        cause = cause.__context__
    return False


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
