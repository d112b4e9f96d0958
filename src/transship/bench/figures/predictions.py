"""What plans had said, and what happened."""

from collections.abc import Callable, Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transship.bench.figures.style import NothingToDrawError, figure_of, finish, fit_scale, grid, looks
from transship.bench.predicted import Foretold, downtime_foretold, total_foretold
from transship.bench.result import Run
from transship.bench.table import Experiment, by_strategy

Told = Callable[[Run], Foretold | None]

_NEAR = 0.2


def predicted_against_measured(experiment: Experiment) -> Figure:
    """A point a run: on the line where the plan was right."""
    kinds: dict[str, Told] = {"total time": total_foretold, "downtime": downtime_foretold}
    known = {kind: [run for run in experiment.runs if of(run)] for kind, of in kinds.items()}
    shown = {kind: runs for kind, runs in known.items() if runs}
    if not shown:
        raise NothingToDrawError("no run has a prediction")
    look = looks(by_strategy(experiment.runs))
    axes = grid(len(shown), height=3.3, share_x=False, share_y=False)
    for ax, (kind, runs) in zip(axes, shown.items(), strict=True):
        for strategy, mine in by_strategy(runs).items():
            told = [each for run in mine if (each := kinds[kind](run))]
            points = [each.likely for each in told], [each.was for each in told]
            ax.scatter(*points, s=12, alpha=0.7, label=strategy, **look[strategy].points())
        every = [each for run in runs if (each := kinds[kind](run))]
        _lines(ax, every)
        ax.set_title(f"{kind}: median error {100 * median(each.error for each in every):.0f} %, n = {len(every)}")
        ax.set(xlabel=f"predicted {kind} [s]", ylabel=f"measured {kind} [s]")
    return finish(figure_of(axes[0]), "line: as predicted; grey: within 20 % of it")


def _lines(ax: Axes, told: Sequence[Foretold]) -> None:
    every = [value for each in told for value in (each.likely, each.was)]
    ends = [min(every) / 1.3, max(every) * 1.3]
    below, above = ([(1 + sign * _NEAR) * end for end in ends] for sign in (-1, 1))
    ax.fill_between(ends, below, above, color="#dddddd", linewidth=0, zorder=0)
    ax.plot(ends, ends, color="black", linewidth=0.9)
    fit_scale(ax, every, "x")
    fit_scale(ax, every, "y")
