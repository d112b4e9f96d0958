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


def likely(run: Run, name: str) -> float | None:
    """What the plan said to be likely; None where it said nothing of this."""
    return _said(run, name, "likely")


def _foretold(run: Run, name: str, was: float | None) -> Foretold | None:
    said, low, high = (_said(run, name, key) for key in ("likely", "low", "high"))
    return Foretold(said, low, high, was) if was and said and low is not None and high is not None else None


def _said(run: Run, name: str, key: str) -> float | None:
    interval = run.predicted.get(name)
    value = interval.get(key) if isinstance(interval, Mapping) else None
    return float(value) if isinstance(value, int | float) else None
