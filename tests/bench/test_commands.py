"""The commands that analyse saved results, as they are typed."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.synthetic import ENVIRONMENT, TRUTH, Factors, matrix, runs
from transship.bench.store import ResultFolder
from transship.cli.main import run
from transship.journal.costs import read_costs, write_costs

FACTORS = Factors(images=("busybox", "nginx"), states=("1MB",), strategies=("stop-start", "sync"), repetitions=6)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return stored(tmp_path / "results", FACTORS)


def stored(folder: Path, factors: Factors) -> Path:
    kept = ResultFolder.create(folder, matrix(factors))
    kept.keep_environment(ENVIRONMENT)
    for each in runs(factors):
        kept.keep(each)
    return folder


def say(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of such a command."""
    monkeypatch.setattr(sys, "argv", ["transship", *words])
    with pytest.raises(SystemExit) as ended:
        run()
    return int(ended.value.code or 0)


def test_a_report_is_written_beside_the_results_or_elsewhere(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(monkeypatch, "bench", "report", str(results), "--json") == 0
    files = json.loads(capsys.readouterr().out)["written"]
    assert files == [str(results / "report.html"), str(results / "report.md")]
    assert say(monkeypatch, "bench", "plot", str(results), "--out", str(tmp_path / "figures")) == 0
    assert "10 figures and 2 summaries are in" in capsys.readouterr().out.replace("\n", " ")
    assert (tmp_path / "figures" / "01_total_time_by_strategy.svg").is_file()
    assert ResultFolder.open(results).runs(), "the results are as they were"


def test_two_folders_are_compared(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(stored(tmp_path / "other", replace(FACTORS, seed=8)))
    assert say(monkeypatch, "bench", "compare", str(results), other) == 0
    assert "of 24 comparisons" in capsys.readouterr().out
    assert say(monkeypatch, "bench", "compare", str(results), other, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["held"]) == 24
    assert {"cell", "measure", "unit", "ratio", "interval", "p", "verdict"} <= set(told["held"][0])


def test_costs_are_fitted_and_kept_only_on_request(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--state-dir", str(tmp_path / "own")]
    assert say(monkeypatch, *state, "bench", "fit", str(results)) == 0
    assert "each image predicted from the others" in capsys.readouterr().out
    assert read_costs(tmp_path / "own") is None
    assert say(monkeypatch, *state, "bench", "fit", str(results), "--keep", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kept"] == str(tmp_path / "own" / "costs.json")
    kept = read_costs(tmp_path / "own")
    assert kept is not None
    assert kept.setup == told["model"]["setup"]


def test_costs_that_predict_worse_than_those_in_use_are_not_kept(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    write_costs(TRUTH, cells=1, runs=1, fitted="2026-01-02T03:04:05+00:00", folder=own)
    few = str(stored(tmp_path / "few", replace(FACTORS, images=("nginx", "busybox"), repetitions=1)))
    monkeypatch.setattr("transship.bench.fit._WORSE", 0.5)
    assert say(monkeypatch, "--state-dir", str(own), "bench", "fit", few, "--keep") == 3
    assert "they are not kept" in " ".join(capsys.readouterr().err.split())
    assert read_costs(own) == TRUTH


def test_what_speaks_against_results_is_said_beside_all_that_is_made_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stored(tmp_path / "results", FACTORS)
    for file in sorted((folder / "runs").iterdir())[:2]:
        file.unlink()
    whole = str(stored(tmp_path / "whole", FACTORS))
    for words in (("plot",), ("report",), ("fit",), ("compare", whole)):
        command, *more = words
        assert say(monkeypatch, "bench", command, str(folder), *more, "--json") == 0
        told = json.loads(capsys.readouterr().out)["cautions"]
        said = told if isinstance(told, list) else told[str(folder)]
        assert any("2 of 48 runs" in sentence for sentence in said), command
        assert say(monkeypatch, "bench", command, str(folder), *more) == 0
        assert "2 of 48 runs" in " ".join(capsys.readouterr().out.split()), command
    assert "2 of 48 runs" in (folder / "report.md").read_text()


@pytest.mark.parametrize("command", ["plot", "report", "fit"])
def test_results_that_were_altered_are_refused(
    command: str, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sorted((results / "runs").iterdir())[0]
    file.write_text(file.read_text().replace('"load_1m":0.5', '"load_1m":0.1'))
    assert say(monkeypatch, "bench", command, str(results), "--json") == 3
    assert "was altered" in json.loads(capsys.readouterr().out)["error"]


def test_help_waits_for_no_package_of_the_analysis() -> None:
    script = """
import sys
from transship.cli.main import run
sys.argv = ["transship", "bench", "--help"]
try:
    run()
finally:
    print([each for each in ("numpy", "matplotlib", "jinja2") if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("missing", ["numpy", "matplotlib", "jinja2"])
def test_a_package_that_is_not_installed_is_named_with_what_to_do(missing: str, results: Path) -> None:
    script = f"""
import sys
from transship.cli.main import run
sys.modules[{missing!r}] = None
sys.argv = ["transship", "bench", "report", {str(results)!r}]
run()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"needs {missing}, which is not installed" in done.stderr
    assert "pip install 'transship[bench]'" in done.stderr
