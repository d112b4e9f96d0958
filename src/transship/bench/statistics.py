"""What a few runs tell, and what they do not.

Nothing here assumes a shape of the numbers: times of runs are skewed, have stragglers, and sometimes two modes. Every
random choice is seeded, so that the same numbers give the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from transship.bench.modes import Mode, modes

Values = Sequence[float]
Verdict = Literal["less", "more", "alike", "cannot tell"]
Floats = NDArray[np.float64]

ENOUGH = 6
"""Below this number of runs no interval holds a median of any shape with 95 % (2 / 2**n > 5 %): none is given."""

MARGIN = 0.05
"""A difference that is surely smaller than this part counts as none."""

_CONFIDENCE = 0.95
_RESAMPLES = 4_000
_PERMUTATIONS = 5_000
_FEW_EXTREME, _MORE = 15, 9
"""With fewer permutations than these as extreme as what was measured, so many times as many more are tried."""

_ROUNDING = 1e-9
_SEED = 20251122
_WIDE = 0.2
_STRAGGLER = 2.0
_DRIFT = 0.6
_DRIFT_P = 0.01


@dataclass(frozen=True, slots=True)
class Span:
    """A 95 % confidence interval."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Summary:
    """Some numbers of one kind. `interval` is that of the median; None, as `std`, where there are too few."""

    n: int
    median: float
    interval: Span | None
    mean: float
    std: float | None
    minimum: float
    maximum: float
    q1: float
    q3: float
    modes: tuple[Mode, ...]


