"""How many bytes crossed."""

from matplotlib.figure import Figure

from transship.bench.figures.bars import grouped_bars
from transship.bench.figures.style import NothingToDrawError, figure_of, finish, fit_scale, grid, looks
from transship.bench.result import Run
from transship.bench.statistics import summarise
from transship.bench.table import Experiment, Workload, by, by_image, by_strategy, sent_bytes, values

_MB = 1e6


def transfer_size(experiment: Experiment) -> Figure:
    """What the link carried for each image."""
    return grouped_bars(experiment.runs, by_image, _sent_mb, "on the link [MB]")


def bytes_against_minimum(experiment: Experiment) -> Figure:
    """What was sent, against what would have had to be sent at least."""
    known = [run for run in experiment.runs if sent_bytes(run) and run.measures.minimum_bytes]
    if not known:
        raise NothingToDrawError("no run had anything to send, or its minimum was not measured")
    (ax,) = grid(1, height=3.9)
    look = looks(by_strategy(experiment.runs))
    for strategy, runs in by_strategy(known).items():
        cells = by(runs, lambda run: (Workload.of(run.cell), run.cell.cache, run.cell.link_mbit)).values()
        least = [summarise(values(cell, _least_mb)).median for cell in cells]
        sent = [summarise(values(cell, _sent_mb)).median for cell in cells]
        ax.scatter(least, sent, s=34, label=strategy, **look[strategy].points())
    ends = [min(values(known, _least_mb)) / 1.5, max(values(known, _least_mb)) * 1.5]
    for factor, dash in ((1, "-"), (2, "--"), (10, ":")):
        words = "as much as the least" if factor == 1 else f"{factor} times the least"
        ax.plot(ends, [factor * end for end in ends], dash, color="#666666", linewidth=0.9, label=words)
    ax.set(xlabel="least that has to cross, compressed with zstd -3 [MB]", ylabel="on the link [MB]")
    fit_scale(ax, values(known, _least_mb), "x")
    fit_scale(ax, values(known, _sent_mb), "y")
    return finish(
        figure_of(ax), f"a point a cell: median of its runs, {len(known)} runs; cells with nothing to send are left out"
    )


def _sent_mb(run: Run) -> float | None:
    sent = sent_bytes(run)
    return None if sent is None else sent / _MB


def _least_mb(run: Run) -> float | None:
    least = run.measures.minimum_bytes
    return None if least is None else least / _MB
