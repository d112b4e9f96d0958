"""How long the service was away."""

from collections.abc import Sequence
from math import inf
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transship.bench.figures.style import (
    MEDIAN,
    NothingToDrawError,
    count,
    draw_line,
    figure_of,
    finish,
    fit_scale,
    grid,
    looks,
    measured,
    panels,
)
from transship.bench.result import Run
from transship.bench.table import Condition, Experiment, Workload, by, by_image, by_strategy, downtime_s, values

_MB = 1e6
_DOWNTIME = "downtime [s]"


def downtime_against_size(experiment: Experiment) -> Figure:
    """A line a strategy, and what the link could carry at best."""
    known, sizes = measured(experiment.runs, downtime_s), _sizes_mb(experiment.runs)
    known = [run for run in known if sizes[Workload.of(run.cell)]]
    if not known:
        raise NothingToDrawError("no run says how much there was to move")
    look, drawn = looks(by_strategy(experiment.runs)), []
    counted: list[list[Run]] = []
    for panel in panels(known, height=2.5):
        for strategy, runs in by_strategy(panel.runs).items():
            cells = by(runs, lambda run: sizes[Workload.of(run.cell)])
            counted += cells.values()
            draw_line(panel.axes, {size: cells[size] for size in sorted(cells)}, downtime_s, look[strategy], strategy)
        _limit(panel.axes, panel.runs, sorted(sizes.values()))
        panel.axes.set(xlabel="size of the container [MB]", ylabel=_DOWNTIME)
        drawn.append(panel.axes)
    for ax in drawn:
        fit_scale(ax, sizes.values(), "x")
        fit_scale(ax, values(known, downtime_s), "y")
    return finish(
        figure_of(drawn[0]),
        f"{count(counted)} a point; size: image and what was written, unpacked; {MEDIAN}",
    )


def downtime_against_link_rate(experiment: Experiment) -> Figure:
    """What a faster link is worth."""
    known = [run for run in measured(experiment.runs, downtime_s) if run.cell.link_mbit is not None]
    if len({run.cell.link_mbit for run in known}) == 1 or not known:
        raise NothingToDrawError("there is one limited link rate only")
    look = looks(by_strategy(experiment.runs))
    cells = {
        (image, cache): group
        for image, there in by_image(known).items()
        for cache, group in by(there, lambda run: run.cell.cache).items()
    }
    axes = grid(len(cells), height=1.9, across=3)
    counted: list[list[Run]] = []
    for ax, ((image, cache), runs) in zip(axes, cells.items(), strict=True):
        ax.set_title(f"{image}, {cache} cache")
        for strategy, mine in by_strategy(runs).items():
            rates = by(mine, lambda run: run.cell.link_mbit or inf)
            counted += rates.values()
            draw_line(ax, {rate: rates[rate] for rate in sorted(rates)}, downtime_s, look[strategy], strategy)
        ax.set(xlabel="link [Mbit/s]", ylabel=_DOWNTIME)
    for ax in axes:
        fit_scale(ax, [run.cell.link_mbit or 0.0 for run in known], "x")
        fit_scale(ax, values(known, downtime_s), "y")
    return finish(figure_of(axes[0]), f"{count(counted)} a point, all filesystem states; {MEDIAN}")


def downtime_distribution(experiment: Experiment) -> Figure:
    """For each length of time the part of the moves whose downtime was no longer."""
    known = measured(experiment.runs, downtime_s)
    look, drawn = looks(by_strategy(experiment.runs)), []
    for panel in panels(known, height=2.4):
        for strategy, runs in by_strategy(panel.runs).items():
            times = np.sort(values(runs, downtime_s))
            panel.axes.ecdf(times, linewidth=1.6, label=strategy, **look[strategy].line())
        panel.axes.set(xlabel=_DOWNTIME, ylabel="part of the moves", ylim=(0, 1.02))
        drawn.append(panel.axes)
    for ax in drawn:
        fit_scale(ax, values(known, downtime_s), "x")
    groups = [
        runs for panel in by(known, lambda run: Condition.of(run.cell)).values() for runs in by_strategy(panel).values()
    ]
    return finish(figure_of(drawn[0]), f"all images and states, {count(groups)} a line")


def _sizes_mb(runs: Sequence[Run]) -> dict[Workload, float]:
    """How large each container is: the most that any strategy found to move of it."""
    groups = by(runs, lambda run: Workload.of(run.cell))
    return {
        each: round(max((run.measures.logical_bytes or 0 for run in group), default=0) / _MB, 3)
        for each, group in groups.items()
    }


def _limit(ax: Axes, runs: Sequence[Run], sizes: Sequence[float]) -> None:
    """The time in which the link carries as many bytes as there are, uncompressed."""
    rates = [run.cell.link_mbit for run in runs if run.cell.link_mbit is not None]
    if rates:
        at = np.array([size for size in sizes if size > 0])
        ax.errorbar(
            at,
            at * 8 / median(rates),
            color="black",
            linewidth=1,
            linestyle=(0, (1, 1)),
            label="link's limit, uncompressed",
        )
