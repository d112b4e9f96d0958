"""What the statistics say of numbers whose truth is known, and how often they are wrong."""

import os
from collections.abc import Callable

import numpy as np
import pytest

from transship.bench.modes import dip, modes
from transship.bench.statistics import Verdict, combine, compare, compare_all, doubts, holm, median_interval, summarise

SEED = int(os.environ["TRANSSHIP_SEED"])
"""Printed at the begin of every run of the tests."""

Draw = Callable[[np.random.Generator, int], list[float]]


def normal(random: np.random.Generator, n: int) -> list[float]:
    return [float(each) for each in random.normal(10.0, 1.0, n)]


def skewed(random: np.random.Generator, n: int) -> list[float]:
    """As times are: median 10, a long tail."""
    return [float(each) for each in random.lognormal(np.log(10.0), 0.4, n)]


def two_modes(random: np.random.Generator, n: int) -> list[float]:
    """As the prototype's stop-start: the image was on the target, or it was not."""
    return [
        float(each) for each in np.where(random.random(n) < 0.5, random.normal(1, 0.1, n), random.normal(14, 0.7, n))
    ]


def test_the_numbers_of_a_known_sample() -> None:
    told = summarise([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 70.0])
    assert (told.n, told.median, told.minimum, told.maximum) == (7, 4.0, 1.0, 70.0)
    assert (told.q1, told.q3) == (2.5, 5.5)
    assert told.mean == pytest.approx(13.0)
    assert told.std == pytest.approx(25.1926, abs=1e-4)
    assert told.interval is not None
    assert 1.0 <= told.interval.low < 4.0 < told.interval.high <= 70.0


def test_of_few_numbers_no_more_is_said_than_they_tell() -> None:
    assert summarise([3.0]).std is None
    assert summarise([3.0, 4.0, 5.0, 6.0, 7.0]).interval is None
    assert compare([1.0] * 5, [9.0] * 5).verdict == "cannot tell"
    assert doubts([1.0, 2.0]) == ["only 2 runs: too few to say how sure that is"]
    with pytest.raises(ValueError, match="nothing"):
        summarise([])


def test_the_same_numbers_give_the_same_interval() -> None:
    numbers = skewed(np.random.default_rng(SEED), 12)
    assert median_interval(numbers) == median_interval(numbers)
    assert compare(numbers, numbers[::-1]).verdict in {"alike", "cannot tell"}


@pytest.mark.parametrize("draw", [normal, skewed])
@pytest.mark.parametrize("n", [6, 10, 30])
def test_the_interval_holds_the_median_as_often_as_it_says(draw: Draw, n: int) -> None:
    random = np.random.default_rng(SEED)
    spans = [median_interval(draw(random, n)) for _ in range(250)]
    held = np.mean([span is not None and 10.0 in span for span in spans])
    assert held >= 0.85, f"95 % intervals of {n} numbers held the median in {held:.1%}; seed {SEED}"


@pytest.mark.parametrize("draw", [normal, skewed, two_modes])
def test_where_there_is_no_difference_one_is_seldom_found(draw: Draw) -> None:
    random = np.random.default_rng(SEED)
    found = [compare(draw(random, 10), draw(random, 10)).verdict in {"less", "more"} for _ in range(120)]
    assert np.mean(found) <= 0.13, f"false in {np.mean(found):.1%}; seed {SEED}"


def test_unequal_spread_is_no_difference() -> None:
    random = np.random.default_rng(SEED)
    pairs = [(random.normal(10, 0.2, 8), random.normal(10, 3.0, 20)) for _ in range(120)]
    found = [compare(list(map(float, a)), list(map(float, b))).verdict in {"less", "more"} for a, b in pairs]
    assert np.mean(found) <= 0.13, f"false in {np.mean(found):.1%}; seed {SEED}"


@pytest.mark.parametrize(("factor", "verdict"), [(2.0, "more"), (0.5, "less")])
def test_a_known_effect_is_found_with_its_size(factor: float, verdict: Verdict) -> None:
    random = np.random.default_rng(SEED)
    told = [compare(normal(random, 10), [factor * each for each in normal(random, 10)]) for _ in range(60)]
    assert all(each.verdict == verdict for each in told)
    assert all(abs(each.superiority) >= 0.9 for each in told), f"seed {SEED}"
    assert all((each.superiority > 0) == (factor > 1) for each in told)
    assert np.mean([each.interval is not None and factor in each.interval for each in told]) > 0.75


def test_what_surely_differs_by_less_than_a_twentieth_is_alike() -> None:
    random = np.random.default_rng(SEED)
    a, b = ([float(each) for each in random.normal(mean, 0.1, 40)] for mean in (10.0, 10.1))
    assert compare(a, b).verdict == "alike"
    assert compare(a, [1.5 * each for each in b]).verdict == "more"


def test_noise_that_could_hide_an_effect_is_no_equality() -> None:
    told = compare([5.0, 9.0, 14.0, 8.0, 20.0, 6.0], [7.0, 15.0, 9.0, 22.0, 6.0, 11.0])
    assert (told.verdict, told.why) == ("cannot tell", "the runs differ more among themselves than from the others")


