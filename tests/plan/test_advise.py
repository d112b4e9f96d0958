from dataclasses import replace

import pytest

from tests.plan.observed import SEEN, seen
from transship.plan.advise import Advice, Candidate, advise
from transship.plan.findings import Finding
from transship.plan.interval import Interval
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions, Preference, StrategyName
from transship.plan.predict import Prediction
from transship.plan.work import Work
from transship.spec.model import VolumeSpec
from transship.strategies.choose import choose

VOLUME = VolumeSpec("data", "local", anonymous=False, destination="/data", options={}, labels={})
WROTE = ("the volume data",)
BLOCKED = Finding("error", "no-agent", "new has no Python", "install it")
LEFT = Finding("warning", "writable-layer-stays", "3 paths stay behind")


def candidate(
    name: str, *findings: Finding, downtime: float | None = 1.0, total: float | None = 10.0, sent: float = 1e6
) -> Candidate:
    def interval(value: float | None) -> Interval | None:
        return None if value is None else Interval(value / 2, value, value * 2)

    return Candidate(
        name, findings, Prediction(Work(name), {"image": interval(sent)}, interval(total), interval(downtime))
    )


def advised(*candidates: Candidate, prefer: Preference = "downtime", strategy: StrategyName = "auto") -> Advice:
    return advise(candidates, MoveOptions(prefer=prefer, strategy=strategy), WROTE)


def verdicts(advice: Advice) -> dict[str, str]:
    return {each.strategy: each.verdict for each in advice.judged}


@pytest.mark.parametrize(
    ("prefer", "chosen"),
    [("downtime", "sync"), ("total", "export-import"), ("bytes", "stop-start"), ("simplicity", "stop-start")],
)
def test_what_is_preferred_decides(prefer: Preference, chosen: str) -> None:
    advice = advised(
        candidate("stop-start", downtime=3.0, total=30.0, sent=1e5),
        candidate("export-import", downtime=20.0, total=5.0, sent=9e6),
        candidate("sync", downtime=1.0, total=30.0, sent=1e6),
        prefer=prefer,
    )
    assert advice.strategy == chosen
    assert verdicts(advice)[chosen] == "chosen"
    assert sorted(verdicts(advice).values()) == ["chosen", "possible", "possible"]
    assert advice.reason.count(". ") == 1, "two sentences"


def test_of_two_that_are_alike_the_simpler_is_chosen() -> None:
    advice = advised(candidate("stop-start", downtime=0.70), candidate("sync", downtime=0.65))
    assert advice.strategy == "stop-start"


def test_what_would_lose_something_is_never_chosen_by_itself() -> None:
    advice = advised(candidate("stop-start", LEFT, downtime=0.1), candidate("sync", downtime=5.0))
    assert advice.strategy == "sync"
    assert verdicts(advice) == {"stop-start": "lossy", "sync": "chosen"}
    assert advice.judged[0].fact == "3 paths stay behind"
    assert advised(candidate("stop-start", LEFT), candidate("sync"), strategy="stop-start").strategy == "stop-start"


def test_what_is_ruled_out_says_by_which_fact() -> None:
    advice = advised(candidate("export-import", downtime=20.0), candidate("sync", BLOCKED, downtime=1.0))
    assert advice.strategy == "export-import"
    assert "new has no Python" in advice.reason
    assert verdicts(advice)["sync"] == "ruled-out"
    assert advice.judged[1].fact == "new has no Python"


def test_where_nothing_is_possible_the_nearest_is_named() -> None:
    more = Finding("error", "volume", "its volume stays behind", "sync takes it along")
    advice = advised(candidate("stop-start", more, more), candidate("sync", BLOCKED))
    assert advice.strategy == "sync"
    assert "new has no Python" in advice.reason


def test_what_cannot_be_predicted_does_not_win() -> None:
    advice = advised(candidate("stop-start", downtime=None), candidate("sync", downtime=50.0))
    assert advice.strategy == "sync"
    assert advised(candidate("stop-start", downtime=None), candidate("sync", downtime=None)).strategy == "stop-start"


def test_the_prediction_is_that_of_the_chosen_one() -> None:
    wanted = candidate("sync", downtime=0.3)
    assert advised(candidate("stop-start", downtime=9.0), wanted).prediction == wanted.prediction


@pytest.mark.parametrize(
    ("observed", "options", "chosen"),
    [
        (SEEN, MoveOptions(), "stop-start"),
        (seen(state={"changed_paths": 3}), MoveOptions(), "sync"),
        (seen(state={"changed_paths": 3}, target={"python_version": None}), MoveOptions(), "export-import"),
        (seen(spec={"volumes": (VOLUME,)}), MoveOptions(), "sync"),
        (seen(spec={"volumes": (VOLUME,)}, target={"python_version": None}), MoveOptions(), "sync"),
        (SEEN, MoveOptions(freeze=True), "sync"),
        (SEEN, MoveOptions(strategy="export-import"), "export-import"),
        (replace(SEEN, link=None), MoveOptions(), "stop-start"),
    ],
)
def test_the_right_one_is_chosen_for_what_was_observed(
    observed: Observation, options: MoveOptions, chosen: str
) -> None:
    plan = choose(observed, options, "0badcafe")
    assert plan.strategy == chosen
    assert plan.advice is not None
    assert plan.advice.strategy == chosen
    assert {each.strategy for each in plan.advice.judged} == {"stop-start", "export-import", "sync"}
    for each in plan.advice.judged:
        assert each.fact or each.verdict in {"chosen", "possible"}
