"""The runs of an experiment, as statistics and figures ask for them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path
from statistics import median
from typing import TypeVar

from transship.bench.environment import Environment, HostEnvironment
from transship.bench.matrix import Matrix, Planned
from transship.bench.result import Cell, Run
from transship.bench.sealed import ResultError
from transship.bench.statistics import Combined, combine
from transship.bench.store import ResultFolder
from transship.errors import UsageError

K = TypeVar("K")
Measure = Callable[[Run], float | None]
"""Takes a number from a run; None where it was not measured."""

_ORDER = ("stop-start", "export-import", "sync", "live", "swarm-constraint", "swarm-drain")


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """What a container was moved over and between. `link_mbit` is infinite where the link has no limit."""

    link_mbit: float
    delay_ms: float
    cache: str
    store: str
    suite: str

    @classmethod
    def of(cls, cell: Cell) -> "Condition":
        return cls(inf if cell.link_mbit is None else cell.link_mbit, cell.delay_ms, cell.cache, cell.store, cell.suite)

    def words(self) -> tuple[str, ...]:
        """Each factor in a few words; empty for what is the usual."""
        link = "no limit" if self.link_mbit == inf else f"{self.link_mbit:g} Mbit/s"
        delay = f"{self.delay_ms:g} ms" if self.delay_ms else ""
        return link, delay, f"{self.cache} cache", self.store, self.suite


@dataclass(frozen=True, slots=True)
class Workload:
    """What was moved: all that a cell says of the container."""

    image: str
    state: str
    state_bytes: int
    where: str
    change_rate: int
    memory_bytes: int

    @classmethod
    def of(cls, cell: Cell) -> "Workload":
        return cls(cell.image, cell.state, cell.state_bytes, cell.where, cell.change_rate, cell.memory_bytes)

    def words(self) -> str:
        changing = f", {self.change_rate / 1e6:g} MB/s rewritten" if self.change_rate else ""
        holding = f", {self.memory_bytes / 1e6:g} MB in memory" if self.memory_bytes else ""
        where = f" in the {self.where}" if self.where != "none" else ""
        return f"{self.image}, state {self.state}{where}{changing}{holding}"


@dataclass(frozen=True, slots=True)
class Experiment:
    """One folder of results, in the order of the runs. `runs` came to a good end, `failed` did not.

    Of those that are `impossible` the scene could not be set, and `missing` are those that the matrix wants and nobody
    has made. Warm-ups are in none.
    """

    name: str
    runs: tuple[Run, ...]
    failed: tuple[Run, ...]
    environments: Mapping[str, Environment]
    impossible: tuple[Run, ...] = ()
    missing: tuple[Planned, ...] = ()

    @property
    def all(self) -> tuple[Run, ...]:
        """Those in which something was moved, or was to be."""
        return tuple(sorted((*self.runs, *self.failed), key=lambda run: run.run))


def load(folder: Path) -> Experiment:
    """Read a folder.

    Raises `ResultError` where it holds nothing to analyse, what must not be mixed, or what its matrix does not want.
    """
    stored = ResultFolder.open(folder)
    runs = stored.runs()
    found = experiment(str(folder), runs, stored.environments())
    return replace(found, missing=_missing(str(folder), runs, stored.matrix))


def _missing(name: str, runs: Sequence[Run], matrix: str) -> tuple[Planned, ...]:
    try:
        schedule = Matrix.read(matrix).schedule(own_hosts=not runs[0].cell.suite)
    except UsageError as error:
        raise ResultError(f"{name} cannot be held against its matrix: {error}", hint=error.hint) from error
    wanted = {(each.cell.id, each.repetition, each.warm_up): each for each in schedule}
    made = {(run.cell.id, run.repetition, run.warm_up): run for run in runs}
    if foreign := [run for key, run in made.items() if key not in wanted]:
        raise ResultError(f"the result {foreign[0].name} is not one of the matrix of {name}", hint="remove it")
    return tuple(each for key, each in wanted.items() if key not in made and not each.warm_up)


def experiment(name: str, runs: Sequence[Run], environments: Mapping[str, Environment]) -> Experiment:
    """Put runs together. Raises `ResultError` where there are none, or where they were not made in one environment."""
    counted = [run for run in runs if not run.warm_up]
    if not counted:
        raise ResultError(f"{name} holds no finished run", hint=f"transship bench resume {name}")
    used = {run.setting.environment for run in counted}
    if unknown := sorted(used - set(environments)):
        raise ResultError(f"{name} does not say where its runs took place: environment {unknown[0][:12]} is missing")
    for kind, there in by(counted, lambda run: (run.cell.suite, run.cell.store)).items():
        _refuse_unlike(f"{name} ({', '.join(filter(None, kind)) or 'one pair of hosts'})", there, environments)
    moved = tuple(run for run in counted if run.outcome == "moved")
    failed = tuple(run for run in counted if run.outcome not in {"moved", "impossible"})
    impossible = tuple(run for run in counted if run.outcome == "impossible")
    return Experiment(name, moved, failed, {digest: environments[digest] for digest in sorted(used)}, impossible)


def _refuse_unlike(where: str, runs: Iterable[Run], environments: Mapping[str, Environment]) -> None:
    first, *others = dict.fromkeys(run.setting.environment for run in runs)
    for other in others:
        differing = "; ".join(differences(environments[first], environments[other]))
        raise ResultError(
            f"{where} holds runs that were made in unlike environments: {differing}",
            hint="put them into folders of their own, and hold these against each other: transship bench compare A B",
        )


def differences(a: Environment | HostEnvironment, b: Environment | HostEnvironment, of: str = "") -> list[str]:
    """What two environments do not have in common, each in a few words."""
    found = []
    for name in (item.name for item in fields(a)):
        one, other = getattr(a, name), getattr(b, name)
        if isinstance(one, HostEnvironment):
            found += differences(one, other, f"{name}'s ")
        elif one != other:
            found.append(f"{of}{name} {one or 'none'} and {other or 'none'}")
    return found


def by(runs: Iterable[Run], key: Callable[[Run], K]) -> dict[K, list[Run]]:
    """The runs in groups, the groups in the order in which they first occur."""
    groups: dict[K, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def by_strategy(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each strategy: transship's own first, then the others by name."""
    groups = by(runs, lambda run: run.cell.strategy)
    return {name: groups[name] for name in sorted(groups, key=lambda each: (strategy_rank(each), each))}


