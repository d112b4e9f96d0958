import pytest

from transship.plan.rounds import MOST_ROUNDS, Round, verdict


def rounds(*seconds: float) -> list[Round]:
    return [Round(each, each) for each in seconds]


@pytest.mark.parametrize(
    ("took", "budget", "said"),
    [
        ((), 1.0, "again"),
        ((30.0,), 1.0, "again"),
        ((30.0, 5.0), 1.0, "again"),
        ((30.0, 5.0, 0.8), 1.0, "again"),
        ((30.0, 5.0, 0.8, 0.7), 1.0, "cut-over"),
        ((30.0, 0.04), 1.0, "cut-over"),
        ((30.0, 25.0), 1.0, "over-budget"),
        ((30.0, 25.0), 60.0, "cut-over"),
        ((0.01, 0.02), 1.0, "cut-over"),
        ((0.01, 2.0), 1.0, "over-budget"),
    ],
)
def test_rounds_end_when_they_pay_no_more(took: tuple[float, ...], budget: float, said: str) -> None:
    assert verdict(rounds(*took), budget) == said


def test_rounds_end_even_if_each_is_a_little_shorter() -> None:
    endless = rounds(*(1000 * 0.6**number for number in range(MOST_ROUNDS)))
    assert verdict(endless[:-1], 0.001) == "again"
    assert verdict(endless, 0.001) == "over-budget"


def test_a_limit_of_the_rate_is_not_taken_for_the_length_of_the_last_round() -> None:
    assert verdict([Round(60.0, 6.0), Round(50.0, 5.0)], 10.0) == "cut-over"
