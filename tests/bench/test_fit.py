from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.synthetic import TRUTH, Factors, made
from transship.bench.fit import fit, fitted_model, samples_of
from transship.bench.sealed import ResultError
from transship.journal.costs import read_costs, write_costs
from transship.journal.stored import JournalError
from transship.plan.predict import Model, estimate

FACTORS = Factors(repetitions=5)


def test_costs_that_are_known_are_found_and_held_out_containers_predicted() -> None:
    fitted = fit(made(FACTORS))
    assert (fitted.left_out, fitted.samples, fitted.runs) == (
        "image",
        72,
        sum(1 for run in made(FACTORS).runs if run.predicted),
    )
    assert fitted.held_out.total < 0.1
    assert fitted.held_out.downtime < 0.1
    assert fitted.held_out.total < fitted.built_in.total
    assert set(fitted.by_strategy) == {"stop-start", "export-import", "sync"}
    assert fitted.model.store_rate == pytest.approx(TRUTH.store_rate, rel=0.25)
    assert fitted.model.setup == pytest.approx(TRUTH.setup, rel=0.25)


def test_what_the_runs_do_not_tell_stays_as_it_was() -> None:
    model = fitted_model(samples_of(made(Factors(strategies=("stop-start",), repetitions=5)).runs))
    assert (model.tree_rate, model.agents) == pytest.approx((Model().tree_rate, Model().agents))
    assert model.read_rate == Model().read_rate


def test_an_odd_cell_does_not_lead_the_others_astray() -> None:
    samples = samples_of(made(FACTORS).runs)
    odd = [
        replace(sample, total_s=sample.total_s * 20) if index == 3 else sample for index, sample in enumerate(samples)
    ]
    plain, other = fitted_model(samples), fitted_model(odd)
    for sample in samples:
        one, two = estimate(sample.work, plain).total_s, estimate(sample.work, other).total_s
        assert one is not None
        assert two is not None
        assert two.likely == pytest.approx(one.likely, rel=0.1)


def test_one_image_is_held_out_cell_by_cell_and_too_little_is_refused() -> None:
    assert fit(made(Factors(images=("nginx",), repetitions=3))).left_out == "cell"
    with pytest.raises(ResultError, match="has 2 cells with predictions"):
        fit(made(Factors(images=("nginx",), states=("none",), strategies=("sync",), repetitions=3)))
    with pytest.raises(ResultError, match="has 0 cells"):
        fit(made(Factors(strategies=("commit-save-load",), repetitions=2)))


def test_a_prediction_that_cannot_be_read_is_refused() -> None:
    whole = made(FACTORS)
    broken = replace(whole.runs[0], predicted={"work": {"strategy": "sync"}})
    with pytest.raises(ResultError, match="prediction that cannot be read"):
        fit(replace(whole, runs=(broken, *whole.runs[1:])))


def test_costs_are_kept_for_the_next_plan(tmp_path: Path) -> None:
    assert read_costs(tmp_path) is None
    model = replace(Model(), setup=3.25)
    file = write_costs(model, cells=1, runs=2, fitted="2026-01-02T03:04:05+00:00", folder=tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_costs(tmp_path) == model
    write_costs(Model(), cells=1, runs=2, fitted="2026-01-02T03:04:05+00:00", folder=tmp_path)
    assert read_costs(tmp_path) == Model()
    assert [each.name for each in tmp_path.iterdir()] == ["costs.json"]


def test_a_folder_that_cannot_hold_them_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot keep the costs"):
        write_costs(Model(), cells=1, runs=2, fitted="", folder=tmp_path / "file")


@pytest.mark.parametrize("text", ["", "{}", "nonsense", '{"format": 9}'])
def test_costs_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text(text)
    with pytest.raises(JournalError, match="cannot be used"):
        read_costs(tmp_path)


def test_costs_of_another_version_are_refused_by_its_number(tmp_path: Path) -> None:
    file = write_costs(Model(), cells=1, runs=2, fitted="2026-01-02T03:04:05+00:00", folder=tmp_path)
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(JournalError, match="has format 2"):
        read_costs(tmp_path)