def strategy_rank(strategy: str) -> int:
    """Where transship's own strategies stand among others: first, in their own order."""
    return _ORDER.index(strategy) if strategy in _ORDER else len(_ORDER)


def by_image(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each image, from the one that sent least to the one that sent most."""
    groups = by(runs, lambda run: run.cell.image)
    weight = {name: median([sent_bytes(run) or 0 for run in group]) for name, group in groups.items()}
    return {name: groups[name] for name in sorted(groups, key=lambda each: (weight[each], each))}


def by_state(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each filesystem state, the smallest first."""
    groups = by(runs, lambda run: run.cell.state)
    return {name: groups[name] for name in sorted(groups, key=lambda each: (groups[each][0].cell.state_bytes, each))}


def by_condition(runs: Iterable[Run]) -> dict[Condition, list[Run]]:
    """The runs under each condition, the slowest link first."""
    groups = by(runs, lambda run: Condition.of(run.cell))
    return {each: groups[each] for each in sorted(groups)}


def condition_names(runs: Iterable[Run]) -> dict[Condition, str]:
    """What tells the conditions of these runs apart; nothing where there is only one."""
    words = {each: each.words() for each in by_condition(runs)}
    varied = [len(set(column)) > 1 for column in zip(*words.values(), strict=True)]
    return {
        each: ", ".join(word for word, tell in zip(said, varied, strict=True) if tell and word)
        for each, said in words.items()
    }


def common_conditions(runs: Iterable[Run]) -> str:
    """What was the same for all of these runs."""
    columns = zip(*(each.words() for each in by_condition(runs)), strict=True)
    return ", ".join(column[0] for column in columns if len(set(column)) == 1 and column[0])


def downtime_s(run: Run) -> float | None:
    """What a client saw; where nobody asked as a client, what the engine says."""
    seen = run.measures.client_downtime_s
    return run.measures.engine_downtime_s if seen is None else seen


def total_s(run: Run) -> float | None:
    return run.measures.total_s


def sent_bytes(run: Run) -> float | None:
    """All that the link carried, or where that was not counted the data that was sent."""
    on_link = run.measures.link_bytes
    return run.measures.wire_bytes if on_link is None else on_link


def combined(runs: Iterable[Run], measure: Measure) -> Combined | None:
    """What is typical of these runs, each cell counted once; None where nothing was measured."""
    cells = [found for cell in by(runs, lambda run: run.cell.id).values() if (found := values(cell, measure))]
    return combine(cells) if cells else None


MEASURES: Mapping[str, tuple[Measure, str]] = {
    "total": (total_s, "s"),
    "downtime": (downtime_s, "s"),
    "sent": (sent_bytes, "bytes"),
}
"""What tables and comparisons are made of, each with its unit."""


def values(runs: Iterable[Run], measure: Measure) -> list[float]:
    """What was measured of the runs, those without this measure left out."""
    return [value for run in runs if (value := measure(run)) is not None]
