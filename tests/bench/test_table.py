from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.results import CELL, a_run
from tests.bench.synthetic import ENVIRONMENT, Factors, made, runs
from transship.bench.sealed import ResultError, digest
from transship.bench.store import ResultFolder
from transship.bench.table import (
    Condition,
    by_image,
    by_state,
    by_strategy,
    condition_names,
    downtime_s,
    experiment,
    load,
    sent_bytes,
)

SMALL = Factors(images=("nginx",), states=("none",), strategies=("sync",), caches=("cold",), repetitions=3)
OTHER = replace(ENVIRONMENT, kernel="6.18.0", source=replace(ENVIRONMENT.source, docker_version="28.5.2"))


def folder(path: Path) -> ResultFolder:
    """An experiment on the disk."""
    stored = ResultFolder.create(path, "# a matrix\n")
    stored.keep_environment(ENVIRONMENT)
    for run in runs(SMALL):
        stored.keep(run)
    return stored


def test_a_folder_is_read_with_its_failures_and_without_its_warm_ups(tmp_path: Path) -> None:
    stored = folder(tmp_path)
    stored.keep(replace(runs(SMALL)[0], run=4, warm_up=True))
    stored.keep(replace(runs(SMALL)[0], run=5, outcome="timeout", reason="it took too long"))
    found = load(tmp_path)
    assert [run.run for run in found.runs] == [1, 2, 3]
    assert [run.run for run in found.failed] == [5]
    assert [run.run for run in found.all] == [1, 2, 3, 5]
    assert list(found.environments.values()) == [ENVIRONMENT]


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
    ResultFolder.create(tmp_path, "# a matrix\n")
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
