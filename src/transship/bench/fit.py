"""The costs that `plan` predicts with, learned from an experiment.

What is fitted is the very function that predicts: each run keeps the numbers that its plan was made from (`Work`), so
that it can be predicted again under any model.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transship.bench.result import Run
from transship.bench.sealed import ResultError
from transship.bench.table import Experiment, by
from transship.codec import MalformedError
from transship.plan.interval import Interval
from transship.plan.predict import Model, estimate
from transship.plan.work import Work, read_work

Floats = NDArray[np.float64]

GOAL = 0.2
"""The error that predictions for containers that were not learned from should stay below."""

_FEWEST_CELLS = 4
_WORSE = 1.1
_ROUNDS = 25
_STEP = 0.02
_FURTHEST = 3.0
_ODD = 0.3
"""Beyond this (as a logarithm) an error counts less: it tells of an odd run, and not of costs."""

_PRIOR = 0.1
"""How much the built-in costs are believed: as much as one cell that would contradict by this (as a logarithm)."""

_SMALL_BYTES = 100_000
"""Below this, what crosses is heads and questions, and says nothing of compression."""


@dataclass(frozen=True, slots=True)
class Made:
    """One run: its work, and what it took."""

    work: Work
    total_s: float
    downtime_s: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One cell: its work, and the medians of what its runs took. `image` is the container that was moved."""

    image: str
    work: Work
    total_s: float
    downtime_s: float
    wire_bytes: float
    runs: tuple[Made, ...]


@dataclass(frozen=True, slots=True)
class Errors:
    """Median of |predicted - measured| / measured over single runs, for the total time and the downtime."""

    total: float
    downtime: float

    @property
    def mean(self) -> float:
        return (self.total + self.downtime) / 2

    def __str__(self) -> str:
        return f"{self.total:.1%} and {self.downtime:.1%}"

    def goal(self) -> str:
        """Whether predictions are as good as they should be, in words."""
        told = {"total time": self.total, "downtime": self.downtime}
        each = (f"{'met' if error < GOAL else 'missed'} for {name} ({error:.1%})" for name, error in told.items())
        return f"the goal of less than {GOAL:.0%} is {' and '.join(each)}"


@dataclass(frozen=True, slots=True)
class Fit:
    """What was learned. `built_in` are the errors of the costs that transship comes with.

    `in_use` are those of the costs that plans use now, where these are others. `held_out` are those of costs that were
    fitted without the very containers that they then predict; `by_strategy` are the same for each strategy. `left_out`
    says what a part was that was held out.
    """

    model: Model
    samples: int
    runs: int
    built_in: Errors
    held_out: Errors
    by_strategy: Mapping[str, Errors]
    left_out: str
    in_use: Errors | None = None

    def refuse_to_be_kept(self) -> None:
        """Raise `ResultError` where the costs in use predict these very runs better than what was learned from them."""
        used = self.in_use or self.built_in
        if self.held_out.mean > _WORSE * used.mean:
            raise ResultError(
                f"the costs that plans use now predict these runs better (median errors {used}) than those that were "
                f"fitted would ({self.held_out}): they are not kept",
                hint="make more runs, of more kinds of containers; without --keep the fit is only shown",
            )


def fit(experiment: Experiment, in_use: Model | None = None) -> Fit:
    """Learn from the runs that had a prediction. `in_use` are costs that were fitted before.

    Raises `ResultError` where these are too few.
    """
    samples = samples_of(experiment.runs)
    if len(samples) < _FEWEST_CELLS:
        raise ResultError(
            f"{experiment.name} has {len(samples)} cells with predictions, and a fit takes at least {_FEWEST_CELLS}",
            hint="move with transship's own strategies; methods by hand predict nothing",
        )
    kind, parts = _parts(samples)
    held = [(sample, fitted) for part in parts for fitted in [fitted_model(_without(samples, part))] for sample in part]
    return Fit(
        model=fitted_model(samples),
        samples=len(samples),
        runs=sum(len(sample.runs) for sample in samples),
        built_in=_errors([(sample, Model()) for sample in samples]),
        held_out=_errors(held),
        by_strategy={
            strategy: _errors([(sample, model) for sample, model in held if sample.work.strategy == strategy])
            for strategy in sorted({sample.work.strategy for sample in samples})
        },
        left_out=kind,
        in_use=None if in_use is None else _errors([(sample, in_use) for sample in samples]),
    )


