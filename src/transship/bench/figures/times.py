"""How long moves took in all."""

from collections.abc import Callable
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transship.bench.figures.bars import grouped_bars
from transship.bench.figures.style import (
    MEDIAN,
    NothingToDrawError,
    count,
    draw_line,
    error_bar,
    figure_of,
    finish,
    fit_scale,
    grid,
    looks,
    measured,
    panels,
    say_numbers,
)
from transship.bench.result import Run
from transship.bench.table import (
    Experiment,
    by,
    by_condition,
    by_image,
    by_state,
    by_strategy,
    combined,
    condition_names,
    total_s,
    values,
)

_FEWEST_FOR_SHAPE = 6
_TITLE = 24
"""Letters above a narrow panel."""

_TOTAL = "total time [s]"

Drawer = Callable[[Axes, int, list[Run], str], None]
"""Draws the times of one strategy into a row, in a colour."""


def total_time_by_strategy(experiment: Experiment) -> Figure:
    """A box a strategy, all runs as points."""
    axes = _by_strategy(experiment, _boxes)
    return finish(
        figure_of(axes),
        "box: quartiles, line: median, whiskers: up to 1.5 of the box, points: single runs of all images and states",
        legend=False,
    )


def strategy_violin(experiment: Experiment) -> Figure:
    """The distributions' shapes, where two modes would show."""
    axes = _by_strategy(experiment, _violins)
    words = "width: share of runs around that time, all images and states; marks: the median of each cell in it"
    return finish(figure_of(axes), words, legend=False)


def time_by_image(experiment: Experiment) -> Figure:
    """Medians of each image and strategy."""
    return grouped_bars(experiment.runs, by_image, total_s, _TOTAL)


def time_by_filesystem_state(experiment: Experiment) -> Figure:
    """Whether it matters how much the container has written: a panel a strategy, a line an image."""
    known = measured(experiment.runs, total_s)
    if len(by_state(known)) == 1:
        raise NothingToDrawError("there is one filesystem state only")
    conditions, names = by_condition(known), condition_names(known)
    cells = [
        (strategy, names[condition], group)
        for condition, runs in conditions.items()
        for strategy, group in by_strategy(runs).items()
    ]
    look, states = looks(by_image(experiment.runs)), list(by_state(known))
    axes = grid(len(cells), height=1.75, across=4)
    for ax, (strategy, condition, group) in zip(axes, cells, strict=True):
        ax.set_title("\n".join(filter(None, (fill(strategy, _TITLE), fill(condition, _TITLE)))), fontsize=8)
        for image, there in by_image(group).items():
            points = {float(states.index(state)): each for state, each in by_state(there).items()}
            draw_line(ax, points, total_s, look[image], image)
        ax.set_xticks(range(len(states)), states)
        ax.set_xlim(-0.4, len(states) - 0.6)
    for ax in axes:
        fit_scale(ax, values(known, total_s), "y")
    figure_of(axes[0]).supylabel(_TOTAL, fontsize=8.5)
    smallest = [group for *_, runs in cells for image in by_image(runs).values() for group in by_state(image).values()]
    return finish(figure_of(axes[0]), f"{count(smallest)} a point; written by the container; {MEDIAN}")


def _by_strategy(experiment: Experiment, draw: Drawer) -> Axes:
    """A panel a condition, in it a row a strategy."""
    known = measured(experiment.runs, total_s)
    names, look = list(by_strategy(known)), looks(by_strategy(experiment.runs))
    height = 0.55 + 0.32 * len(names)
    drawn = []
    for panel in panels(known, height=height):
        groups = by_strategy(panel.runs)
        for row, name in enumerate(names):
            if name in groups:
                draw(panel.axes, row, groups[name], look[name].colour)
        panel.axes.set_yticks(range(len(names)), names)
        say_numbers(panel.axes, [groups.get(name, ()) for name in names], above=0.4)
        panel.axes.set_ylim(len(names) - 0.4, -0.6)
        panel.axes.set_xlabel(_TOTAL)
        panel.axes.grid(visible=False, axis="y")
        drawn.append(panel.axes)
    for ax in drawn:
        fit_scale(ax, values(known, total_s), "x")
    return drawn[0]


def _boxes(ax: Axes, row: int, runs: list[Run], colour: str) -> None:
    times = values(runs, total_s)
    shift = np.random.default_rng(row).uniform(-0.3, 0.3, len(times))
    ax.scatter(times, row + shift, s=5, color=colour, alpha=0.55, linewidths=0)
    ax.boxplot(
        times,
        positions=[row],
        orientation="horizontal",
        widths=0.6,
        showfliers=False,
        medianprops={"color": "black", "linewidth": 1.6},
        boxprops={"linewidth": 0.8},
        manage_ticks=False,
    )


def _violins(ax: Axes, row: int, runs: list[Run], colour: str) -> None:
    """The shape of all, and where the medians are of the cells that are in it: that is what two modes come from."""
    times = values(runs, total_s)
    if len(times) >= _FEWEST_FOR_SHAPE and min(times) < max(times):
        _shape(ax, row, times, colour)
    else:
        ax.scatter(times, [row] * len(times), s=8, color=colour, linewidths=0)
    cells = [told for cell in by(runs, lambda run: run.cell.id).values() if (told := combined(cell, total_s))]
    ax.scatter([each.middle for each in cells], [row] * len(cells), s=60, marker="|", color="black", linewidths=1.0)
    if len(cells) == 1:
        ax.errorbar(
            [cells[0].middle], [row], xerr=np.array(error_bar(cells[0])), fmt="none", ecolor="black", capsize=2.5
        )


def _shape(ax: Axes, row: int, times: list[float], colour: str) -> None:
    """A smoothed histogram over the logarithm, so that it is as fair to short times as to long ones."""
    logs = np.log(times)
    spread = min(float(logs.std(ddof=1)), float(np.subtract(*np.quantile(logs, (0.75, 0.25)))) / 1.34 or 1.0)
    width = max(0.5 * spread * len(times) ** -0.2, 0.01)
    at = np.linspace(logs.min() - width, logs.max() + width, 400)
    density = np.exp(-(((at[:, None] - logs) / width) ** 2) / 2).sum(axis=1)
    half = 0.42 * density / density.max()
    ax.fill_between(np.exp(at), row - half, row + half, color=colour, alpha=0.6, linewidth=0)
