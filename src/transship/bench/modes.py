"""Whether numbers have one peak or two: Hartigan's dip test."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Line = tuple[list[int], Floats]
"""The corners of a function, and its heights."""

FEWEST = 6
_APART = 1.2
"""Modes whose medians are closer than this factor are of no interest, however sure they are."""

_CRITICAL: Mapping[int, float] = {
    6: 0.193, 8: 0.173, 10: 0.160, 15: 0.135, 20: 0.122, 30: 0.103, 50: 0.0806, 100: 0.0591, 200: 0.0419, 500: 0.0273
}  # fmt: skip
"""The dip that 1 % of samples of a uniform distribution exceed, by their size: 1,500 to 20,000 drawn of each size.

Of all distributions with one peak, the uniform one has the largest dips.
"""


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


def _mode(numbers: Floats) -> Mode:
    return Mode(len(numbers), float(np.median(numbers)))


def _widest_cut(numbers: Floats) -> int:
    """Where to cut sorted numbers in two, so that each part varies least about its mean."""
    spreads = [numbers[:cut].var() * cut + numbers[cut:].var() * (len(numbers) - cut) for cut in range(1, len(numbers))]
    return 1 + int(np.argmin(spreads))


def critical_dip(n: int) -> float:
    """The dip that one of a hundred samples of `n` numbers with a single, flat peak exceeds."""
    known = sorted(_CRITICAL)
    at = min(max(bisect_right(known, n), 1), len(known) - 1)
    low, high = known[at - 1], known[at]
    scaled = np.interp(np.log(n), np.log([low, high]), [_CRITICAL[each] * each**0.5 for each in (low, high)])
    return float(scaled / np.sqrt(n))


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
        convex, concave = _hull(points, before, -1), _hull(points, after, 1)
        left, right, apart = _furthest(points, (convex, before), (concave, after))
        if apart <= largest:
            return largest / 2
        # A peak may be as steep as it likes: at the ends of the modal interval there is nothing to deviate from.
        below = np.interp(points[:left], points[convex], before[convex])
        above = np.interp(points[right + 1 :], points[concave], after[concave])
        deviations = np.concatenate((after[:left] - below, above - before[right + 1 :]))
        largest = max(largest, float(deviations.max(initial=0.0)))
        if right - left + 1 == len(points):
            return largest / 2
        points, before, after = points[left : right + 1], before[left : right + 1], after[left : right + 1]


def _hull(points: Floats, heights: Floats, side: Literal[-1, 1]) -> list[int]:
    """The corners of the greatest convex function below the heights (-1), or of the least concave one above (1)."""
    corners: list[int] = []
    for index in range(len(points)):
        while len(corners) > 1:
            first, second = corners[-2:]
            rise = (heights[second] - heights[first]) * (points[index] - points[first])
            straight = (heights[index] - heights[first]) * (points[second] - points[first])
            if side * (rise - straight) > 0:
                break
            corners.pop()
        corners.append(index)
    return corners


def _furthest(points: Floats, below: Line, above: Line) -> tuple[int, int, float]:
    """The modal interval, from corner to corner, and how far the two functions are apart in it."""
    (convex, before), (concave, after) = below, above
    at_convex = np.interp(points[convex], points[concave], after[concave]) - before[convex]
    at_concave = after[concave] - np.interp(points[concave], points[convex], before[convex])
    if at_convex.max() >= at_concave.max():
        left = convex[int(np.argmax(at_convex))]
        return left, min(each for each in concave if each >= left), float(at_convex.max())
    right = concave[len(concave) - 1 - int(np.argmax(at_concave[::-1]))]
    return max(each for each in convex if each <= right), right, float(at_concave.max())
