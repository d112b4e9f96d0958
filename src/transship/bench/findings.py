"""What an experiment says, in sentences that are made from its numbers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean, median

from transship.bench.cautions import cautions, reason_of
from transship.bench.modes import Mode
from transship.bench.predicted import downtime_foretold, total_foretold
from transship.bench.ratings import against_best, cells_of
from transship.bench.result import Run
from transship.bench.stages import STAGES, stages
from transship.bench.statistics import ENOUGH, MARGIN, Comparison, Summary, compare_all, doubts, summarise
from transship.bench.table import (
    Condition,
    Experiment,
    Measure,
    Workload,
    by,
    by_condition,
    by_image,
    by_state,
    by_strategy,
    combined,
    condition_names,
    downtime_s,
    sent_bytes,
    total_s,
    values,
)

_PURE = 0.95
"""A factor explains two modes if this part of the runs of each of its levels is in one of them."""

_FACTORS = ("cache", "link_mbit", "image", "state", "where", "store", "suite", "change_rate")

_SHOWN = 5
"""Of cells that are to be read with care, so many are named."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to use for one container under one condition: the best by each measure, of what kept its data."""

    workload: str
    condition: str
    shortest_interruption: str
    fastest: str
    fewest_bytes: str


def findings(experiment: Experiment) -> dict[str, list[str]]:
    """All that can be said, by what it is about, the most useful first."""
    makers: Mapping[str, Callable[[Experiment], Iterable[str]]] = {
        "the shortest interruption": _winners,
        "what the container has written": _state_matters,
        "the image on the target": _cache_matters,
        "two modes": _modes,
        "bytes": _bytes,
        "where the time goes": _where_time_goes,
        "predictions": _predictions,
        "the runs themselves": lambda them: (*cautions(them), *_failures(them), *_doubts(them)),
    }
    said = {topic: list(make(experiment)) for topic, make in makers.items()}
    return {topic: sentences for topic, sentences in said.items() if sentences}


def choices(experiment: Experiment) -> list[Choice]:
    """A row for each container and condition."""
    names, images = condition_names(experiment.runs), list(by_image(experiment.runs))
    cells = cells_of(experiment.runs)
    found = []
    for workload, condition in sorted(
        cells, key=lambda cell: (images.index(cell[0].image), cell[0].state_bytes, cell[1])
    ):
        keeping = {name: runs for name, runs in cells[workload, condition].items() if keeps_data(runs)}
        if keeping:
            interruption = _best(keeping, downtime_s, lambda told: f"{told.median:.3g} s")
            fastest = _best(keeping, total_s, lambda told: f"{told.median:.3g} s")
            fewest = _best(keeping, sent_bytes, lambda told: f"{told.median / 1e6:.3g} MB")
            found.append(Choice(workload.words(), names[condition], interruption, fastest, fewest))
    return found


def keeps_data(runs: Iterable[Run]) -> bool:
    """Whether all that the container had written was there afterwards, in every run."""
    return all(run.kept.layer is not False and run.kept.volume is not False for run in runs)


def _had_data(run: Run) -> bool:
    return run.cell.where != "none"


def _best(strategies: Mapping[str, Sequence[Run]], measure: Measure, say: Callable[[Summary], str]) -> str:
    """The best by a measure, and those that cannot be told from it."""
    known = {name: found for name, runs in strategies.items() if (found := values(runs, measure))}
    if not known:
        return "not measured"
    ranked = sorted(known, key=lambda name: median(known[name]))
    first = ranked[0]
    held = compare_all([(known[first], known[other]) for other in ranked[1:]])
    equal = [name for name, each in zip(ranked[1:], held, strict=True) if each.verdict != "more"]
    words = f"{first} ({say(summarise(known[first]))})"
    return f"{words}; not told apart: {', '.join(equal)}" if equal else words


