"""What an experiment compares, as its TOML file says it (docs/bench.md), and in which order it is run."""

import dataclasses
import random
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Self, TypeVar

from transship.bench.methods import check_options
from transship.bench.result import Cache, Cell, Where
from transship.bench.workload import WORKLOADS
from transship.codec import MalformedError, decode
from transship.errors import UsageError
from transship.lab.options import SUITES, Store
from transship.metrics.downtime import Probe

T = TypeVar("T")

_NAME = re.compile(r"[!-~][ -~]{0,39}")
_FACTORS = {each.name for each in dataclasses.fields(Cell)} - {"options", "made_of"}


@dataclass(frozen=True, slots=True)
class ImageFactor:
    """An image. `of` is one of the lab's (`workload.WORKLOADS`), by default the name itself.

    `add_mb` adds layers of that many megabytes of noise, for busybox in the lab. On hosts of one's own `reference` says
    what it is called there; it serves as `of` does.
    """

    name: str
    of: str = ""
    add_mb: tuple[int, ...] = ()
    reference: str = ""

    @property
    def workload(self) -> str:
        return self.of or self.name

    @property
    def made_of(self) -> str:
        """What it is, whatever the matrix calls it."""
        return "+".join((self.reference or self.workload, *(f"{size}MB" for size in self.add_mb)))


@dataclass(frozen=True, slots=True)
class StateFactor:
    """What the container has written: `bytes` of noise in `files` files, and `change_rate` bytes more each second."""

    name: str
    bytes: int = 0
    files: int = 0
    where: Where = "none"
    change_rate: int = 0


@dataclass(frozen=True, slots=True)
class StrategyFactor:
    """A way to move, by default the one that is called like it, with options."""

    name: str
    method: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkFactor:
    """What the link of each host carries in each direction, in Mbit/s; without it there is no limit.

    `delay_ms` is added to each round trip between the coordinator and a host, for all that ssh carries.
    """

    mbit: float | None = None
    delay_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class HostsFactor:
    """Which Debian release both hosts of the lab have, and where their Docker keeps images."""

    suite: str = "trixie"
    store: Store = "overlay2"


