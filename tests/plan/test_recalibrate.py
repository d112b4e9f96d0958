import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.observed import SEEN
from transship.plan.options import MoveOptions
from transship.plan.predict import Correction, Model, predict
from transship.plan.recalibrate import Pair, pair, recalibrate

PREDICTED = json.loads(json.dumps(predict(SEEN, MoveOptions(), "sync").to_json()))


def happened(factor: float, **other: Any) -> dict[str, Any]:
    """A move that took so many times what was predicted."""
    return {
        "outcome": "moved",
        "strategy": "sync",
        "total_s": PREDICTED["total_s"]["likely"] * factor,
        "downtime_s": PREDICTED["downtime_s"]["likely"] * factor,
        "bytes": {"image": {"logical": 1, "wire": PREDICTED["wire_bytes"]["likely"] * factor}},
        **other,
    }


def learned(*factors: float) -> Correction:
    model = recalibrate(Model(), [pair(PREDICTED, happened(factor), Model()) for factor in factors])
    return model.corrections.get("sync", Correction())


def test_nothing_seen_is_nothing_learned() -> None:
    assert recalibrate(Model(), []) == Model()


def test_what_was_seen_again_and_again_is_believed() -> None:
    correction = learned(1.5, 1.5, 1.5)
    assert (correction.total, correction.downtime, correction.wire) == pytest.approx((1.5, 1.5, 1.5))


def test_one_odd_move_among_others_changes_nothing() -> None:
    assert learned(1.1, 1.1, 1.1, 50.0).total == pytest.approx(1.1)


def test_a_first_move_counts_half_and_nothing_counts_without_bounds() -> None:
    assert learned(3.0).total == pytest.approx(2.0)
    assert learned(1000.0, 1000.0).total == pytest.approx(5.0)
    assert learned(0.001, 0.001).total == pytest.approx(0.2)


def test_a_prediction_that_was_corrected_is_not_corrected_twice() -> None:
    once = recalibrate(Model(), [pair(PREDICTED, happened(2.0), Model())] * 3)
    again = predict(SEEN, MoveOptions(), "sync", once).to_json()
    right = happened(2.0)
    twice = recalibrate(Model(), [*[pair(PREDICTED, right, Model())] * 3, *[pair(again, right, Model())] * 3])
    assert twice.corrections["sync"].total == pytest.approx(2.0)
    assert twice.corrections["sync"].downtime == pytest.approx(2.0)


def test_each_strategy_learns_for_itself() -> None:
    model = recalibrate(Model(), [pair(PREDICTED, happened(2.0), Model())])
    assert set(model.corrections) == {"sync"}


@pytest.mark.parametrize(
    "other", [{"outcome": "rolled-back"}, {"strategy": "stop-start"}, {"strategy": None}, {"outcome": 3}]
)
def test_only_a_move_by_the_predicted_strategy_counts(other: dict[str, Any]) -> None:
    assert pair(PREDICTED, happened(1.0, **other), Model()) is None


def test_what_is_missing_is_left_out() -> None:
    assert pair({**PREDICTED, "work": None}, happened(1.0), Model()) is None
    assert pair(PREDICTED, {"outcome": "moved", "strategy": "sync"}, Model()) == Pair("sync", None, None, None)


def test_a_model_that_has_changed_since_is_held_against_what_happened_all_the_same() -> None:
    slower = replace(Model(), setup=Model().setup + 10.0)
    found = pair(PREDICTED, happened(1.0), slower)
    assert found is not None
    assert found.total == pytest.approx(PREDICTED["total_s"]["likely"] / (PREDICTED["total_s"]["likely"] + 10.0))


documents = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["total_s", "downtime_s", "bytes", "wire", "image", "likely"]), inner)
    ),
    max_leaves=12,
)
works = st.dictionaries(st.sampled_from([*PREDICTED["work"]]), documents, max_size=3)


@given(work=works, result=documents)
def test_whatever_was_stored_gives_a_model(work: dict[str, Any], result: Any) -> None:
    said = result if isinstance(result, dict) else {}
    predicted = {"work": {**PREDICTED["work"], **work}}
    model = recalibrate(Model(), [pair(predicted, {**said, "outcome": "moved", "strategy": "sync"}, Model())])
    for correction in model.corrections.values():
        for factor in (correction.total, correction.downtime, correction.wire):
            assert 0.2 <= factor <= 5.0
