from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.results import CELL, a_run
from tests.bench.synthetic import ENVIRONMENT, Factors, made, matrix, runs
from transship.bench.cautions import cautions
from transship.bench.sealed import ResultError, digest
from transship.bench.store import ResultFolder
from transship.bench.table import (
    Condition,
    by_image,
    by_state,
    by_strategy,
    combined,
    condition_names,
    downtime_s,
    experiment,
    load,
    sent_bytes,
    total_s,
)

SMALL = Factors(images=("nginx",), states=("none",), strategies=("sync",), caches=("cold",), repetitions=3)
OTHER = replace(ENVIRONMENT, kernel="6.18.0", source=replace(ENVIRONMENT.source, docker_version="28.5.2"))


def folder(path: Path, more: str = "") -> ResultFolder:
    """An experiment on the disk."""
    stored = ResultFolder.create(path, matrix(SMALL) + more)
    stored.keep_environment(ENVIRONMENT)
    for run in runs(SMALL):
        stored.keep(run)
    return stored


def test_a_folder_is_read_with_its_failures_and_without_its_warm_ups(tmp_path: Path) -> None:
    stored = ResultFolder.create(tmp_path, matrix(replace(SMALL, repetitions=6)).replace("seed", "warm_ups = 1\nseed"))
    stored.keep_environment(ENVIRONMENT)
    made = sorted(runs(SMALL), key=lambda run: run.repetition)
    for number, run in enumerate(made, 1):
        stored.keep(replace(run, run=number))
    stored.keep(replace(made[0], run=4, warm_up=True))
    stored.keep(replace(made[0], run=5, repetition=5, outcome="timeout", reason="it took too long"))
    stored.keep(replace(made[0], run=6, repetition=6, outcome="impossible", reason="no such image"))
    found = load(tmp_path)
    assert [run.run for run in found.runs] == [1, 2, 3]
    assert [run.run for run in found.failed] == [5]
    assert [run.run for run in found.impossible] == [6]
    assert [run.run for run in found.all] == [1, 2, 3, 5]
    assert [each.repetition for each in found.missing] == [4]
    assert cautions(found) == [
        "The experiment is not complete: 1 of 6 runs, in 1 cells, are missing.",
        "1 runs of 1 cells were impossible, and count nowhere: no such image.",
    ]
    assert list(found.environments.values()) == [ENVIRONMENT]


def test_cells_that_nobody_has_made_are_named(tmp_path: Path) -> None:
    folder(tmp_path, '[[image]]\nname = "redis"\n')
    (said,) = cautions(load(tmp_path))
    assert "3 of 6 runs, in 1 cells, are missing. Of 1 cells there is none: sync of redis, state none." in said


def test_a_result_that_the_matrix_does_not_want_is_refused(tmp_path: Path) -> None:
    stored = folder(tmp_path)
    foreign = replace(runs(SMALL)[0], run=4, cell=replace(CELL, image="redis"))
    stored.keep(foreign)
    with pytest.raises(ResultError, match=f"result {foreign.name} is not one of the matrix"):
        load(tmp_path)


def test_a_matrix_that_was_spoiled_is_refused(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "matrix.toml").write_text("name = ")
    with pytest.raises(ResultError, match="cannot be held against its matrix"):
        load(tmp_path)


def test_code_that_changed_in_between_is_told() -> None:
    whole = made(SMALL)
    assert cautions(whole) == []
    first, *others = whole.runs
    changed = replace(first, setting=replace(first.setting, revision="4567def-dirty"))
    one, two = cautions(replace(whole, runs=(changed, *others)))
    assert one.startswith("The code changed in between: 0123abc (2 runs), 4567def-dirty (1 runs).")
    assert two.startswith("1 runs were made by code that is in no revision")


