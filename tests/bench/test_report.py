import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.browser import CHROMIUM, Browser
from tests.bench.synthetic import Factors, made
from transship.bench.figures import FIGURES
from transship.bench.report import report
from transship.bench.sealed import ResultError
from transship.bench.table import Experiment

MATRIX = '[[image]]\nname = "<b>nginx & co</b>"\n'
SMALL = Factors(images=("busybox", "nginx"), links=(20.0, 100.0), caches=("cold",), repetitions=6)
REASON = "needs Chromium (Debian's package chromium), in which the page is tried"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of an experiment with everything, which is in the same folder as it."""
    folder = tmp_path_factory.mktemp("report")
    return report(replace(made(SMALL), name=str(folder)), MATRIX, folder)[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None and os.environ.get("CI") == "true":
        pytest.fail(REASON, pytrace=False)
    if CHROMIUM is None:
        pytest.skip(REASON)
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def test_both_texts_say_who_how_much_and_how_to_repeat(page: Path) -> None:
    for text in (page.read_text(), (page.parent / "report.md").read_text()):
        assert "sync interrupts the service least" in text
        assert "transship bench run matrix.toml" in text
        assert "★★★★★" in text
        assert all(name in text for name in FIGURES)
    assert "&lt;b&gt;nginx &amp; co&lt;/b&gt;" in page.read_text()
    assert (page.parent / "figures" / "summary_by_strategy.csv").is_file()


def test_the_page_needs_nothing_but_itself(page: Path) -> None:
    text = page.read_text()
    assert "default-src 'none'" in text
    assert 'src="http' not in text
    assert page.parent.name in text
    for file in (page, page.parent / "report.md"):
        assert str(page.parent.parent) not in file.read_text(), "nobody's folders are published"


def test_tables_in_markdown_have_as_many_cells_as_their_heads(page: Path) -> None:
    tables, before = 0, ""
    for line in (page.parent / "report.md").read_text().splitlines():
        if line.startswith("|"):
            assert not before.startswith("|") or line.count("|") == before.count("|"), line
            tables += not before.startswith("|")
        before = line
    assert tables == 2


def test_what_matrices_and_hosts_say_is_no_markup(tmp_path: Path) -> None:
    whole = made(Factors(images=("nginx",), strategies=("sync",), repetitions=2))
    reason = "<script>alert(1)</script> [x](http://evil.invalid) | `x`\n# a head"
    failed = tuple(replace(run, outcome="failed", reason=reason) for run in whole.runs[:1])
    html, markdown = report(replace(whole, runs=whole.runs[1:], failed=failed), MATRIX, tmp_path)
    assert "<script>alert" not in html.read_text()
    (said,) = [line for line in markdown.read_text().splitlines() if "alert" in line]
    assert r"\<script\>alert(1)\</script\> \[x\](http://evil.invalid) \| \`x\` \# a head" in said


def test_what_could_not_be_drawn_is_named(tmp_path: Path) -> None:
    experiment = made(
        Factors(images=("nginx",), strategies=("sync",), states=("none",), caches=("cold",), repetitions=2)
    )
    html, markdown = report(experiment, MATRIX, tmp_path)
    for file in (html, markdown):
        assert "there is one filesystem state only" in file.read_text()


@pytest.mark.parametrize("without", ["runs", "phases", "times"])
def test_a_report_of_little_is_a_report(without: str, tmp_path: Path) -> None:
    whole: Experiment = made(Factors(images=("nginx",), strategies=("sync",), repetitions=2))
    unmeasured = replace(whole.runs[0].measures, total_s=None, engine_downtime_s=None, client_downtime_s=None)
    little = {
        "runs": replace(whole, runs=(), failed=tuple(replace(run, outcome="failed", reason="x") for run in whole.runs)),
        "phases": replace(whole, runs=tuple(replace(run, phases=(), predicted={}) for run in whole.runs)),
        "times": replace(whole, runs=tuple(replace(run, measures=unmeasured) for run in whole.runs)),
    }
    assert report(little[without], MATRIX, tmp_path)[0].is_file()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="cannot"):
        report(made(Factors(images=("nginx",), repetitions=1)), MATRIX, tmp_path / "file")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_all_of_it_without_a_complaint(width: int, browser: Browser, page: Path) -> None:
    browser.open(page, width=width)
    assert browser.problems == []
    shown = browser.evaluate(
        "[...document.images].map(each => each.complete && each.naturalWidth > 100 && each.width > 100)"
    )
    assert len(shown) == len(FIGURES)
    assert all(shown)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width, "wider than the screen"
    assert browser.evaluate("Math.min(...[...document.images].map(each => each.width))") >= 600, "too small to read"
    assert browser.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    texts = "[...document.querySelectorAll('p, li, dd, h1, h2, figcaption')]"
    outside = f"{texts}.filter(each => each.getBoundingClientRect().right > innerWidth)"
    assert browser.evaluate(f"{outside}.length") == 0


def test_tables_are_sorted_by_their_heads(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    table = "document.querySelector('#ratings')"
    column = f"[...{table}.tBodies[0].rows].map(row => Number(row.cells[1].dataset.sort))"
    click = f"{table}.tHead.rows[0].cells[1].querySelector('button').click()"
    browser.evaluate(click)
    rising = browser.evaluate(column)
    assert rising == sorted(rising)
    assert len(set(rising)) > 1
    browser.evaluate(click)
    assert browser.evaluate(column) == sorted(rising, reverse=True)
    assert browser.evaluate(f"{table}.tHead.rows[0].cells[1].getAttribute('aria-sort')") == "descending"
    numbers = "document.querySelector('#numbers ~ .wide table')"
    cells = f"[...{numbers}.tBodies[0].rows].map(row => row.cells[4].textContent)"
    browser.evaluate(f"{numbers}.tHead.rows[0].cells[4].querySelector('button').click()")
    found = [float(each) for each in browser.evaluate(cells)]
    assert found == sorted(found)
    assert browser.problems == []