def _winners(experiment: Experiment) -> Iterator[str]:
    """For each condition the strategy with the shortest interruption, of those that keep what was written."""
    names = condition_names(experiment.runs)
    for condition, runs in by_condition(experiment.runs).items():
        wrote = any(_had_data(run) for run in runs)
        groups = {
            name: group
            for name, group in by_strategy(runs).items()
            # One that never had anything to keep has shown nothing.
            if keeps_data(group) and (not wrote or any(_had_data(run) for run in group))
        }
        where = f"With {names[condition]}: of" if names[condition] else "Of"
        best, next_best = _ranked(groups, downtime_s)
        if next_best:
            held = _by_cell(groups[best], groups[next_best], downtime_s)
            longer = sum(each.verdict == "more" for each in held)
            yield (
                f"{where} the strategies that keep what the container wrote, {best} interrupts the service least: "
                f"{_seconds(groups[best])}. {next_best} is next and takes {_ratio(held)}; "
                f"longer beyond doubt in {longer} of {len(held)} cells."
            )
            fastest, other = _ranked(groups, total_s)
            if fastest != best and other and (slower := _by_cell(groups[fastest], groups[best], total_s)):
                yield f"{where} the same, {fastest} is done soonest; {best} takes {_ratio(slower)} in all."


def _ranked(groups: Mapping[str, Sequence[Run]], measure: Measure) -> tuple[str, str]:
    """The best and the next that was measured in a cell of the best; empty where there is none."""
    ratios = against_best([run for group in groups.values() for run in group], measure)
    best, *others = sorted(ratios, key=ratios.__getitem__) or [""]
    return best, next((name for name in others if _by_cell(groups[best], groups[name], measure)), "")


def _state_matters(experiment: Experiment) -> Iterator[str]:
    for strategy, runs in by_strategy(experiment.runs).items():
        states = by_state(runs)
        least, most = next(iter(states)), next(reversed(states))
        if least != most:
            held = _by_cell(states[least], states[most], total_s, key=_but_state)
            if held:
                told = f"{strategy}: state {most} against {least} took {_ratio(held)}."
                yield f"{told} The total time was {_tally(held)}."


def _cache_matters(experiment: Experiment) -> Iterator[str]:
    for strategy, runs in by_strategy(experiment.runs).items():
        caches = by(runs, lambda run: run.cell.cache)
        if {"cold", "warm"} <= set(caches):
            held = _by_cell(caches["cold"], caches["warm"], total_s, key=_but_cache)
            if held:
                yield f"{strategy}: warm against cold took {_ratio(held)}. The total time was {_tally(held)}."


def _modes(experiment: Experiment) -> Iterator[str]:
    """Two peaks, and the factor that tells them apart, if there is one."""
    for strategy, runs in by_strategy(experiment.runs).items():
        timed = [run for run in runs if total_s(run) is not None]
        low, *other = summarise(values(timed, total_s)).modes if timed else [Mode(0, 0.0)]
        for high in other:
            yield (
                f"{strategy}: the total times of all runs have two modes, {low.n} runs around {low.median:.3g} s "
                f"and {high.n} around {high.median:.3g} s. {_explained(timed, low.n)}"
            )


def _explained(runs: Sequence[Run], fast: int) -> str:
    """Which factor, or which two together, decide whether a run is among the fast ones."""
    border = sorted(values(runs, total_s))[fast]
    for names in (*combinations(_FACTORS, 1), *combinations(_FACTORS, 2)):
        levels = by(runs, lambda run, of=names: tuple(getattr(run.cell, name) for name in of))  # type: ignore[misc]
        above = {level: mean((total_s(run) or 0.0) >= border for run in group) for level, group in levels.items()}
        if len(levels) > 1 and all(part >= _PURE or part <= 1 - _PURE for part in above.values()):
            slow = "; ".join(" ".join(map(str, level)) for level, part in above.items() if part >= _PURE)
            return f"They are no accident: the slow ones are those with {' and '.join(names)} {slow}."
    return "No factor of the matrix tells them apart, nor do two together."


def _bytes(experiment: Experiment) -> Iterator[str]:
    told = []
    for strategy, runs in by_strategy(experiment.runs).items():
        cells = by(runs, lambda run: run.cell.id).values()
        ratios = [median(found) for cell in cells if (found := values(cell, _times_the_least))]
        if ratios:
            told.append(f"{strategy} {median(ratios):.2g} ({len(ratios)} cells)")
    if told:
        yield f"On the link, in parts of the least that had to cross (median of the cells' medians): {', '.join(told)}."


def _times_the_least(run: Run) -> float | None:
    least, sent = run.measures.minimum_bytes, sent_bytes(run)
    return sent / least if least and sent else None


