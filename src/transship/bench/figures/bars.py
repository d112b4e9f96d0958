from collections.abc import Callable, Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transship.bench.figures.style import (
    MEDIAN,
    Look,
    count,
    error_bar,
    figure_of,
    finish,
    looks,
    measured,
    panels,
)
from transship.bench.result import Run
from transship.bench.statistics import Combined
from transship.bench.table import Measure, by_strategy, combined

Grouping = Callable[[Iterable[Run]], dict[str, list[Run]]]

_GROUP = 0.88
"""The part of the axis that the bars of a group fill."""


def grouped_bars(runs: Sequence[Run], grouping: Grouping, measure: Measure, label: str) -> Figure:
    """A panel a condition, in it a group of bars for each image (or whatever `grouping` makes), a bar a strategy.

    Bars begin at zero, so that their lengths can be compared; what is too short to see is written above it.
    """
    known = measured(runs, measure)
    groups, strategies, look = list(grouping(known)), list(by_strategy(known)), looks(by_strategy(runs))
    width, drawn = _GROUP / len(strategies), []
    counted: list[list[Run]] = []
    for panel in panels(known, height=2.4):
        there = grouping(panel.runs)
        for at, group in enumerate(groups):
            mine = by_strategy(there.get(group, ()))
            counted += mine.values()
            for place, strategy in enumerate(strategies):
                if strategy in mine:
                    left = at - _GROUP / 2 + place * width
                    _bar(panel.axes, (left, width), combined(mine[strategy], measure), look[strategy], strategy)
        panel.axes.set_xticks(range(len(groups)), groups)
        panel.axes.set_xlim(-0.5, len(groups) - 0.5)
        panel.axes.grid(visible=False, axis="x")
        panel.axes.set_ylabel(label)
        panel.axes.margins(y=0.14)
        drawn.append(panel.axes)
    return finish(
        figure_of(drawn[0]), f"{count(counted)} runs a bar, all filesystem states that the strategy has; {MEDIAN}"
    )


def _bar(ax: Axes, place: tuple[float, float], told: Combined | None, look: Look, name: str) -> None:
    if told is None:
        return
    left, width = place
    ax.bar(left + width / 2, told.middle, width * 0.94, label=name, **look.bar())
    middle, spans = left + width / 2, error_bar(told)
    ax.errorbar([middle], [told.middle], yerr=spans, fmt="none", ecolor="black", capsize=1.5, linewidth=0.8)
    top = told.middle + spans[1][0]
    ax.annotate(
        f"{told.middle:.3g}",
        (middle, top),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        rotation=90,
        fontsize=5.5,
    )