@dataclass(frozen=True, slots=True)
class Matrix:
    """The factors of an experiment. Every combination is a cell, but for those that match an entry of `leave_out`.

    Each cell is run `repetitions` times, after `warm_ups` that do not count, in blocks: each block has every cell once,
    in an order that `seed` decides. A run that takes longer than `timeout_s` is ended. `port` is the published one.
    """

    name: str
    seed: int
    repetitions: int
    image: tuple[ImageFactor, ...]
    state: tuple[StateFactor, ...]
    strategy: tuple[StrategyFactor, ...]
    link: tuple[LinkFactor, ...] = (LinkFactor(),)
    hosts: tuple[HostsFactor, ...] = (HostsFactor(),)
    cache: tuple[Cache, ...] = ("cold",)
    memory_bytes: tuple[int, ...] = (0,)
    leave_out: tuple[Mapping[str, Any], ...] = ()
    warm_ups: int = 0
    timeout_s: float = 300.0
    port: int = 8080

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the text of a matrix. Raises `UsageError` with the place that is wrong."""
        try:
            matrix = decode(cls, _filled(cls, tomllib.loads(text)))
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"the matrix is no TOML: {error}") from error
        except MalformedError as error:
            raise UsageError(f"the matrix is wrong: {error}", hint="docs/bench.md has all words of a matrix") from error
        _check(matrix)
        return matrix

    def cells(self) -> tuple[Cell, ...]:
        """Every combination that is not left out, in the order of the file."""
        every = (
            Cell(
                image=image.name,
                state=state.name,
                state_bytes=state.bytes,
                state_files=state.files,
                where=state.where,
                change_rate=state.change_rate,
                strategy=strategy.name,
                method=strategy.method or strategy.name,
                options=strategy.options,
                link_mbit=link.mbit,
                delay_ms=link.delay_ms,
                cache=cache,
                memory_bytes=memory_bytes,
                store=hosts.store,
                suite=hosts.suite,
                made_of=image.made_of,
            )
            for hosts, link, image, state, memory_bytes, cache, strategy in product(
                self.hosts, self.link, self.image, self.state, self.memory_bytes, self.cache, self.strategy
            )
        )
        return tuple(cell for cell in every if not any(_matches(cell, rule) for rule in self.leave_out))

    def schedule(self, *, own_hosts: bool = False) -> tuple["Planned", ...]:
        """All runs in their order: the same for equal matrices, on every machine.

        `own_hosts`: between hosts that are what they are. Raises `UsageError` where the matrix says what they shall be.
        """
        planned: list[Planned] = []
        cells = self.cells()
        if own_hosts:
            _expect(self.hosts == (HostsFactor(),), "[[hosts]] is for labs: hosts of one's own are what they are")
            cells = tuple(replace(cell, suite="", store="") for cell in cells)
        for block in range(1, self.warm_ups + self.repetitions + 1):
            warm_up = block <= self.warm_ups
            repetition = block if warm_up else block - self.warm_ups
            for cell in _shuffled(cells, random.Random(f"{self.seed} {block}")):  # noqa: S311 - repeatable
                planned.append(Planned(len(planned) + 1, cell, repetition, warm_up))
        return tuple(planned)

    def image_of(self, cell: Cell) -> ImageFactor:
        return next(each for each in self.image if each.name == cell.image)


@dataclass(frozen=True, slots=True)
class Planned:
    """A run that is to be made. `run` counts from 1 over the whole experiment, `repetition` from 1 in its cell."""

    run: int
    cell: Cell
    repetition: int
    warm_up: bool


def _shuffled(cells: Sequence[Cell], dice: random.Random) -> Iterator[Cell]:
    """One block. Cells on hosts of one kind stay together: to change the hosts costs more than a run."""
    kinds = sorted({(cell.suite, cell.store) for cell in cells})
    dice.shuffle(kinds)
    for kind in kinds:
        yield from dice.sample(group := [cell for cell in cells if (cell.suite, cell.store) == kind], len(group))


def _matches(cell: Cell, rule: Mapping[str, Any]) -> bool:
    return all(getattr(cell, factor) == value for factor, value in rule.items())


def _filled(kind: type, value: object) -> object:
    """A table with its defaults, as `decode` wants all of it. What is wrong in it stays wrong, for `decode` to say."""
    if not isinstance(value, dict):
        return value
    hints = typing.get_type_hints(kind)
    whole: dict[str, Any] = {}
    for each in dataclasses.fields(kind):
        if each.name in value:
            whole[each.name] = _converted(hints[each.name], value[each.name])
        elif each.default_factory is not dataclasses.MISSING:
            whole[each.name] = each.default_factory()
        elif each.default is not dataclasses.MISSING:
            whole[each.name] = _plain(each.default)
    return {**value, **whole}


def _converted(hint: Any, value: object) -> object:
    """Tables with their defaults, and whole numbers where a fraction would do."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        item = arguments[0]
        return [_filled(item, each) for each in value] if dataclasses.is_dataclass(item) else value  # type: ignore[arg-type]
    if float in (hint, *arguments) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _check(matrix: Matrix) -> None:
    """Raise `UsageError` for words that are well-formed and make no sense."""
    _check_names("image", [each.name for each in matrix.image])
    _check_names("state", [each.name for each in matrix.state])
    _check_names("strategy", [each.name for each in matrix.strategy])
    for image in matrix.image:
        _check_image(image)
    for state in matrix.state:
        _check_state(state)
    for strategy in matrix.strategy:
        check_options(strategy.method or strategy.name, strategy.options)
    _expect(all(each.suite in SUITES for each in matrix.hosts), f"hosts.suite is one of {', '.join(SUITES)}")
    _expect(all(each.mbit is None or each.mbit >= 1 for each in matrix.link), "link.mbit is at least 1")
    _expect(all(each.delay_ms >= 0 for each in matrix.link), "link.delay_ms is not negative")
    _expect(min(matrix.memory_bytes, default=0) >= 0, "memory_bytes is not negative")
    _expect(matrix.repetitions >= 1 and matrix.warm_ups >= 0, "there is at least one repetition")
    _expect(matrix.timeout_s > 0, "timeout_s is more than 0")
    Probe.parse(f"tcp:{matrix.port}")
    for rule in matrix.leave_out:
        _expect(set(rule) <= _FACTORS, f"leave_out knows {', '.join(sorted(_FACTORS))}")
    cells = matrix.cells()
    _expect(bool(cells), "there is at least one cell")
    _expect(len(set(map(_key, cells))) == len(cells), "no two cells are the same")


def _key(cell: Cell) -> str:
    return cell.id


def _check_names(factor: str, names: Sequence[str]) -> None:
    _expect(all(_NAME.fullmatch(name) for name in names), f"the names of {factor} are up to 40 plain characters")
    _expect(len(set(names)) == len(names), f"every {factor} has a name of its own")


def _check_image(image: ImageFactor) -> None:
    known = ", ".join(WORKLOADS)
    _expect(image.workload in WORKLOADS, f"image {image.name} says `of` which of {known} it is")
    _expect(not image.add_mb or image.workload == "busybox", f"image {image.name} adds layers to busybox alone")
    _expect(all(size > 0 for size in image.add_mb), f"image {image.name} adds layers of at least a megabyte")


def _check_state(state: StateFactor) -> None:
    nothing = not (state.bytes or state.files or state.change_rate)
    _expect(
        (state.where == "none") == nothing, f"state {state.name} says `where` it lies, and what lies there if not none"
    )
    _expect(0 <= state.files <= state.bytes, f"state {state.name} has at least a byte in each file")
    _expect(not state.bytes or state.files >= 1, f"state {state.name} has its bytes in files")
    _expect(not state.change_rate or state.bytes > 0, f"state {state.name} has bytes that are looked at afterwards")
    _expect(state.change_rate >= 0, f"state {state.name} has a change_rate that is not negative")


def _expect(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise UsageError(
            f"the matrix is wrong: it must hold that {what}", hint="docs/bench.md has all words of a matrix"
        )