@dataclass(frozen=True, slots=True)
class Combined:
    """What is typical of several cells: the mean of their medians. Of one cell it is the median.

    `interval` is from drawing runs anew within each cell; None where one has too few. `n` counts the runs of all.
    """

    cells: int
    n: int
    middle: float
    interval: Span | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The numbers of B against those of A.

    `ratio` is the median of B in parts of that of A. `superiority` is how often a number of B is larger than one of A,
    less how often it is smaller (Cliff's delta): -1 if all of B are smaller, 1 if all are larger, 0 if neither.
    `p` is that of the hypothesis that neither tends to be larger, corrected for the number of comparisons made
    together. `verdict` is about B; `why` says in a few words what a verdict of `cannot tell` lacks.
    """

    n: tuple[int, int]
    medians: tuple[float, float]
    ratio: float | None
    interval: Span | None
    superiority: float
    p: float
    verdict: Verdict
    why: str = ""


def summarise(values: Values) -> Summary:
    """Describe at least one number. Raises `ValueError` for none."""
    if not values:
        raise ValueError("there is nothing to describe")
    numbers = np.asarray(values, dtype=np.float64)
    q1, median, q3 = (float(each) for each in np.quantile(numbers, (0.25, 0.5, 0.75)))
    return Summary(
        n=len(values),
        median=median,
        interval=median_interval(values),
        mean=float(numbers.mean()),
        std=float(numbers.std(ddof=1)) if len(values) > 1 else None,
        minimum=float(numbers.min()),
        maximum=float(numbers.max()),
        q1=q1,
        q3=q3,
        modes=modes(values),
    )


def median_interval(values: Values) -> Span | None:
    """The median's confidence interval by bootstrap (percentiles); None for fewer than `ENOUGH` numbers."""
    if len(values) < ENOUGH:
        return None
    return _span(_resampled_medians(values, np.random.default_rng(_SEED)))


def combine(cells: Sequence[Values]) -> Combined:
    """Put cells together, each counted once however many runs it has. Raises `ValueError` for none, or an empty one."""
    if not cells or not all(cells):
        raise ValueError("there is nothing to put together")
    interval = None
    if all(len(values) >= ENOUGH for values in cells):
        random = np.random.default_rng(_SEED)
        interval = _span(np.mean([_resampled_medians(values, random) for values in cells], axis=0))
    middle = float(np.mean([np.median(values) for values in cells]))
    return Combined(len(cells), sum(map(len, cells)), middle, interval)


def compare(a: Values, b: Values) -> Comparison:
    """Hold B against A."""
    return compare_all([(a, b)])[0]


def compare_all(pairs: Sequence[tuple[Values, Values]]) -> list[Comparison]:
    """Hold the second of each pair against the first. The more pairs, the more each must differ to be believed."""
    enough = [min(len(a), len(b)) >= ENOUGH for a, b in pairs]
    raw = [_p_of_equality(a, b) if tell else 1.0 for (a, b), tell in zip(pairs, enough, strict=True)]
    corrected = iter(holm([p for p, tell in zip(raw, enough, strict=True) if tell]))
    return [
        _compared(a, b, next(corrected)) if tell else _untold(a, b) for (a, b), tell in zip(pairs, enough, strict=True)
    ]


def holm(ps: Sequence[float]) -> list[float]:
    """The same probabilities, each corrected for all that were looked at (Holm's step-down)."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, ps[index] * (len(ps) - rank)))
        corrected[index] = largest
    return corrected


def doubts(values: Values) -> list[str]:
    """What speaks against trusting the median of these runs, which are given in the order in which they were made."""
    if len(values) < ENOUGH:
        return [f"only {len(values)} run{'s' if len(values) > 1 else ''}: too few to say how sure that is"]
    found, summary = [], summarise(values)
    if len(summary.modes) > 1:
        found.append("two modes: " + " and ".join(f"{each.n} runs around {each.median:.3g}" for each in summary.modes))
    elif summary.maximum > _STRAGGLER * summary.median > 0:
        found.append(f"a straggler: the largest is {summary.maximum / summary.median:.1f} times the median")
    span = summary.interval
    if span and summary.median and (span.high - span.low) / summary.median > _WIDE:
        found.append(f"the median is only known to be within {span.low:.3g} and {span.high:.3g}: make more runs")
    if direction := _drift(values):
        found.append(f"drift: the runs became {direction} in the course of the experiment")
    return found


def _compared(a: Values, b: Values, p: float) -> Comparison:
    first, second = float(np.median(a)), float(np.median(b))
    ratio = second / first if first > 0 and second > 0 else None
    interval = _ratio_interval(a, b) if ratio is not None else None
    verdict, why = _verdict(interval, p, superiority := _superiority(a, b))
    return Comparison((len(a), len(b)), (first, second), ratio, interval, superiority, p, verdict, why)


def _verdict(interval: Span | None, p: float, superiority: float) -> tuple[Verdict, str]:
    if interval and interval.low >= 1 / (1 + MARGIN) and interval.high <= 1 + MARGIN:
        return "alike", ""
    if p >= 1 - _CONFIDENCE:
        return "cannot tell", "the runs differ more among themselves than from the others"
    if interval and 1.0 in interval:
        return "cannot tell", "the medians may be the same, though the runs are not alike"
    if interval and (interval.low > 1) != (superiority > 0):
        return "cannot tell", "the medians say the one, and most of the runs the other"
    return ("less", "") if superiority < 0 else ("more", "")


def _untold(a: Values, b: Values) -> Comparison:
    first, second = (float(np.median(each)) if each else float("nan") for each in (a, b))
    ratio = second / first if first > 0 and second > 0 else None
    effect = _superiority(a, b) if a and b else 0.0
    why = f"{len(a)} and {len(b)} runs are too few (at least {ENOUGH} of each)"
    return Comparison((len(a), len(b)), (first, second), ratio, None, effect, 1.0, "cannot tell", why)


def _resampled_medians(values: Values, random: np.random.Generator) -> Floats:
    drawn = random.choice(np.asarray(values, dtype=np.float64), size=(_RESAMPLES, len(values)))
    return np.asarray(np.median(drawn, axis=1), dtype=np.float64)


def _span(medians: Floats) -> Span:
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(medians, (tail, 1 - tail))
    return Span(float(low), float(high))


def _ratio_interval(a: Values, b: Values) -> Span | None:
    random = np.random.default_rng(_SEED)
    first, second = _resampled_medians(a, random), _resampled_medians(b, random)
    return _span(second / first) if bool((first > 0).all()) else None


def _smaller(values: Floats) -> Floats:
    """For each pair of numbers 1 where the row's is smaller than the column's, a half where they are equal."""
    row, column = values[:, None], values[None, :]
    return np.asarray((row < column) + 0.5 * (row == column), dtype=np.float64)


def _superiority(a: Values, b: Values) -> float:
    smaller = _smaller(np.asarray([*a, *b], dtype=np.float64))
    return float(2 * smaller[: len(a), len(a) :].mean() - 1)


def _p_of_equality(a: Values, b: Values) -> float:
    """The permutation test of Brunner and Munzel: it asks whether the numbers of one tend to be larger.

    Unlike a test of means it is not led astray by stragglers, and unlike the plain rank test not by unequal spread.
    Where all of one are larger, two of all ways to deal the numbers are as extreme.
    """
    if abs(_superiority(a, b)) == 1.0:
        return 2 / comb(len(a) + len(b), len(a))
    random = np.random.default_rng(_SEED)
    extreme, drawn = _as_extreme(a, b, random), _PERMUTATIONS
    if extreme < _FEW_EXTREME:  # its size matters where many comparisons are corrected for
        extreme += sum(_as_extreme(a, b, random) for _ in range(_MORE))
        drawn += _MORE * _PERMUTATIONS
    return (1 + extreme) / (1 + drawn)


def _as_extreme(a: Values, b: Values, random: np.random.Generator) -> int:
    """In how many of `_PERMUTATIONS` ways to deal the numbers these differ as much as they do."""
    pooled = np.asarray([*a, *b], dtype=np.float64)
    member = np.zeros((_PERMUTATIONS + 1, len(pooled)), dtype=np.float64)
    member[:, : len(a)] = 1.0
    member[1:] = random.permuted(member[1:], axis=1)
    statistics = np.abs(_brunner_munzel(_smaller(pooled), member, len(a)))
    return int((statistics[1:] >= statistics[0] - _ROUNDING).sum())


def _brunner_munzel(smaller: Floats, first: Floats, size: int) -> Floats:
    """The statistic for each row of `first`, which marks the `size` numbers of A by 1."""
    second, other = 1.0 - first, first.shape[1] - size
    below_of_second = (first @ smaller) / size * second  # for each of B: the part of A that is smaller
    below_of_first = (second @ smaller) / other * first
    effect = below_of_second.sum(axis=1) / other - 0.5
    variance = _variance(below_of_second, second, other) / other + _variance(below_of_first, first, size) / size
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(effect / np.sqrt(variance), nan=0.0), dtype=np.float64)


def _variance(values: Floats, mask: Floats, count: int) -> Floats:
    mean = values.sum(axis=1, keepdims=True) / count
    squares = ((values - mean) ** 2 * mask).sum(axis=1) / (count - 1)
    return np.asarray(np.round(squares, 12))  # rounding errors must not tell complete separations apart


def _drift(values: Values) -> Literal["slower", "faster", ""]:
    """Whether the numbers rise or fall with time: Spearman's rank correlation, by permutation."""
    ranks = _smaller(np.asarray(values, dtype=np.float64)).sum(axis=0)
    centred, time = ranks - ranks.mean(), np.arange(len(values)) - (len(values) - 1) / 2
    norm = float(np.sqrt((centred**2).sum() * (time**2).sum()))
    if norm == 0.0:
        return ""
    shuffled = np.random.default_rng(_SEED).permuted(np.tile(centred, (_PERMUTATIONS, 1)), axis=1)
    correlation = float(centred @ time) / norm
    p = (1 + int((np.abs(shuffled @ time) >= abs(correlation) * norm - _ROUNDING).sum())) / (_PERMUTATIONS + 1)
    if p >= _DRIFT_P or abs(correlation) < _DRIFT:
        return ""
    return "slower" if correlation > 0 else "faster"
