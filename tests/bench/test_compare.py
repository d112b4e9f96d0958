from dataclasses import replace

import pytest

from tests.bench.synthetic import ENVIRONMENT, Factors, made, scaled
from transship.bench.compare import Compared, compare_experiments
from transship.bench.sealed import ResultError

FACTORS = Factors(images=("busybox", "nginx"), states=("none",), strategies=("sync", "export-import"), caches=("cold",))
AGAIN = replace(FACTORS, seed=8)


def verdicts(compared: Compared, measure: str) -> set[str]:
    return {each.comparison.verdict for each in compared.held if each.measure == measure}


def test_an_experiment_repeated_is_no_other() -> None:
    compared = compare_experiments(made(FACTORS), made(AGAIN))
    assert (compared.only_a, compared.only_b, compared.unlike) == (0, 0, ())
    assert len(compared.held) == 4 * 3
    assert not {"more", "less"} & (verdicts(compared, "total") | verdicts(compared, "downtime"))


def test_what_has_become_slower_is_found_and_its_bytes_are_the_same() -> None:
    again = made(AGAIN)
    compared = compare_experiments(made(FACTORS), replace(again, runs=scaled(again.runs, 1.5)))
    assert verdicts(compared, "total") == verdicts(compared, "downtime") == {"more"}
    assert verdicts(compared, "sent") == {"alike"}
    ratios = [each.comparison.ratio for each in compared.held if each.measure == "total"]
    assert ratios == pytest.approx([1.5] * 4, rel=0.12)


def test_unlike_environments_are_held_together_only_on_request() -> None:
    elsewhere = replace(ENVIRONMENT, cpus=64, target=replace(ENVIRONMENT.target, docker_version="28.5.2"))
    a, b = made(FACTORS), made(AGAIN, environment=elsewhere)
    with pytest.raises(ResultError, match=r"cpus 2 and 64; target.s docker_version 26\.1\.5 and 28\.5\.2") as refused:
        compare_experiments(a, b)
    assert "--unlike" in refused.value.hint
    assert compare_experiments(a, b, unlike=True).unlike == (
        "cpus 2 and 64",
        "target's docker_version 26.1.5 and 28.5.2",
    )


def test_another_version_of_transship_is_what_may_be_compared() -> None:
    newer = made(AGAIN, environment=replace(ENVIRONMENT, transship="9.9"))
    assert compare_experiments(made(FACTORS), newer).unlike == ()


def test_cells_that_one_lacks_are_counted_and_without_common_ones_nothing_is_compared() -> None:
    fewer, other = made(replace(AGAIN, images=("nginx",))), made(replace(AGAIN, images=("python",)))
    compared = compare_experiments(made(FACTORS), fewer)
    assert (compared.only_a, compared.only_b) == (2, 0)
    with pytest.raises(ResultError, match="no cell in common"):
        compare_experiments(fewer, other)


def test_few_runs_tell_nothing() -> None:
    few = [made(replace(each, repetitions=4)) for each in (FACTORS, AGAIN)]
    compared = compare_experiments(*few)
    assert {each.comparison.verdict for each in compared.held} == {"cannot tell"}
    assert all("too few" in each.comparison.why for each in compared.held)
