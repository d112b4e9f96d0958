"""Every figure of experiments whose numbers are known: whole ones, small ones, and ones with holes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.bench.synthetic import Factors, made
from transship.bench.figures import FIGURES, draw
from transship.bench.figures.style import NothingToDrawError, settings
from transship.bench.result import Run
from transship.bench.table import Experiment, by_image, by_strategy, total_s, values

TWO_LINKS = Factors(links=(20.0, 100.0), caches=("cold",))
ONE_OF_EACH = Factors(images=("nginx",), states=("1MB",), caches=("cold",), repetitions=1)
WITH_HOLES = Factors(missing=(("alpine", "sync"), ("python", "stop-start"), ("python", "export-import")), repetitions=4)
EXPERIMENTS = {
    "whole": Factors(repetitions=2),
    "two links": TWO_LINKS,
    "one of each": ONE_OF_EACH,
    "with holes": WITH_HOLES,
}


def drawn(name: str, experiment: Experiment) -> Figure:
    with settings():
        figure = FIGURES[name].make(experiment)
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        return figure


@pytest.mark.parametrize("kind", EXPERIMENTS)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_whole_or_says_what_it_lacks(name: str, kind: str) -> None:
    try:
        figure = drawn(name, made(EXPERIMENTS[kind]))
    except NothingToDrawError:
        assert kind != "whole" or name == "09_downtime_against_link_rate"
        return
    with settings():
        canvas = FigureCanvasAgg(figure)
        box = figure.get_tightbbox(canvas.get_renderer())  # type: ignore[no-untyped-call]
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.03, f"cut off on the left or below: {box}"
    assert box.x1 <= width + 0.03, f"cut off on the right: {box}"
    assert box.y1 <= height + 0.03, f"cut off above: {box}"
    assert all(ax.has_data() for ax in figure.axes if ax.axison), "a panel is empty"


@pytest.mark.parametrize("name", FIGURES)
def test_axes_have_units_and_marks_have_numbers_of_runs(name: str) -> None:
    figure = drawn(name, made(TWO_LINKS))
    labels = [*(ax.get_xlabel() for ax in figure.axes), *(ax.get_ylabel() for ax in figure.axes)]
    supylabel = figure.get_supylabel()
    assert any("[" in label for label in [*labels, supylabel]), f"no unit in {labels}"
    words = [figure.get_supxlabel(), *(ax.get_title() for ax in figure.axes)]
    words += [text.get_text() for ax in figure.axes for text in ax.texts]
    assert any("n = " in each or "one run" in each for each in words) or "runs" in figure.get_supxlabel()


def test_bars_are_as_high_as_the_medians() -> None:
    experiment = made(Factors(caches=("cold",)))
    (ax,) = drawn("02_time_by_image", experiment).axes
    bars = {round(bar.get_height(), 6) for container in ax.containers for bar in getattr(container, "patches", [])}
    known = {
        round(median(values(runs, total_s)), 6)
        for there in by_image(experiment.runs).values()
        for runs in by_strategy(there).values()
    }
    assert bars == known


def test_each_panel_has_its_own_numbers_of_runs() -> None:
    whole = made(Factors(images=("nginx",), repetitions=4))
    lacking = {("export-import", "warm"), ("commit-save-load", "warm")}
    kept = tuple(run for run in whole.runs if (run.cell.strategy, run.cell.cache) not in lacking)
    cold, warm = drawn("01_total_time_by_strategy", replace(whole, runs=kept)).axes
    assert [text.get_text() for text in cold.texts] == ["n = 12"] * 4
    assert [text.get_text() for text in warm.texts] == ["n = 12", "no runs", "n = 12", "no runs"]


def test_a_figure_without_its_data_is_named_and_its_old_files_are_gone(tmp_path: Path) -> None:
    assert not any(draw(made(TWO_LINKS), tmp_path).values())
    said = draw(made(replace(ONE_OF_EACH, strategies=("stop-start",))), tmp_path)
    missing = [name for name, why in said.items() if why]
    assert "07_export_import_detail" in missing
    assert said["07_export_import_detail"] == "there is no run of export-import that tells its phases"
    assert {file.stem for file in tmp_path.glob("*.png")} == set(FIGURES) - set(missing)


def test_files_are_pictures_and_the_same_each_time(tmp_path: Path) -> None:
    experiment = made(ONE_OF_EACH)
    draw(experiment, tmp_path / "a")
    draw(experiment, tmp_path / "b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), f"{file.name} differs from draw to draw"
        if file.suffix == ".png":
            assert file.read_bytes().startswith(b"\x89PNG")
        else:
            assert ElementTree.parse(file).getroot().tag.endswith("svg")  # noqa: S314 - it is our own


Without = Callable[[Run], Run]

LACKING: dict[str, Without] = {
    "phases": lambda run: replace(run, phases=()),
    "predictions": lambda run: replace(run, predicted={}),
    "times": lambda run: replace(
        run, measures=replace(run.measures, total_s=None, engine_downtime_s=None, client_downtime_s=None)
    ),
    "bytes": lambda run: replace(
        run, measures=replace(run.measures, link_bytes=None, wire_bytes=None, logical_bytes=None, minimum_bytes=None)
    ),
}


@pytest.mark.parametrize("lacking", LACKING)
def test_what_was_not_measured_is_not_drawn(lacking: str, tmp_path: Path) -> None:
    whole = made(Factors(images=("nginx",), repetitions=2))
    said = draw(replace(whole, runs=tuple(LACKING[lacking](run) for run in whole.runs)), tmp_path)
    assert any(said.values())
    assert len(list(tmp_path.glob("*.svg"))) == sum(not why for why in said.values())


def test_where_nothing_was_moved_nothing_is_drawn(tmp_path: Path) -> None:
    whole = made(ONE_OF_EACH)
    said = draw(replace(whole, runs=(), failed=whole.runs), tmp_path)
    assert all(said.values())
