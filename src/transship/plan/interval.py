from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Interval:
    """A number that is not known exactly: what is likely, and the bounds that it is expected to lie in."""

    low: float
    likely: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Self:
        """A number that is known."""
        return cls(value, value, value)

    @classmethod
    def sum(cls, parts: Iterable["Interval"]) -> Self:
        """All of them together; the bounds are added, too, as what makes one part slow makes the others slow."""
        low = likely = high = 0.0
        for each in parts:
            low, likely, high = low + each.low, likely + each.likely, high + each.high
        return cls(low, likely, high)

    def times(self, factor: float) -> "Interval":
        return Interval(self.low * factor, self.likely * factor, self.high * factor)

    def spread(self, low: float, high: float) -> "Interval":
        """The same with bounds further out, by these factors."""
        return Interval(self.low * low, self.likely, self.high * high)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high
