"""What was predicted and what happened correct the model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from transship.codec import MalformedError
from transship.plan.interval import Interval
from transship.plan.predict import Correction, Model, estimate
from transship.plan.work import read_work

_BOUNDS = (0.2, 5.0)
"""No correction goes beyond these factors: what is further off is another thing than what was measured."""


@dataclass(frozen=True, slots=True)
class Pair:
    """By what a prediction without any correction would have had to be multiplied to be right; None where unknown."""

    strategy: str
    total: float | None
    downtime: float | None
    wire: float | None


def pair(predicted: Mapping[str, Any], happened: Mapping[str, Any], model: Model) -> Pair | None:
    """Hold what `model` predicts for the work of a `Prediction.to_json` against what happened.

    `happened` is a `MoveResult.to_json`, or less of it. None unless the container was moved by the strategy that the
    prediction is of, and its work can be read. Whatever else is missing, or is no number, is left out.
    """
    try:
        work = read_work(predicted.get("work"))
    except MalformedError:
        return None
    if happened.get("outcome") != "moved" or happened.get("strategy") != work.strategy:
        return None
    now = estimate(work, replace(model, corrections={}))
    sent = [_number(each.get("wire")) for each in _object(happened.get("bytes")).values() if isinstance(each, Mapping)]
    return Pair(
        strategy=work.strategy,
        total=_ratio(_number(happened.get("total_s")), now.total_s),
        downtime=_ratio(_number(happened.get("downtime_s")), now.downtime_s),
        wire=_ratio(sum(each for each in sent if each is not None), now.wire_bytes),
    )


def _ratio(was: float | None, predicted: Interval | None) -> float | None:
    return was / predicted.likely if was and predicted and predicted.likely else None


def recalibrate(model: Model, pairs: Iterable[Pair | None]) -> Model:
    """The model, corrected by what was learned: for each strategy the median of the ratios, within bounds.

    The uncorrected prediction counts as one observation, so that a single odd move changes little. Corrections that
    the model has already are not looked at: the pairs are all that was ever seen.
    """
    known = [each for each in pairs if each is not None]
    strategies = {each.strategy for each in known}
    return replace(
        model,
        corrections={
            strategy: Correction(
                total=_factor(each.total for each in known if each.strategy == strategy),
                downtime=_factor(each.downtime for each in known if each.strategy == strategy),
                wire=_factor(each.wire for each in known if each.strategy == strategy),
            )
            for strategy in sorted(strategies)
        },
    )


def _factor(ratios: Iterable[float | None]) -> float:
    low, high = _BOUNDS
    return min(max(median([1.0, *(each for each in ratios if each is not None)]), low), high)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float | None:
    """A number that can be divided by; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < float("inf") else None
