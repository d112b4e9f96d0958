"""The tables of an experiment as CSV, units in the columns' names."""

import csv
import io
from collections.abc import Iterable

from transship.bench.result import Run
from transship.bench.statistics import summarise
from transship.bench.table import MEASURES, Experiment, Measure, by_image, by_strategy, combined, values

_COLUMNS = ("median", "median_low", "median_high", "mean", "std", "min", "q1", "q3", "max")


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
    columns = [f"{name}_{column}_{unit}" for name, (_, unit) in MEASURES.items() for column in _COLUMNS]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*names, "cells", "runs", "failed", *columns))
    for name, runs in groups:
        moved = [run for run in runs if run.outcome == "moved"]
        cells = len({run.cell.id for run in moved})
        numbers = [number for measure, _ in MEASURES.values() for number in _row(moved, measure)]
        writer.writerow((*name, cells, len(moved), len(runs) - len(moved), *numbers))
    return text.getvalue()


def _row(runs: list[Run], measure: Measure) -> list[str]:
    """The mean of the cells' medians, and what all runs of these cells are together. Empty where there is nothing."""
    numbers, middle = values(runs, measure), combined(runs, measure)
    if not numbers or middle is None:
        return [""] * len(_COLUMNS)
    told, span = summarise(numbers), middle.interval
    low, high = (span.low, span.high) if span else (None, None)
    found = (middle.middle, low, high, told.mean, told.std, told.minimum, told.q1, told.q3, told.maximum)
    return ["" if value is None else f"{value:.6g}" for value in found]
