"""Whether numbers have one peak or two: Hartigan's dip test."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 6
_APART = 1.2
"""Modes whose medians are closer than this factor are of no interest, however sure they are."""

_CRITICAL: dict[int, float] = {}


@dataclass(frozen=True, slots=True)
class Mode:
    """Numbers that lie together."""

    n: int
    median: float


def modes(values: Sequence[float]) -> tuple[Mode, ...]:
    """The one or two groups that numbers fall into. With fewer than six numbers no second one is looked for."""
    numbers = np.sort(np.asarray(values, dtype=np.float64))
    whole = (_mode(numbers),) if len(numbers) else ()
    if len(numbers) < FEWEST or dip(values) < critical_dip(len(numbers)):
        return whole
    cut = _widest_cut(numbers)
    low, high = _mode(numbers[:cut]), _mode(numbers[cut:])
    return (low, high) if high.median > _APART * low.median else whole


def _mode(numbers: NDArray[np.float64]) -> Mode:
    return Mode(len(numbers), float(np.median(numbers)))


def _widest_cut(numbers: NDArray[np.float64]) -> int:
    """Where to cut sorted numbers in two, so that each part varies least about its mean."""
    spreads = [numbers[:cut].var() * cut + numbers[cut:].var() * (len(numbers) - cut) for cut in range(1, len(numbers))]
    return 1 + int(np.argmin(spreads))


def critical_dip(n: int) -> float:
    """The dip that one of a hundred samples of `n` numbers with a single, flat peak exceeds."""
    known = sorted(_CRITICAL)
    at = min(max(bisect_right(known, n), 1), len(known) - 1)
    low, high = known[at - 1], known[at]
    scaled = np.interp(np.log(n), np.log([low, high]), [_CRITICAL[each] * each**0.5 for each in (low, high)])
    return float(scaled) / n**0.5


def dip(values: Sequence[float]) -> float:
    """How far the numbers' distribution is from the nearest one with a single peak; at most a quarter.

    J. A. and P. M. Hartigan, The dip test of unimodality, 1985. It is found between the greatest convex function below
    the steps of the distribution and the least concave one above them, where these are furthest apart.
    """
    points, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    after = np.cumsum(counts) / len(values)
    before = after - counts / len(values)
    largest = 1 / len(values)
    while True:
        convex = _hull(points, before, -1)
        concave = _hull(points, after, 1)
        left, right, apart = _furthest(points, convex, concave)
        if apart <= largest:
            return largest / 2
        below = np.interp(points[: left + 1], points[convex], before[convex])
        above = np.interp(points[right:], points[concave], after[concave])
        largest = max(largest, float((after[: left + 1] - below).max()), float((above - before[right:]).max()))
        if right - left + 1 == len(points):
            return largest / 2
        points, before, after = points[left : right + 1], before[left : right + 1], after[left : right + 1]
