"""What the time went into."""

from collections.abc import Mapping, Sequence
from statistics import mean, median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transship.bench.figures.style import NothingToDrawError, figure_of, finish, grid_of, looks, panels, say_numbers
from transship.bench.result import PhaseRow, Run
from transship.bench.stages import SERVES, STAGES, STOPS, Stage, stages
from transship.bench.table import (
    Experiment,
    Workload,
    by,
    by_condition,
    by_image,
    by_strategy,
    downtime_s,
    total_s,
    values,
)

_STREAM = ("export", "transfer", "import")
_ACROSS = 2
_ROW = 0.135
"""Inches of a row of the waterfall."""

_THIN = 0.004
"""A phase shorter than this part of the run is drawn as a line."""


def time_breakdown(experiment: Experiment) -> Figure:
    """Mean seconds of each stage, stacked: means add up, medians do not."""
    known = [run for run in experiment.runs if run.phases]
    if not known:
        raise NothingToDrawError("no run tells its phases")
    names, drawn = list(by_strategy(known)), []
    for panel in panels(known, height=0.5 + 0.3 * len(names)):
        for row, name in enumerate(names):
            spent = [stages(run) for run in by_strategy(panel.runs).get(name, ())]
            if spent:
                _stack(panel.axes, row, {stage: mean(each[stage] for each in spent) for stage in STAGES})
        panel.axes.set_yticks(range(len(names)), names)
        panel.axes.set_ylim(len(names) - 0.45, -0.55)
        panel.axes.margins(x=0.14)
        panel.axes.grid(visible=False, axis="y")
        panel.axes.set_xlabel("time [s]")
        drawn.append(panel.axes)
    return finish(
        figure_of(drawn[0]),
        f"mean over all images and states, n = {len(known)} runs in all; the service is down from stop to prove",
    )


def _stack(ax: Axes, row: int, spent: Mapping[Stage, float]) -> None:
    look, left = looks(STAGES), 0.0
    for stage, seconds in spent.items():
        ax.barh(row, seconds, 0.7, left=left, label=stage, **look[stage].bar())
        left += seconds
    ax.annotate(f" {left:.1f} s", (left, row), va="center", fontsize=7.5)


def export_import_detail(experiment: Experiment) -> Figure:
    """When export, transfer and import begin and end, counted from the stop: they work at the same time."""
    runs = [run for run in experiment.runs if run.cell.strategy == "export-import" and _named(run.phases, _STREAM)]
    if not runs:
        raise NothingToDrawError("there is no run of export-import that tells its phases")
    images, drawn = by_image(runs), []
    look = looks(_STREAM)
    for panel in panels(runs, height=0.55 + 0.42 * len(images)):
        for row, image in enumerate(images):
            for place, name in enumerate(_STREAM):
                spans = [_since_stop(run, name) for run in by_image(panel.runs).get(image, ())]
                found = [span for span in spans if span is not None]
                if found:
                    begin, length = median(each[0] for each in found), median(each[1] for each in found)
                    panel.axes.barh(row + 0.27 * (place - 1), length, 0.25, left=begin, label=name, **look[name].bar())
        panel.axes.set_yticks(range(len(images)), list(images))
        say_numbers(panel.axes, [by_image(panel.runs).get(image, ()) for image in images])
        panel.axes.set_ylim(len(images) - 0.4, -0.6)
        panel.axes.grid(visible=False, axis="y")
        panel.axes.set_xlim(left=0, right=panel.axes.get_xlim()[1] * 1.12)
        panel.axes.set_xlabel("time since the stop began [s]")
        drawn.append(panel.axes)
    return finish(figure_of(drawn[0]), "medians of begin and length over all filesystem states")


def phase_waterfall(experiment: Experiment) -> Figure:
    """Of each strategy the run of median length that moved the largest container, under the commonest condition."""
    typical = _typical(experiment.runs)
    if not typical:
        raise NothingToDrawError("no run tells its phases and how long it took")
    counts = [len(run.phases) for run in typical.values()]
    beside = [max(counts[at - at % _ACROSS :][:_ACROSS]) for at in range(len(counts))]
    axes = grid_of([0.55 + _ROW * rows for rows in beside], across=_ACROSS, share_x=False, share_y=False)
    for ax, rows, (strategy, run) in zip(axes, beside, typical.items(), strict=True):
        down = downtime_s(run)
        said = "" if down is None else f", down {down:.2f} s"
        ax.set_title(f"{strategy}: {total_s(run) or 0.0:.1f} s{said}", fontsize=8.5)
        _waterfall(ax, run)
        ax.set_ylim(rows - 0.4, -0.6)
    of = next(iter(typical.values()))
    return finish(
        figure_of(axes[0]),
        f"one run each of {Workload.of(of.cell).words()}; shaded: from the stop until it serves",
        legend=False,
    )


def _waterfall(ax: Axes, run: Run) -> None:
    phases = sorted(run.phases, key=lambda row: (row.start_s, -row.seconds))
    whole = max(row.start_s + row.seconds for row in phases)
    stop = next((row.start_s for row in phases if row.name in STOPS), None)
    served = max((row.start_s + row.seconds for row in phases if row.name in SERVES), default=whole)
    if stop is not None:
        ax.axvspan(stop, served, color="#f6d9c8", linewidth=0)
    for at, row in enumerate(phases):
        ax.barh(
            at, max(row.seconds, _THIN * whole), 0.72, left=row.start_s, color="#D55E00" if row.failed else "#0072B2"
        )
    ax.set_yticks(range(len(phases)), [row.name for row in phases], fontsize=6)
    ax.set_xlim(0, whole * 1.02)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("time [s]")


def _typical(runs: Sequence[Run]) -> dict[str, Run]:
    known = [run for run in runs if run.phases and total_s(run) is not None]
    if not known:
        return {}
    commonest = max(by_condition(known).values(), key=lambda group: len({run.cell.id for run in group}))
    largest = max(by(commonest, lambda run: Workload.of(run.cell)).values(), key=_size)
    chosen = {}
    for strategy, group in by_strategy(largest).items():
        middle = median(values(group, total_s))
        chosen[strategy] = min(group, key=lambda run: abs((total_s(run) or 0.0) - middle))
    return chosen


def _size(runs: Sequence[Run]) -> tuple[int, int]:
    """By how many strategies moved it, then by its size."""
    return len(by_strategy(runs)), max(run.measures.logical_bytes or 0 for run in runs)


def _named(phases: Sequence[PhaseRow], names: Sequence[str]) -> bool:
    return set(names) <= {row.name for row in phases}


def _since_stop(run: Run, name: str) -> tuple[float, float] | None:
    stop = next((row.start_s for row in run.phases if row.name in {"stop", "freeze"}), 0.0)
    return next(((row.start_s - stop, row.seconds) for row in run.phases if row.name == name), None)
