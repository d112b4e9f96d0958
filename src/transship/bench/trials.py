"""Runs between two hosts that are there: each scene set, one move made and measured, what arrived looked at."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from transship.bench.job import Answer
from transship.bench.matrix import Matrix, Planned
from transship.bench.measure import Ended, Mover, measures
from transship.bench.methods import method
from transship.bench.pair import Pair
from transship.bench.result import Events, Kept, Outcome, Run, Setting
from transship.bench.scene import Prepared, Stage
from transship.errors import StepError

UNDER_WAY = "under-way"
"""The folder below the experiment's in which the move that is being made keeps its files."""


class Trials:
    """`environment` is the digest of the stored one, `revision` that of the code."""

    def __init__(self, pair: Pair, matrix: Matrix, folder: Path, environment: str, revision: str) -> None:
        self._pair = pair
        self._matrix = matrix
        self._folder = folder / UNDER_WAY
        self._where = (environment, revision)
        self._stage = Stage(pair, matrix.port)

    def make(self, planned: Planned, lock: IO[str]) -> Run:
        """One run, also where the move fails.

        Raises `SceneError`, `HostError` or `LabError` where hosts failed, which says nothing of the method, and
        `UsageError` or `PreflightError` for a scene that can never be set.
        """
        pair, cell = self._pair, planned.cell
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        with Mover.begun(self._folder, held=lock.fileno()) as mover:
            prepared = self._stage.prepare(cell, self._matrix.image_of(cell))
            setting, begun, carried = self._setting(), _now(), pair.carried()
            with pair.metered() as used:
                job = self._stage.job(prepared, str(self._folder))
                ended = mover.make(job, timeout_s=self._matrix.timeout_s)
        now = pair.carried()
        link = None if carried is None or now is None else now - carried
        outcome, reason, kept = self._arrived(ended, prepared)
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

    def impossible(self, planned: Planned, reason: str) -> Run:
        """The result of a run whose scene cannot be set: nothing was measured."""
        nothing = Ended(Answer.refused(reason, Events()), timed_out=False, cpu_s=None)
        return Run(
            run=planned.run,
            cell=planned.cell,
            repetition=planned.repetition,
            warm_up=planned.warm_up,
            begun=_now(),
            outcome="impossible",
            reason=reason,
            measures=measures(nothing, {}, None, None),
            kept=Kept(),
            effort=method(planned.cell.method).effort,
            setting=self._setting(),
        )

    def _setting(self) -> Setting:
        return Setting(*self._where, round(os.getloadavg()[0], 2))

    def _arrived(self, ended: Ended, prepared: Prepared) -> tuple[Outcome, str, Kept]:
        """How it ended, and what arrived. Raises `HostError` where a host failed: that says nothing of the method."""
        if not ended.timed_out and ended.answer.moved:
            try:
                return "moved", "", self._stage.kept(prepared)
            except StepError as error:
                reason = f"it moved, but what arrived cannot be looked at: {error}"
        elif ended.timed_out:
            reason = f"it had not ended after {self._matrix.timeout_s:g} s"
        else:
            reason = ended.answer.reason
        for host in (self._pair.source, self._pair.target):
            host.docker.ping()
        return "timeout" if ended.timed_out else "failed", reason, Kept()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