def test_equal_constants_are_alike_and_other_constants_are_not() -> None:
    assert compare([5.0] * 8, [5.0] * 8).verdict == "alike"
    assert compare([5.0] * 8, [6.0] * 8).verdict == "more"
    assert compare([0.0] * 8, [6.0] * 8).verdict == "more"


def test_many_comparisons_need_stronger_proof() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    random = np.random.default_rng(SEED)
    weak = (normal(random, 10), normal(random, 10))
    among = compare_all([weak] * 30)
    assert all(each.p >= compare(*weak).p for each in among)


def test_what_is_plain_is_found_among_hundreds_of_comparisons() -> None:
    random = np.random.default_rng(SEED)
    plain = [(normal(random, 10), [2 * each for each in normal(random, 10)]) for _ in range(260)]
    assert {each.verdict for each in compare_all(plain)} == {"more"}


def test_an_effect_that_is_not_a_separation_is_found_among_many() -> None:
    random = np.random.default_rng(SEED)
    a, b = normal(random, 30), [3.5 + each for each in normal(random, 30)]
    b[0] = min(a) - 1.0
    nothing = (normal(random, 10), normal(random, 10))
    assert compare_all([(a, b), *[nothing] * 60])[0].verdict == "more"


def test_the_dip_of_known_distributions() -> None:
    assert dip([1.0] * 10 + [2.0] * 10) == pytest.approx(0.25)
    assert dip([float(each) for each in range(50)]) == pytest.approx(1 / 100)
    assert dip([3.0] * 10) == pytest.approx(1 / 20)
    assert dip([1.0] * 9 + [2.0]) == pytest.approx(1 / 20)
    three = [0.0, 0.01, 0.02, 5.0, 5.01, 5.02]
    assert dip(three) == dip([7 + 100 * each for each in three])


@pytest.mark.parametrize("n", [10, 40, 120])
def test_two_modes_are_found(n: int) -> None:
    random = np.random.default_rng(SEED)
    for _ in range(60):
        fast = [float(each) for each in random.normal(1, 0.1, n // 2)]
        found = modes([*fast, *(float(each) for each in random.normal(14, 0.7, n - n // 2))])
        assert [each.n for each in found] == [n // 2, n - n // 2], f"seed {SEED}"
        assert found[0].median < 3
        assert found[1].median > 11


@pytest.mark.parametrize("draw", [normal, skewed])
@pytest.mark.parametrize("n", [6, 10, 40, 120])
def test_one_mode_is_seldom_taken_for_two(draw: Draw, n: int) -> None:
    random = np.random.default_rng(SEED)
    found = np.mean([len(modes(draw(random, n))) == 2 for _ in range(300)])
    assert found <= 0.03, f"in {found:.1%}; seed {SEED}"


def test_a_flat_distribution_is_one_mode() -> None:
    random = np.random.default_rng(SEED)
    for n in (8, 25, 60, 300):
        found = np.mean([len(modes(random.uniform(1, 10, n))) == 2 for _ in range(200)])  # type: ignore[arg-type]
        assert found <= 0.05, f"of {n} numbers in {found:.1%}; seed {SEED}"


def test_what_is_doubtful_is_said() -> None:
    calm = [10.0, 10.1, 9.9, 10.05, 9.95, 10.02, 9.98, 10.0, 10.03, 9.97]
    assert doubts(calm) == []
    assert doubts([*calm, 31.0]) == ["a straggler: the largest is 3.1 times the median"]
    assert doubts([10 + 0.05 * each for each in range(12)]) == [
        "drift: the runs became slower in the course of the experiment"
    ]
    assert doubts([1.0, 1.01, 14.0, 14.1, 1.02, 14.05, 0.99, 13.9, 1.0, 14.2])[0].startswith(
        "two modes: 5 runs around 1"
    )
    assert any("make more runs" in each for each in doubts([5.0, 9.0, 14.0, 8.0, 12.0, 6.0]))


def test_medians_that_contradict_most_of_the_runs_tell_nothing() -> None:
    a, b = [5.0] * 130 + [100.0] * 70, [6.0] * 130 + [1.0] * 70
    told = compare(a, b)
    assert told.p < 0.05
    assert told.ratio == pytest.approx(1.2)
    assert told.superiority < 0
    assert told.verdict == "cannot tell"
    assert "most of the runs the other" in told.why


def test_cells_together_are_the_mean_of_their_medians_with_an_interval_around_it() -> None:
    random = np.random.default_rng(1)
    cells = [list(random.normal(middle, 0.1, 10)) for middle in (1.0, 3.0, 8.0)]
    told = combine(cells)
    assert (told.cells, told.n) == (3, 30)
    assert told.middle == pytest.approx(np.mean([np.median(each) for each in cells]))
    assert told.interval is not None
    assert told.middle in told.interval
    assert told.interval.high - told.interval.low < 0.2, "that cells differ makes none of them less sure"
    alone, summary = combine(cells[:1]), summarise(cells[0])
    assert (alone.middle, alone.interval) == (summary.median, summary.interval)
    assert combine([*cells, [1.0]]).interval is None
    with pytest.raises(ValueError, match="nothing to put together"):
        combine([[1.0], []])