def samples_of(runs: Iterable[Run]) -> list[Sample]:
    """A sample for each cell whose runs tell their work and what it took."""
    found = []
    for group in by(runs, lambda run: run.cell.id).values():
        made = tuple(each for run in group if (each := _made(run)))
        if made:
            total = median(each.total_s for each in made)
            downtime = median(each.downtime_s for each in made)
            wire = median(float(run.measures.wire_bytes or 0) for run in group)
            found.append(Sample(group[0].cell.image, made[len(made) // 2].work, total, downtime, wire, made))
    return found


def fitted_model(samples: Sequence[Sample]) -> Model:
    """The model whose predictions of these samples are least wrong, in relation to what they are of.

    Gauss-Newton over the logarithms of the costs, damped, with odd samples weighed down; what the samples do not tell
    stays at the built-in cost.
    """
    theta, damping = np.zeros(len(_COSTS)), 1e-3
    loss, residuals = _loss(samples, theta)
    for _ in range(_ROUNDS):
        weights = 1 / np.maximum(1.0, np.abs(residuals) / _ODD)
        slopes = _slopes(samples, theta, residuals)
        pull = slopes.T @ (weights[:, None] * slopes) + (_PRIOR**2 + damping) * np.eye(len(theta))
        step = np.linalg.solve(pull, -slopes.T @ (weights * residuals) - _PRIOR**2 * theta)
        there = np.clip(theta + step, -_FURTHEST, _FURTHEST)
        better, tried = _loss(samples, there)
        if better < loss:
            done = loss - better < 1e-4 * loss
            theta, loss, residuals, damping = there, better, tried, damping / 3
            if done:
                break
        else:
            damping *= 10
    return _model(theta)


def _scaled(name: str) -> Callable[[Model, float], Model]:
    def change(model: Model, factor: float) -> Model:
        value = getattr(model, name)
        changed: dict[str, Any] = {name: value.times(factor) if isinstance(value, Interval) else value * factor}
        return replace(model, **changed)

    return change


def _shrinking(name: str) -> Callable[[Model, float], Model]:
    def change(model: Model, factor: float) -> Model:
        known: Interval = getattr(model, name)
        likely = min(max(known.likely * factor, known.low), known.high)
        changed: dict[str, Any] = {name: replace(known, likely=likely)}
        return replace(model, **changed)

    return change


_COSTS: tuple[Callable[[Model, float], Model], ...] = (
    *map(_scaled, ("setup", "agents", "stop", "start", "first_answer", "last_round")),
    *map(_scaled, ("archive_rate", "store_rate", "tree_rate", "name", "look")),
    *map(_shrinking, ("image_shrinks", "data_shrinks")),
)


def _model(theta: Floats) -> Model:
    model = Model()
    for change, exponent in zip(_COSTS, theta, strict=True):
        model = change(model, float(np.exp(exponent)))
    return model


def _loss(samples: Sequence[Sample], theta: Floats) -> tuple[float, Floats]:
    residuals = _residuals(samples, theta)
    size = np.abs(residuals)
    robust = np.where(size <= _ODD, size**2, 2 * _ODD * size - _ODD**2)
    return float(robust.sum() + _PRIOR**2 * (theta**2).sum()), residuals


def _slopes(samples: Sequence[Sample], theta: Floats, residuals: Floats) -> Floats:
    columns = []
    for index in range(len(theta)):
        beside = theta.copy()
        beside[index] += _STEP
        columns.append((_residuals(samples, beside) - residuals) / _STEP)
    return np.stack(columns, axis=1)


def _residuals(samples: Sequence[Sample], theta: Floats) -> Floats:
    """Logarithms of predicted / measured: total times, downtimes, and bytes where there are many."""
    model, found = _model(theta), []
    for sample in samples:
        told = estimate(sample.work, model)
        pairs = [(told.total_s, sample.total_s), (told.downtime_s, sample.downtime_s)]
        pairs += [(told.wire_bytes, sample.wire_bytes)] if sample.wire_bytes > _SMALL_BYTES else []
        found += [np.log(said.likely / was) if said and said.likely > 0 else 0.0 for said, was in pairs]
    return np.array(found, dtype=np.float64)


def _made(run: Run) -> Made | None:
    """A run that was predicted in full and measured."""
    total, downtime = run.measures.total_s, run.measures.engine_downtime_s
    if not (total and downtime and run.predicted):
        return None
    try:
        work = read_work(run.predicted.get("work"))
    except MalformedError as error:
        raise ResultError(f"run {run.run} has a prediction that cannot be read: {error}") from error
    told = estimate(work, Model())
    return Made(work, total, downtime) if told.total_s and told.downtime_s else None


def _parts(samples: Sequence[Sample]) -> tuple[str, list[list[Sample]]]:
    """What is held out together: each container with all that was done to it; if there is only one, each cell."""
    images = sorted({sample.image for sample in samples})
    if len(images) > 1:
        return "image", [[sample for sample in samples if sample.image == image] for image in images]
    return "cell", [[sample] for sample in samples]


def _without(samples: Sequence[Sample], part: Sequence[Sample]) -> list[Sample]:
    held = set(map(id, part))
    return [sample for sample in samples if id(sample) not in held]


def _errors(predicted: Sequence[tuple[Sample, Model]]) -> Errors:
    totals, downtimes = [], []
    for made, model in ((made, model) for sample, model in predicted for made in sample.runs):
        told = estimate(made.work, model)
        if told.total_s and told.downtime_s:
            totals.append(abs(told.total_s.likely - made.total_s) / made.total_s)
            downtimes.append(abs(told.downtime_s.likely - made.downtime_s) / made.downtime_s)
    return Errors(median(totals), median(downtimes))
