"""What moves between two hosts in memory teach the next plan."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.test_api import World
from transship import api, lifecycle
from transship.journal.costs import write_costs
from transship.journal.store import Journal
from transship.plan.interval import Interval
from transship.plan.options import MoveOptions
from transship.plan.predict import Model
from transship.plan.steps import Plan

pytestmark = pytest.mark.usefixtures("settled_soon")


@pytest.fixture
def settled_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "SETTLE_S", 0.0)


def moved(state: Path) -> None:
    world = World.new()
    world.state = state
    world.move("stop-start")


def planned(state: Path) -> Plan:
    world = World.new()
    hosts = {"old": world.source, "new": world.target}
    journey = api.Journey("web", "new", "old", opener=hosts.__getitem__, state=state)
    return api.plan(journey, MoveOptions(strategy="stop-start"))


def factor(plan: Plan) -> float:
    assert plan.advice is not None
    return plan.advice.prediction.corrected.downtime


def test_a_prediction_is_kept_beside_what_happened_and_corrects_the_next(tmp_path: Path) -> None:
    assert factor(planned(tmp_path)) == 1.0
    moved(tmp_path)
    with Journal.open(tmp_path) as journal:
        (entry,) = journal.history()
    assert entry.predicted is not None
    assert entry.happened is not None
    assert entry.predicted["strategy"] == entry.happened["strategy"] == "stop-start"
    assert 0.5 <= factor(planned(tmp_path)) < 0.6, "hosts in memory are fast, and the first move counts half"


def test_a_record_that_cannot_be_read_is_no_reason_not_to_plan(tmp_path: Path) -> None:
    moved(tmp_path)
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("UPDATE migrations SET record = '{}'")
    database.close()
    assert factor(planned(tmp_path)) == 1.0


def test_costs_that_were_learned_from_an_experiment_are_what_the_next_plan_begins_with(tmp_path: Path) -> None:
    def downtime() -> float:
        advice = planned(tmp_path).advice
        assert advice is not None
        assert advice.prediction.downtime_s is not None
        return advice.prediction.downtime_s.likely

    before = downtime()
    model = replace(Model(), start=Interval(50.0, 50.0 + Model().start.likely, 60.0))
    file = write_costs(model, cells=4, runs=40, fitted="2026-01-02T03:04:05+00:00", folder=tmp_path)
    assert downtime() == pytest.approx(before + 50.0, abs=0.01)
    file.write_text("damaged")
    assert downtime() == pytest.approx(before, abs=0.01), "that is no reason not to plan"