def test_what_is_typical_of_several_cells_counts_each_once() -> None:
    """However many runs it has, and however unlike they are."""
    many = [replace(a_run(number), measures=replace(a_run().measures, total_s=1.0)) for number in range(1, 10)]
    few = [
        replace(each, cell=replace(CELL, image="redis"), measures=replace(each.measures, total_s=9.0)) for each in many
    ]
    told = combined([*many, *few[:6]], total_s)
    assert told is not None
    assert (told.cells, told.n, told.middle) == (2, 15, 5.0)
    assert told.interval is not None
    assert (told.interval.low, told.interval.high) == (5.0, 5.0)
    fewer = combined([*many, *few[:5]], total_s)
    assert fewer is not None
    assert fewer.interval is None, "of the one cell nobody can say how sure it is"
    assert combined([], total_s) is None


@pytest.mark.parametrize("damage", ["cut", "altered", "other version", "foreign", "renamed"])
def test_what_is_no_honest_result_is_refused_in_a_sentence(damage: str, tmp_path: Path) -> None:
    folder(tmp_path)
    file = sorted((tmp_path / "runs").iterdir())[0]
    text = file.read_text()
    if damage == "renamed":
        file.rename(file.with_name("00009-0123456789-r01.json"))
    else:
        changed = {
            "cut": text[: len(text) // 2],
            "altered": text.replace('"repetition":', '"repetition":1'),
            "other version": text.replace('"format":1', '"format":7'),
            "foreign": '{"name": "something else"}',
        }
        file.write_text(changed[damage])
    with pytest.raises(ResultError) as refused:
        load(tmp_path)
    assert "\n" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert refused.value.hint


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="holds no experiment"):
        load(tmp_path)
    ResultFolder.create(tmp_path, matrix(SMALL))
    with pytest.raises(ResultError, match="holds no finished run"):
        load(tmp_path)


def test_runs_of_unlike_environments_are_not_mixed() -> None:
    first, *others = runs(SMALL)
    elsewhere = replace(first, setting=replace(first.setting, environment=digest(OTHER)))
    both = {digest(each): each for each in (ENVIRONMENT, OTHER)}
    with pytest.raises(ResultError) as refused:
        experiment("it", [elsewhere, *others], both)
    assert "kernel 6.18.0 and 6.12.1; source's docker_version 28.5.2 and 26.1.5" in str(refused.value)
    assert "it (trixie, overlay2)" in str(refused.value)


def test_a_matrix_over_suites_has_an_environment_for_each() -> None:
    first, *others = runs(SMALL)
    cell = replace(first.cell, suite="sid")
    elsewhere = replace(first, cell=cell, setting=replace(first.setting, environment=digest(OTHER)))
    both = {digest(each): each for each in (ENVIRONMENT, OTHER)}
    assert len(experiment("it", [elsewhere, *others], both).environments) == 2


def test_a_run_whose_environment_is_missing_is_refused() -> None:
    with pytest.raises(ResultError, match=r"environment \w+ is missing"):
        experiment("it", runs(SMALL), {})


def test_groups_come_in_an_order_that_readers_expect() -> None:
    whole = made().runs
    assert list(by_strategy(whole)) == ["stop-start", "export-import", "sync", "commit-save-load"]
    assert list(by_state(whole)) == ["none", "100KB", "1MB"]
    assert list(by_image(whole)) == ["busybox", "alpine", "python", "nginx"]


def test_conditions_are_named_by_what_tells_them_apart() -> None:
    names = condition_names(made(Factors(links=(None, 20.0), repetitions=1)).runs)
    assert set(names.values()) == {
        "20 Mbit/s, cold cache",
        "20 Mbit/s, warm cache",
        "no limit, cold cache",
        "no limit, warm cache",
    }
    assert set(condition_names([a_run()]).values()) == {""}
    assert Condition.of(replace(CELL, link_mbit=None)) > Condition.of(CELL)


def test_the_client_is_believed_before_the_engine_and_the_link_before_the_sender() -> None:
    run = a_run()
    assert (downtime_s(run), sent_bytes(run)) == (0.75, 1_400_000)
    unseen = replace(run, measures=replace(run.measures, client_downtime_s=None, link_bytes=None))
    assert (downtime_s(unseen), sent_bytes(unseen)) == (0.6, 1_200_000)