def _where_time_goes(experiment: Experiment) -> Iterator[str]:
    for strategy, runs in by_strategy(experiment.runs).items():
        known = [stages(run) for run in runs if run.phases and total_s(run)]
        if known:
            spent = {stage: mean(each[stage] for each in known) for stage in STAGES}
            whole = sum(spent.values())
            most = sorted(spent, key=spent.__getitem__, reverse=True)[:2]
            words = " and ".join(f"{stage!r} ({100 * (spent[stage] / whole):.0f} %)" for stage in most)
            yield f"{strategy}: most of the time goes into {words} of {whole:.3g} s on average over all its runs."


def _predictions(experiment: Experiment) -> Iterator[str]:
    for kind, of in (("total time", total_foretold), ("downtime", downtime_foretold)):
        told = [each for run in experiment.runs if (each := of(run))]
        if told:
            yield (
                f"The plan's prediction of the {kind} was off by {100 * median(each.error for each in told):.0f} % "
                f"(median of {len(told)} runs); its bounds held in {100 * mean(each.within for each in told):.0f} %."
            )


def _failures(experiment: Experiment) -> Iterator[str]:
    if not experiment.failed:
        yield f"All {len(experiment.runs)} runs came to a good end."
        return
    reasons = by(experiment.failed, lambda run: (run.cell.strategy, reason_of(run)))
    told = "; ".join(f"{strategy}: {reason} ({len(runs)} runs)" for (strategy, reason), runs in reasons.items())
    yield f"{len(experiment.failed)} of {len(experiment.all)} runs failed. {told}."


def _doubts(experiment: Experiment) -> Iterator[str]:
    timed, names = [run for run in experiment.runs if total_s(run) is not None], condition_names(experiment.runs)
    cells = by(timed, lambda run: run.cell.id).values()
    few = sum(len(runs) < ENOUGH for runs in cells)
    if few:
        yield f"{few} of {len(cells)} cells have fewer than {ENOUGH} runs: how sure their medians are, nobody can say."
    told = {
        _cell_words(runs[0], names): found
        for runs in cells
        if len(runs) >= ENOUGH and (found := doubts(values(runs, total_s)))
    }
    if told:
        shown = "; ".join(f"{name}: {found[0]}" for name, found in list(told.items())[:_SHOWN])
        more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        yield f"To be read with care, {len(told)} of {len(cells)} cells. {shown}{more}."


def _cell_words(run: Run, names: Mapping[Condition, str]) -> str:
    where = names[Condition.of(run.cell)]
    return f"{run.cell.strategy} of {Workload.of(run.cell).words()}" + (f" ({where})" if where else "")


def _but_state(run: Run) -> object:
    cell = run.cell
    return cell.image, cell.change_rate, cell.memory_bytes, Condition.of(cell)


def _but_cache(run: Run) -> object:
    cell = run.cell
    return Workload.of(cell), cell.link_mbit, cell.delay_ms, cell.store, cell.suite


def _but_strategy(run: Run) -> object:
    return Workload.of(run.cell), Condition.of(run.cell)


def _by_cell(
    a: Iterable[Run], b: Iterable[Run], measure: Measure, *, key: Callable[[Run], object] = _but_strategy
) -> list[Comparison]:
    """B against A in each cell that both have."""
    first, second = by(a, key), by(b, key)
    return compare_all(
        [(values(first[cell], measure), values(second[cell], measure)) for cell in first if cell in second]
    )


def _ratio(held: Sequence[Comparison]) -> str:
    ratios = [each.ratio for each in held if each.ratio]
    if not ratios:
        return "as long as cannot be said"
    longer = sum(ratio > 1 for ratio in ratios)
    return f"{median(ratios):.2f} times as long (median over {len(ratios)} cells, longer in {longer})"


def _tally(held: Sequence[Comparison]) -> str:
    counts = {
        verdict: sum(each.verdict == verdict for each in held) for verdict in ("more", "less", "alike", "cannot tell")
    }
    words = {
        "more": "longer",
        "less": "shorter",
        "alike": f"the same within {100 * MARGIN:.0f} %",
        "cannot tell": "not to be told apart",
    }
    told = ", ".join(f"{words[verdict]} in {count}" for verdict, count in counts.items() if count)
    return f"{told} of {len(held)} cells"


def _seconds(runs: Iterable[Run]) -> str:
    told = combined(runs, downtime_s)
    if told is None:
        return "not measured"
    span = "" if told.interval is None else f", 95 % interval {told.interval.low:.3g} to {told.interval.high:.3g}"
    of = "median" if told.cells == 1 else f"mean of the medians of {told.cells} cells"
    return f"{told.middle:.3g} s ({of}, {told.n} runs{span})"
