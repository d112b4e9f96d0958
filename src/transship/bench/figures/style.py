"""How every figure looks: readable in print, without colour and for those who see colours otherwise."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import ceil, log10
from textwrap import fill
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from transship.bench.result import Run
from transship.bench.statistics import Combined
from transship.bench.table import Measure, by_condition, combined, condition_names, strategy_rank

WIDTH = 7.2
"""Inches: a page's text."""

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C7A00", "#444444")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo", "---")
_DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1, 1, 1, 1, 1)),
    (0, (1, 2)),
    (0, (8, 2)),
    (0, (3, 3)),
)

_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "hatch.linewidth": 0.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "transship",
    "figure.constrained_layout.use": True,
}

MEDIAN = "median (of several cells: mean of their medians) with its 95 % interval (six runs or more of each)"
"""What points and bars with whiskers are."""

_NOTE = 125
"""Letters of a line below the panels."""

LOG_FROM = 12.0
"""An axis is logarithmic where the largest value is so many times the smallest."""

_DECADES = 2.2
"""Up to this many powers of ten, an axis has room for ticks at 2 and 5."""


class NothingToDrawError(Exception):
    """The results do not hold what a figure shows. The message says what is missing."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one strategy (or image) is drawn, in every figure alike."""

    colour: str
    marker: str
    hatch: str
    dash: str | tuple[int, tuple[int, ...]]

    def bar(self) -> dict[str, Any]:
        """The words that make matplotlib draw a bar so."""
        return {"color": self.colour, "hatch": self.hatch, "edgecolor": "white", "linewidth": 0.4}

    def line(self) -> dict[str, Any]:
        """The words that make it draw a line so."""
        return {"color": self.colour, "linestyle": self.dash}

    def points(self) -> dict[str, Any]:
        """The words that make it draw points so, hollow: others may lie below."""
        return {"edgecolors": self.colour, "facecolors": "none", "marker": self.marker, "linewidths": 1.2}


@dataclass(frozen=True, slots=True)
class Panel:
    """Where the runs of one condition are drawn."""

    axes: Axes
    runs: list[Run]


def looks(names: Iterable[str]) -> dict[str, Look]:
    """One for each name. Beyond eight they repeat."""
    every = list(zip(_COLOURS, _MARKERS, _HATCHES, _DASHES, strict=True))
    return {name: Look(*every[index % len(every)]) for index, name in enumerate(names)}


def settings() -> AbstractContextManager[None]:
    """The block in which a figure is made and saved."""
    return rc_context(_SETTINGS)


def measured(runs: Iterable[Run], measure: Measure) -> list[Run]:
    """The runs of which this is known. Raises `NothingToDrawError` where there are none."""
    known = [run for run in runs if measure(run) is not None]
    if not known:
        raise NothingToDrawError("it was not measured in any run")
    return known


def grid(count: int, *, height: float, across: int = 2, share_x: bool = True, share_y: bool = True) -> list[Axes]:
    """So many empty panels, each of the given height in inches, side by side as far as they go. All of one figure."""
    return grid_of([height] * count, across=across, share_x=share_x, share_y=share_y)


def grid_of(heights: Sequence[float], *, across: int = 2, share_x: bool = True, share_y: bool = True) -> list[Axes]:
    """An empty panel for each height in inches, side by side as far as they go; the highest of a row decides."""
    count = len(heights)
    columns = min(across, count)
    rows = ceil(count / columns)
    high = [max(heights[row * columns : (row + 1) * columns]) for row in range(rows)]
    figure = Figure(figsize=(WIDTH, sum(high) + 0.75))
    axes = figure.subplots(rows, columns, sharex=share_x, sharey=share_y, squeeze=False, height_ratios=high).flatten()
    for spare in axes[count:]:
        spare.remove()
    for lowest in axes[max(0, count - columns) : count]:
        lowest.tick_params(labelbottom=True)
    return list(axes[:count])


def panels(runs: Sequence[Run], *, height: float, share_x: bool = True, share_y: bool = True) -> Iterator[Panel]:
    """A panel for each condition of these runs, with what tells it apart above it."""
    conditions, names = by_condition(runs), condition_names(runs)
    axes = grid(len(conditions), height=height, share_x=share_x, share_y=share_y)
    for ax, (condition, group) in zip(axes, conditions.items(), strict=True):
        ax.set_title(names[condition])
        yield Panel(ax, group)


def figure_of(axes: Axes) -> Figure:
    """The figure that a panel belongs to."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("a panel that was taken out of its figure")
    return figure


def finish(figure: Figure, note: str, *, legend: bool = True) -> Figure:
    """Put one legend above all panels, below them what the marks mean, and name each axis where it has numbers."""
    for ax in figure.axes:
        if not ax.xaxis.get_tick_params()["labelbottom"]:
            ax.set_xlabel("")
        if not ax.yaxis.get_tick_params()["labelleft"]:
            ax.set_ylabel("")
    entries = {
        label: handle for ax in figure.axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    if legend and entries:
        labels = sorted(entries, key=strategy_rank)
        figure.legend(
            [entries[label] for label in labels], labels, loc="outside upper center", ncols=min(4, len(entries))
        )
    words = "\n".join(fill(each, _NOTE) for each in note.split("\n"))
    figure.supxlabel(words, fontsize=7, color="#444444")
    return figure


def fit_scale(ax: Axes, values: Iterable[float], axis: Literal["x", "y"]) -> None:
    """A logarithmic axis where the values differ much, else one from zero; with plain numbers at its ticks."""
    known = [value for value in values if value > 0]
    if not known:
        return
    if max(known) < LOG_FROM * min(known):
        (ax.set_xlim if axis == "x" else ax.set_ylim)(0, max(known) * 1.12)
        return
    (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
    ticks = ax.xaxis if axis == "x" else ax.yaxis
    decades = log10(max(known) / min(known))
    ticks.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < _DECADES else (1.0,), numticks=12))
    ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ticks.set_minor_formatter(NullFormatter())


def error_bar(told: Combined) -> tuple[list[float], list[float]]:
    """How far the interval reaches below and above the middle, for matplotlib; nothing where there is none."""
    if told.interval is None:
        return [0.0], [0.0]
    return [max(0.0, told.middle - told.interval.low)], [max(0.0, told.interval.high - told.middle)]


def draw_line(ax: Axes, points: Mapping[float, Sequence[Run]], measure: Measure, look: Look, name: str) -> None:
    """A line through what is typical of the runs at each place, with its interval; gone where nothing was measured."""
    found = {at: told for at, runs in points.items() if (told := combined(runs, measure))}
    if found:
        ax.errorbar(
            list(found),
            [each.middle for each in found.values()],
            yerr=np.array([error_bar(each) for each in found.values()])[:, :, 0].T,
            markersize=4,
            linewidth=1.1,
            capsize=2,
            marker=look.marker,
            label=name,
            **look.line(),
        )


def say_numbers(ax: Axes, rows: Sequence[Sequence[object]], *, above: float = 0.0) -> None:
    """Write at the end of each row how many runs are in it: panels that share their names need not share numbers."""
    for at, runs in enumerate(rows):
        words = f"n = {len(runs)}" if runs else "no runs"
        ax.annotate(words, (1.0, at - above), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=6.5)


def count(groups: Iterable[Sequence[object]]) -> str:
    """How many runs are behind the marks."""
    sizes = sorted({len(group) for group in groups})
    return f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]} to {sizes[-1]}"
