"""The folder of one experiment: what was asked, where it took place, and one immutable file a run.

matrix.toml          as it was given
environments/*.json  each kind of hosts, by its digest
runs/*.json          the results
brought.json         images that hosts of one's own got for the experiment, while it has them there
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO, Self

from transship.bench.environment import Environment
from transship.bench.result import Run, from_text, to_text
from transship.bench.sealed import ResultError, digest, seal, unseal
from transship.errors import LabError
from transship.lab.processes import ProcessId, wait_until

MATRIX, RUNS, ENVIRONMENTS, BROUGHT, LOCK = "matrix.toml", "runs", "environments", "brought.json", "lock"
_DRAFT = ".part"

_PATIENCE_S = 120.0
"""How long a move may take to undo itself after its experiment was killed."""


@dataclass(frozen=True, slots=True)
class Brought:
    """The names of images."""

    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """An experiment's folder. No result in it is ever changed; a file is either not there or complete."""

    path: Path

    @classmethod
    def create(cls, path: Path, matrix: str) -> Self:
        """Begin a folder. Raises `ResultError` where something is already."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(each.suffix != _DRAFT for each in path.iterdir()):
                raise ResultError(f"{path} is not empty", hint=f"transship bench resume {path}, or take another folder")
            _write(path / MATRIX, matrix)
        except OSError as error:
            raise ResultError(f"{path} cannot hold an experiment: {error.strerror}") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Find a folder. Raises `ResultError` where there is no experiment."""
        if not (path / MATRIX).is_file():
            raise ResultError(f"{path} holds no experiment", hint="transship bench run MATRIX --out FOLDER begins one")
        return cls(path)

    @property
    def matrix(self) -> str:
        return (self.path / MATRIX).read_text(encoding="utf-8")

    def runs(self) -> tuple[Run, ...]:
        """All results in the order of the runs. Raises `ResultError` for a file that was altered or put there."""
        found = []
        for file in sorted((self.path / RUNS).glob("*.json")):
            run = from_text(file.read_bytes(), str(file))
            if file.stem != run.name:
                raise ResultError(f"{file} holds the result {run.name}", hint="remove it, and resume the experiment")
            found.append(run)
        return tuple(found)

    def environments(self) -> dict[str, Environment]:
        """By their digests, which runs name in `setting.environment`. Raises `ResultError` as `runs`."""
        found = {}
        for file in sorted((self.path / ENVIRONMENTS).glob("*.json")):
            environment = unseal(Environment, file.read_bytes(), str(file))
            found[digest(environment)] = environment
        return found

    def keep(self, run: Run) -> None:
        """Store a result for good. Raises `ResultError` where there is one already."""
        self._keep(f"{RUNS}/{run.name}.json", to_text(run))

    def keep_environment(self, environment: Environment) -> str:
        """Store where runs take place, and return its digest. There already: fine."""
        name = digest(environment)
        if name not in self.environments():
            self._keep(f"{ENVIRONMENTS}/{name[:12]}.json", seal(environment, "the environment"))
        return name

    def brought(self) -> tuple[str, ...]:
        """Images that the target lacked before the experiment. Raises `ResultError` for a file that was altered."""
        file = self.path / BROUGHT
        return unseal(Brought, file.read_bytes(), str(file)).images if file.exists() else ()

    def note_brought(self, images: tuple[str, ...]) -> None:
        """Remember what is to be removed from the target, also after this process was killed."""
        file = self.path / BROUGHT
        if images:
            _write(file, seal(Brought(images), "what was brought"))
        else:
            file.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[IO[str]]:
        """Keep other processes out of the block. Who inherits the handle goes on doing so until it ends.

        What a killed experiment had begun is waited for. Raises `ResultError` while another one works here.
        """
        with (self.path / LOCK).open("a+", encoding="ascii") as handle:
            self._take(handle)
            handle.seek(0)
            handle.truncate()
            own = ProcessId.of(os.getpid())
            if own is not None:
                handle.write(f"{own.pid} {own.started}")
                handle.flush()
            yield handle

    def _take(self, handle: IO[str]) -> None:
        def taken() -> bool:
            with suppress(BlockingIOError):
                flock(handle, LOCK_EX | LOCK_NB)
                return True
            owner = ProcessId.read(self.path / LOCK)
            if owner is not None and owner.alive:
                raise ResultError(f"process {owner.pid} is working in {self.path}", hint="wait for its end, or end it")
            return False

        try:
            wait_until(taken, _PATIENCE_S, "what a killed experiment had begun ended")
        except LabError as error:
            raise ResultError(
                f"a move that a killed experiment had begun has not ended within {_PATIENCE_S:.0f} s",
                hint=f"fuser {self.path / LOCK} names the process",
            ) from error

    def _keep(self, name: str, text: str) -> None:
        file = self.path / name
        if file.exists():
            raise ResultError(f"{file} is there already, and results are never replaced")
        try:
            file.parent.mkdir(exist_ok=True)
            _write(file, text)
        except OSError as error:
            raise ResultError(
                f"{file} cannot be written: {error.strerror}", hint="then resume the experiment"
            ) from error


def _write(file: Path, text: str) -> None:
    """Let a file appear, complete and on the disk."""
    draft = file.with_name(file.name + _DRAFT)
    with draft.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    draft.rename(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
