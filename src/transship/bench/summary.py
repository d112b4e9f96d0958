"""The tables of an experiment as CSV, units in the columns' names."""

import csv
import io
from collections.abc import Iterable

from transship.bench.result import Run
from transship.bench.statistics import summarise
from transship.bench.table import MEASURES, Experiment, by_image, by_strategy, values


def summary_by_strategy(experiment: Experiment) -> str:
    """A row a strategy."""
    return _table(("strategy",), (((name,), runs) for name, runs in by_strategy(experiment.all).items()))


def summary_by_image(experiment: Experiment) -> str:
    """A row an image and strategy."""
    groups = (
        ((image, strategy), runs)
        for image, there in by_image(experiment.all).items()
        for strategy, runs in by_strategy(there).items()
    )
    return _table(("image", "strategy"), groups)


def _table(names: tuple[str, ...], groups: Iterable[tuple[tuple[str, ...], list[Run]]]) -> str:
    text = io.StringIO()
    columns = [f"{name}_{column}_{unit}" for name, (_, unit) in MEASURES.items() for column in _row([])]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*names, "runs", "failed", *columns))
    for name, runs in groups:
        moved = [run for run in runs if run.outcome == "moved"]
        cells = [cell for measure, _ in MEASURES.values() for cell in _row(values(moved, measure)).values()]
        writer.writerow((*name, len(moved), len(runs) - len(moved), *cells))
    return text.getvalue()


def _row(numbers: list[float]) -> dict[str, str]:
    """Empty where there is nothing, never zero."""
    names = ("median", "median_low", "median_high", "mean", "std", "min", "q1", "q3", "max")
    if not numbers:
        return dict.fromkeys(names, "")
    told = summarise(numbers)
    low, high = (told.interval.low, told.interval.high) if told.interval else (None, None)
    found = (told.median, low, high, told.mean, told.std, told.minimum, told.q1, told.q3, told.maximum)
    return {name: "" if value is None else f"{value:.6g}" for name, value in zip(names, found, strict=True)}
