"""Every figure of experiments whose numbers are known: whole ones, small ones, and ones with holes."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import mean, median
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.image import imread

from tests.bench.synthetic import Factors, made
from transship.bench import figures
from transship.bench.figures import FIGURES, draw
from transship.bench.figures.style import NothingToDrawError, settings
from transship.bench.result import Run
from transship.bench.table import Experiment, by, by_image, by_strategy, total_s, values

TWO_LINKS = Factors(links=(20.0, 100.0), caches=("cold",), repetitions=2)
ONE_OF_EACH = Factors(images=("nginx",), states=("1MB",), caches=("cold",), repetitions=1)
WITH_HOLES = Factors(
    images=("busybox", "nginx"),
    missing=(("busybox", "sync"), ("nginx", "stop-start"), ("nginx", "export-import")),
    repetitions=3,
)
EXPERIMENTS = {"two links": TWO_LINKS, "one of each": ONE_OF_EACH, "with holes": WITH_HOLES}


@cache
def drawn(name: str, kind: str) -> Figure:
    """A figure of one of these experiments, with everything in its place."""
    with settings():
        figure = FIGURES[name].make(made(EXPERIMENTS[kind]))
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        return figure


@pytest.mark.parametrize("kind", EXPERIMENTS)
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_whole_or_says_what_it_lacks(name: str, kind: str) -> None:
    try:
        figure = drawn(name, kind)
    except NothingToDrawError:
        assert kind != "two links"
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
    figure = drawn(name, "two links")
    shown = [figure.get_supylabel(), *(ax.get_xlabel() for ax in figure.axes), *(ax.get_ylabel() for ax in figure.axes)]
    labels = {label for label in shown if label}
    assert labels, "no axis is named"
    assert {label for label in labels if not re.search(r"\[(s|MB|Mbit/s)\]$", label)} <= {"part of the moves"}
    words = [figure.get_supxlabel(), *(ax.get_title() for ax in figure.axes)]
    words += [text.get_text() for ax in figure.axes for text in ax.texts]
    assert any("n = " in each or "one run" in each for each in words) or "runs" in figure.get_supxlabel()


def test_bars_are_as_high_as_the_mean_of_their_cells_medians() -> None:
    experiment = made(Factors(caches=("cold",), repetitions=3))
    (ax,) = FIGURES["02_time_by_image"].make(experiment).axes
    bars = {round(bar.get_height(), 6) for container in ax.containers for bar in getattr(container, "patches", [])}
    known = {
        round(mean(median(values(cell, total_s)) for cell in by(runs, lambda run: run.cell.id).values()), 6)
        for there in by_image(experiment.runs).values()
        for runs in by_strategy(there).values()
    }
    assert bars == known


def test_a_strategy_looks_alike_in_every_figure_whatever_others_lack() -> None:
    whole = made(Factors(images=("nginx",), repetitions=2, caches=("cold",)))
    unmeasured = tuple(LACKING["bytes"](run) if run.cell.strategy == "stop-start" else run for run in whole.runs)
    seen = set()
    for experiment in (whole, replace(whole, runs=unmeasured)):
        for name in ("02_time_by_image", "04_transfer_size"):
            (ax,) = FIGURES[name].make(experiment).axes
            bars = [each for each in ax.containers if isinstance(each, BarContainer) and each.get_label() == "sync"]
            seen |= {each.patches[0].get_facecolor() for each in bars}
    assert len(seen) == 1


def test_each_panel_has_its_own_numbers_of_runs() -> None:
    whole = made(Factors(images=("nginx",), repetitions=4))
    lacking = {("export-import", "warm"), ("commit-save-load", "warm")}
    kept = tuple(run for run in whole.runs if (run.cell.strategy, run.cell.cache) not in lacking)
    axes = FIGURES["01_total_time_by_strategy"].make(replace(whole, runs=kept)).axes
    for ax, target in zip(axes, ("cold", "warm"), strict=True):
        there = by_strategy([run for run in kept if run.cell.cache == target])
        numbers = [len(there.get(strategy, ())) for strategy in by_strategy(whole.runs)]
        assert [text.get_text() for text in ax.texts] == [f"n = {each}" if each else "no runs" for each in numbers]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only these are drawn into files."""
    names = ("01_total_time_by_strategy", "06_strategy_violin", "07_export_import_detail")
    monkeypatch.setattr(figures, "FIGURES", {name: FIGURES[name] for name in names})


@pytest.mark.usefixtures("few")
def test_a_figure_without_its_data_is_named_and_its_old_files_are_gone(tmp_path: Path) -> None:
    assert set(draw(made(ONE_OF_EACH), tmp_path).values()) == {""}
    assert len(list(tmp_path.iterdir())) == 6
    said = draw(made(replace(ONE_OF_EACH, strategies=("stop-start",))), tmp_path)
    assert {name: why for name, why in said.items() if why} == {
        "07_export_import_detail": "there is no run of export-import that tells its phases"
    }
    assert {file.stem for file in tmp_path.iterdir()} == {"01_total_time_by_strategy", "06_strategy_violin"}


@pytest.mark.usefixtures("few")
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


@pytest.mark.usefixtures("few")
def test_nothing_is_cut_off_at_the_edges_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FIGURES", {name: FIGURES[name] for name in FIGURES if name[:2] in {"06", "11"}})
    long = {"missing-layers": "task-orchestrate", "whole-image": "a-very-long-name-of-a-phase"}
    whole = made(ONE_OF_EACH)
    runs = tuple(
        replace(run, phases=tuple(replace(each, name=long.get(each.name, each.name)) for each in run.phases))
        for run in whole.runs
    )
    draw(replace(whole, runs=runs), tmp_path)
    for file in tmp_path.glob("*.png"):
        picture = imread(file)
        for edge in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
            assert (edge == 1.0).all(), file.name


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


def undrawn(experiment: Experiment) -> set[str]:
    """The numbers of the figures that say that something is missing."""
    missing = set()
    for name, kind in FIGURES.items():
        try:
            kind.make(experiment)
        except NothingToDrawError as why:
            missing.add(name[:2])
            assert "\n" not in str(why)  # noqa: PT017 - that it is raised is no failure
    return missing


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        ("phases", {"05", "07", "09", "11"}),
        ("predictions", {"09", "12"}),
        ("times", {"01", "02", "03", "06", "08", "09", "11", "12", "13"}),
        ("bytes", {"04", "08", "09", "10"}),
    ],
)
def test_what_was_not_measured_is_not_drawn(lacking: str, expected: set[str]) -> None:
    whole = made(Factors(images=("nginx",), repetitions=2))
    assert undrawn(replace(whole, runs=tuple(LACKING[lacking](run) for run in whole.runs))) == expected


def test_where_nothing_was_moved_nothing_is_drawn() -> None:
    whole = made(ONE_OF_EACH)
    assert len(undrawn(replace(whole, runs=(), failed=whole.runs))) == len(FIGURES)
