"""One to five stars for each strategy, computed from the runs by rules that the report prints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import mean, median

from transship.bench.result import Kept, Run
from transship.bench.statistics import summarise
from transship.bench.table import (
    Condition,
    Experiment,
    Measure,
    Workload,
    by,
    by_strategy,
    combined,
    downtime_s,
    total_s,
    values,
)

_TIMES = (1.25, 2.0, 4.0, 8.0)
_SPREAD = (0.03, 0.06, 0.12, 0.25)
_EFFORT = (1.0, 2.0, 4.0, 7.0)
_MANY_FAILED = 0.05
_ASPECTS = ("image", "settings", "layer", "volume", "memory")


def _steps(steps: Sequence[float], unit: str = "") -> str:
    """The limits of five stars to two, in words."""
    told = [f"{step:.0%}" if unit == "%" else f"{step:g}{unit}" for step in steps]
    return ", ".join(f"{word} {'★' * (5 - at)}" for at, word in enumerate(told)) + ", more ★"


RULES: Mapping[str, str] = {
    "interruption": "median downtime in parts of the shortest of the same cell, geometric mean over all cells: "
    f"up to {_steps(_TIMES, ' times')}",
    "speed": "median total time in parts of the shortest of the same cell, by the same steps",
    "state": "of image identity, settings, writable layer, volumes and memory, as far as the runs looked: "
    "one star, and four in parts of what every run kept",
    "consistency": "the middle half of the runs of a cell in parts of their median total time, median over all cells: "
    f"up to {_steps(_SPREAD, '%')}; one less if runs failed, two if more than {_MANY_FAILED:.0%} did",
    "simplicity": "commands that are typed, and what hosts need besides Docker and SSH, counted together: "
    f"up to {_steps(_EFFORT)}",
}
"""What each column of the strategy table means."""


@dataclass(frozen=True, slots=True)
class Rating:
    """`stars` are 1 to 5, None where nothing was measured; `number` is what they were computed from, in words."""

    stars: int | None
    number: str


def rate(experiment: Experiment) -> dict[str, dict[str, Rating]]:
    """For each strategy the rating by each of `RULES`."""
    interruption, speed = against_best(experiment.runs, downtime_s), against_best(experiment.runs, total_s)
    return {
        strategy: {
            "interruption": _times(
                interruption.get(strategy), [run for run in runs if run.outcome == "moved"], downtime_s
            ),
            "speed": _times(speed.get(strategy), [run for run in runs if run.outcome == "moved"], total_s),
            "state": _state([run.kept for run in runs if run.outcome == "moved"]),
            "consistency": _consistency(runs),
            "simplicity": _simplicity(runs),
        }
        for strategy, runs in by_strategy(experiment.all).items()
    }


def cells_of(runs: Iterable[Run]) -> dict[tuple[Workload, Condition], dict[str, list[Run]]]:
    """For each container and condition the runs of each strategy: what may be held against each other."""
    cells = by(runs, lambda run: (Workload.of(run.cell), Condition.of(run.cell)))
    return {cell: by_strategy(group) for cell, group in cells.items()}


def against_best(runs: Iterable[Run], measure: Measure) -> dict[str, float]:
    """By strategy, how many times as much as the least of the same cell: geometric mean over cells with several."""
    ratios: dict[str, list[float]] = {}
    for strategies in cells_of(runs).values():
        medians = {name: median(found) for name, group in strategies.items() if (found := values(group, measure))}
        positive = {name: value for name, value in medians.items() if value > 0}
        for name, value in positive.items() if len(positive) > 1 else ():
            ratios.setdefault(name, []).append(log(value / min(positive.values())))
    return {name: exp(mean(logs)) for name, logs in ratios.items()}


def _times(ratio: float | None, runs: Sequence[Run], measure: Measure) -> Rating:
    told = combined(runs, measure)
    if told is None:
        return Rating(None, "not measured")
    middle = f"{told.middle:.3g} s, the mean of {told.cells} cells" if told.cells > 1 else f"{told.middle:.3g} s"
    if ratio is None:
        return Rating(None, f"{middle}; nothing to compare with")
    return Rating(_stars(ratio, _TIMES), f"{ratio:.2f} times the shortest; {middle}")


def _state(kept: Sequence[Kept]) -> Rating:
    looked = {name: [said for each in kept if (said := getattr(each, name)) is not None] for name in _ASPECTS}
    tested = {name: all(said) for name, said in looked.items() if said}
    if not tested:
        return Rating(None, "nobody looked")
    lost = [name for name, always in tested.items() if not always]
    unseen = [name for name in _ASPECTS if name not in tested]
    words = [f"kept {sum(tested.values())} of {len(tested)}"]
    words += [f"lost: {', '.join(lost)}"] if lost else []
    words += [f"not tried: {', '.join(unseen)}"] if unseen else []
    return Rating(1 + 4 * sum(tested.values()) // len(tested), "; ".join(words))


def _consistency(runs: Sequence[Run]) -> Rating:
    failed = sum(run.outcome != "moved" for run in runs) / len(runs)
    cells = by((run for run in runs if run.outcome == "moved"), lambda run: run.cell.id).values()
    found = [summarise(times) for cell in cells if len(times := values(cell, total_s)) > 1]
    if not found:
        return Rating(None, "too few runs")
    spread = median((each.q3 - each.q1) / each.median for each in found)
    less = 2 if failed > _MANY_FAILED else 1 if failed else 0
    return Rating(max(1, _stars(spread, _SPREAD) - less), f"±{50 * spread:.1f} %; {100 * failed:.1f} % failed")


def _simplicity(runs: Sequence[Run]) -> Rating:
    effort = max((run.effort for run in runs), key=lambda each: each.commands + len(each.needs))
    needs = ", ".join(effort.needs) or "Docker and SSH alone"
    words = f"{effort.commands} command{'s' if effort.commands != 1 else ''}; needs {needs}"
    return Rating(_stars(effort.commands + len(effort.needs), _EFFORT), words)


def _stars(value: float, steps: Sequence[float]) -> int:
    return 5 - sum(value > step for step in steps)
