"""Sentences and stars of experiments whose truth is known."""

import csv
import re
from dataclasses import replace

import pytest

from tests.bench.synthetic import Factors, made
from transship.bench.findings import choices, findings
from transship.bench.ratings import RULES, rate
from transship.bench.result import PhaseRow, Run
from transship.bench.stages import stages
from transship.bench.summary import summary_by_image, summary_by_strategy
from transship.bench.table import Experiment, by_strategy, total_s


def said(experiment: Experiment, begin: str) -> str:
    every = [sentence for sentences in findings(experiment).values() for sentence in sentences]
    found = [each for each in every if each.startswith(begin)]
    assert len(found) == 1, every
    return found[0]


def test_who_interrupts_least_is_named_with_what_it_costs() -> None:
    best = said(made(Factors(caches=("cold",))), "Of the strategies that keep")
    assert "sync interrupts the service least: 0." in best
    assert re.search(r"export-import is next and takes \d+\.\d+ times as long", best)
    assert "longer beyond doubt in 12 of 12 cells" in best


def test_a_factor_that_makes_two_modes_is_named() -> None:
    told = said(made(Factors(images=("nginx",), strategies=("stop-start",))), "stop-start: the total times of all runs")
    assert "two modes" in told
    assert told.endswith("They are no accident: the slow ones are those with cache cold.")


def test_two_factors_that_make_two_modes_together_are_named() -> None:
    told = said(made(Factors(strategies=("stop-start",))), "stop-start: the total times of all runs")
    assert "the slow ones are those with cache and image" in told
    assert {"cold nginx", "cold python"} == set(told.rpartition("image ")[2].rstrip(".").split("; "))


def test_what_makes_no_difference_is_not_given_one() -> None:
    told = said(made(), "export-import: state 1MB against none took")
    assert re.search(r"took (0\.9|1\.0)\d times as long", told)
    told = told.partition("The total time")[2]
    assert "longer" not in told
    assert "shorter" not in told
    assert "of 8 cells" in told


def test_what_a_warm_cache_is_worth() -> None:
    told = said(made(Factors(images=("nginx",))), "stop-start: warm against cold")
    assert "shorter in 3 of 3 cells" in told


def test_failures_are_told_with_their_reasons() -> None:
    whole = made(Factors(repetitions=2, images=("nginx",)))
    all_well = replace(whole, failed=())
    assert said(all_well, "All") == f"All {len(whole.runs)} runs came to a good end."
    failed = tuple(replace(run, outcome="timeout", reason="it took too long") for run in whole.runs[:3])
    told = said(replace(whole, runs=whole.runs[3:], failed=failed), "3 of")
    assert "it took too long" in told


def test_what_loses_data_is_no_choice_where_there_is_data() -> None:
    rows = choices(made(Factors(images=("nginx",), caches=("warm",))))
    by_state = {row.workload: row for row in rows}
    assert by_state["nginx, state none"].fewest_bytes.startswith("stop-start")
    wrote = by_state["nginx, state 1MB in the layer"]
    assert "stop-start" not in f"{wrote.shortest_interruption}{wrote.fastest}{wrote.fewest_bytes}"
    assert wrote.shortest_interruption.startswith("sync (0.")


def test_stars_follow_their_rules() -> None:
    rated = rate(made(Factors(caches=("cold",))))
    assert all(set(each) == set(RULES) for each in rated.values())
    assert rated["sync"]["interruption"].stars == 5
    assert rated["commit-save-load"]["interruption"].stars == 1
    assert rated["stop-start"]["simplicity"].stars == 5
    assert rated["sync"]["simplicity"].stars == 3
    assert rated["sync"]["simplicity"].number == "1 command; needs root, python"
    assert rated["commit-save-load"]["simplicity"].stars == 1
    assert rated["sync"]["state"].number == "kept 3 of 4; lost: memory; not tried: volume"
    assert rated["sync"]["state"].stars == 4
    assert (rated["stop-start"]["state"].stars or 0) < 4


def test_what_fails_is_less_consistent() -> None:
    whole = made(Factors(images=("nginx",), strategies=("sync",), repetitions=20))
    sound = rate(replace(whole, failed=()))["sync"]["consistency"].stars
    runs = whole.runs
    broken = tuple(replace(run, outcome="failed", reason="it broke") for run in runs[::4])
    kept = tuple(run for index, run in enumerate(runs) if index % 4)
    less = rate(replace(whole, runs=kept, failed=broken))["sync"]["consistency"].stars
    assert sound is not None
    assert less == max(1, sound - 2)


def test_failures_that_differ_by_an_id_alone_are_one_reason() -> None:
    whole = made(Factors(images=("nginx",), strategies=("sync",), repetitions=4))
    broken = [replace(run, outcome="failed", reason=f"no dump of {run.run:064x}") for run in whole.runs[:3]]
    told = said(replace(whole, runs=whole.runs[3:], failed=tuple(broken)), "3 of")
    assert told.endswith("sync: no dump of … (3 runs).")


def test_who_is_alone_has_nothing_to_be_compared_with() -> None:
    rated = rate(made(Factors(images=("nginx",), strategies=("sync",), caches=("cold",), repetitions=2)))
    assert rated["sync"]["speed"].stars is None
    assert rated["sync"]["speed"].number.endswith("nothing to compare with")


def test_summaries_are_tables_with_units() -> None:
    experiment = made(Factors(repetitions=3))
    rows = list(csv.DictReader(summary_by_strategy(experiment).splitlines()))
    assert [row["strategy"] for row in rows] == list(by_strategy(experiment.runs))
    assert {"total_median_s", "downtime_std_s", "sent_max_bytes"} <= set(rows[0])
    assert sum(int(row["runs"]) + int(row["failed"]) for row in rows) == len(experiment.all)
    assert len(list(csv.DictReader(summary_by_image(experiment).splitlines()))) == 16


def test_nothing_measured_is_an_empty_cell() -> None:
    experiment = made(Factors(images=("nginx",), strategies=("sync",), repetitions=2))
    unmeasured = tuple(replace(run, measures=replace(run.measures, total_s=None)) for run in experiment.runs)
    (row,) = csv.DictReader(summary_by_strategy(replace(experiment, runs=unmeasured)).splitlines())
    assert row["total_median_s"] == row["total_mean_s"] == ""


def staged(*phases: tuple[str, float, float], total: float) -> dict[str, float]:
    (run, *_) = made(Factors(repetitions=1)).runs
    rows = tuple(PhaseRow(name, start, seconds, 0, failed=False) for name, start, seconds in phases)
    measured: Run = replace(run, phases=rows, measures=replace(run.measures, total_s=total))
    return {str(stage): seconds for stage, seconds in stages(measured).items() if seconds}


def test_every_moment_belongs_to_one_stage() -> None:
    spent = staged(
        ("observe", 0.0, 1.0), ("image", 1.0, 4.0), ("missing-layers", 2.0, 2.0), ("stop", 6.0, 1.0),
        ("export", 7.0, 3.0), ("transfer", 7.5, 3.0), ("import", 8.0, 3.0), ("start", 11.0, 1.0), total=13.0,
    )  # fmt: skip
    assert spent == pytest.approx(
        {"look": 1.0, "prepare": 4.0, "stop": 1.0, "copy while down": 4.0, "start": 1.0, "between": 2.0}
    )
    assert sum(spent.values()) == pytest.approx(13.0)


def test_stages_of_every_run_add_up_to_its_total() -> None:
    for run in made(Factors(repetitions=1)).runs:
        assert sum(stages(run).values()) == pytest.approx(total_s(run) or 0.0, rel=0.02)
