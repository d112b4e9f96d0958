"""Two experiments held against each other, cell by cell."""

from dataclasses import dataclass, replace

from transship.bench.environment import Environment
from transship.bench.result import Cell
from transship.bench.sealed import ResultError
from transship.bench.statistics import Comparison, compare_all
from transship.bench.table import MEASURES, Experiment, by, differences, values


@dataclass(frozen=True, slots=True)
class Held:
    """One measure of one cell: the numbers of B against those of A, in `unit`."""

    cell: Cell
    measure: str
    unit: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of holding B against A. Cells that only one of them has are in no comparison.

    `unlike` says in what their environments differ; empty where they do not.
    """

    held: tuple[Held, ...]
    only_a: int
    only_b: int
    unlike: tuple[str, ...]


def compare_experiments(a: Experiment, b: Experiment, *, unlike: bool = False) -> Compared:
    """Hold B against A. All comparisons are corrected for their number together.

    Raises `ResultError` where the environments differ, unless that is allowed by `unlike`, and where they have no cell
    in common. Another version of transship is no other environment: it is what most comparisons are about.
    """
    found = tuple(_unlike(a, b))
    if found and not unlike:
        raise ResultError(
            f"{a.name} and {b.name} were measured in unlike environments: {'; '.join(found)}",
            hint="--unlike compares them all the same; what differs may then be the reason",
        )
    cells_a, cells_b = (by(each.runs, lambda run: run.cell.id) for each in (a, b))
    both = [cell for cell in cells_a if cell in cells_b]
    if not both:
        raise ResultError(f"{a.name} and {b.name} have no cell in common", hint="run the same matrix in both")
    pairs = [
        (cells_a[cell][0].cell, name, unit, (values(cells_a[cell], measure), values(cells_b[cell], measure)))
        for cell in both
        for name, (measure, unit) in MEASURES.items()
    ]
    known = [each for each in pairs if all(each[3])]
    held = compare_all([numbers for *_, numbers in known])
    return Compared(
        held=tuple(Held(cell, name, unit, each) for (cell, name, unit, _), each in zip(known, held, strict=True)),
        only_a=len(cells_a) - len(both),
        only_b=len(cells_b) - len(both),
        unlike=found,
    )


def _unlike(a: Experiment, b: Experiment) -> list[str]:
    """What no environment of one has in common with the nearest of the other."""
    found: dict[str, None] = {}
    for mine in a.environments.values():
        nearest = min((_differences(mine, other) for other in b.environments.values()), key=len)
        found.update(dict.fromkeys(nearest))
    return list(found)


def _differences(a: Environment, b: Environment) -> list[str]:
    return differences(a, replace(b, transship=a.transship))
