"""Tries programs, one after the other, on a lab that is made for it and gone afterwards."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from transship.bench.compat import MODES, MOVED, Ended, ModeName, Subject, Tried, judge, untried
from transship.bench.compat_stage import SUITE, Stage
from transship.bench.pair import SceneError
from transship.bench.programs import PROGRAMS, Program
from transship.bench.sealed import ResultError, seal, unseal
from transship.errors import LabError, UsageError
from transship.lab import HostOptions, Lab, LabOptions
from transship.metrics.events import Recorder

Tell = Callable[[Tried], None]


def chosen(names: Sequence[str]) -> tuple[Program, ...]:
    """The programs of these names, in the order of the table; without names all. Raises `UsageError`."""
    known = {program.name for program in PROGRAMS}
    if odd := sorted(set(names) - known):
        raise UsageError(
            f"there is no program {', '.join(odd)} to try",
            hint=f"known are {', '.join(program.name for program in PROGRAMS)}",
        )
    return tuple(program for program in PROGRAMS if not names or program.name in names)


def try_programs(programs: Sequence[Program], recorder: Recorder, tell: Tell) -> tuple[Tried, ...]:
    """Move each program in each mode that suits it. That one cannot be tried is a result too.

    Ctrl-C, and from then on SIGTERM and SIGHUP (unless they are ignored), undo the move that is under way, take the
    hosts down, and raise `KeyboardInterrupt`. Raises `LabError` where there can be no hosts.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, signal.default_int_handler)
    found = []
    with _Hosts(recorder) as hosts:
        for program in programs:
            for name in (name for name, mode in MODES.items() if mode.suits(program)):
                found.append(hosts.tried(program, name))
                tell(found[-1])
    return tuple(found)


def keep(folder: Path, tried: Tried) -> None:
    """Store a result in a folder, instead of an earlier one of the same program and mode. Raises `ResultError`."""
    file = folder / f"{tried.subject.program}-{tried.subject.mode}.json"
    draft = file.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft.write_text(seal(tried, str(file)), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise ResultError(f"{file} cannot be written: {error.strerror}", hint="choose another folder") from error


def kept(folder: Path) -> tuple[Tried, ...]:
    """All results of a folder, in the order of the table. Raises `ResultError` for a file that was altered."""
    place = {program.name: number for number, program in enumerate(PROGRAMS)}
    modes = list(MODES)
    found = [unseal(Tried, file.read_bytes(), str(file)) for file in sorted(folder.glob("*.json"))]

    def order(tried: Tried) -> tuple[int, int]:
        return place.get(tried.subject.program, len(place)), modes.index(tried.subject.mode)

    return tuple(sorted(found, key=order))


class _Hosts:
    """Two hosts that are made when they are needed, and anew where nobody knows what a try has left."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lab = ExitStack()
        self._stage: Stage | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def tried(self, program: Program, name: ModeName) -> Tried:
        """What came of one program and one mode."""
        self._stage = stage = self._stage or self._made()
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        subject = Subject(program.name, program.package, program.user, name, stage.versions, begun)
        try:
            subject = replace(subject, versions=replace(stage.versions, program=stage.provide(program)))
            found = _once(stage, program, subject)
        except (SceneError, LabError) as error:
            found = untried(subject, str(error))
        if not found.is_certain:
            self._drop()
        return found

    def _made(self) -> Stage:
        host = HostOptions(suite=SUITE)
        options = LabOptions(name=f"compat-{os.getpid()}", hosts=(host, host))
        lab = self._lab.enter_context(Lab(options, recorder=self._recorder))
        return Stage.on(lab)

    def _drop(self) -> None:
        self._stage = None
        self._lab.close()


def _once(stage: Stage, program: Program, subject: Subject) -> Tried:
    mode = MODES[subject.mode]
    with stage.serving(program, mode) as held:
        result, reason = stage.move(mode)
        ended = Ended(result.outcome, reason, result.downtime_s)
        if result.outcome == "needs-recovery":
            return judge(subject, ended, held.before, None)
        after = stage.afterwards(program, mode, held, moved=result.outcome in MOVED)
        return judge(subject, ended, held.before, after)
