"""What the plan of a run had said, beside what happened."""

from collections.abc import Mapping
from dataclasses import dataclass

from transship.bench.result import Run


@dataclass(frozen=True, slots=True)
class Foretold:
    """Seconds that were likely, between the bounds that the plan gave, and the seconds that it took."""

    likely: float
    low: float
    high: float
    was: float

    @property
    def error(self) -> float:
        """In parts of what it took."""
        return abs(self.likely - self.was) / self.was

    @property
    def within(self) -> bool:
        """Whether the bounds held."""
        return self.low <= self.was <= self.high


def total_foretold(run: Run) -> Foretold | None:
    """The total time; None where it was not predicted or not measured."""
    return _foretold(run, "total_s", run.measures.total_s)


def downtime_foretold(run: Run) -> Foretold | None:
    """The downtime that the engine measured: it is the one that the plan speaks of."""
    return _foretold(run, "downtime_s", run.measures.engine_downtime_s)


def _foretold(run: Run, name: str, was: float | None) -> Foretold | None:
    said = run.predicted.get(name)
    if not was or not isinstance(said, Mapping):
        return None
    known = [float(each) for key in ("likely", "low", "high") if isinstance(each := said.get(key), int | float)]
    match known:
        case [likely, low, high] if likely > 0:
            return Foretold(likely, low, high, was)
    return None
