"""The commands of `transship bench` that read saved results and measure nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transship.cli.settings import settings
from transship.errors import UsageError

if TYPE_CHECKING:
    from transship.bench.compare import Compared
    from transship.bench.fit import Fit

# numpy, matplotlib and jinja2 are imported inside the commands: they take long, and need not be installed

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]
Results = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results.", file_okay=False)]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where to write, by default into DIR.", file_okay=False)
]


def plot_command(context: typer.Context, results: Results, *, out: Out = None, as_json: AsJson = False) -> None:
    """Draw every figure as PNG and SVG, and write both summaries as CSV.

    Examples:
      transship bench plot results
      transship bench plot results --out figures

    Exit codes:
      0  what the results hold was drawn; what they lack was named
      2  wrong words
      3  the results cannot be used

    """
    with _analysis():
        from transship.bench.report import plot  # noqa: PLC0415
        from transship.bench.table import load  # noqa: PLC0415
    from transship.cli import bench_output, output  # noqa: PLC0415

    folder = out or results / "figures"
    undrawn = plot(load(results), folder)
    if as_json:
        output.print_json({"folder": str(folder), "figures": undrawn})
    else:
        bench_output.print_figures(output.console(settings(context)), folder, undrawn)


def report_command(context: typer.Context, results: Results, *, out: Out = None, as_json: AsJson = False) -> None:
    """Write a page that needs nothing else (report.html), a summary (report.md), and the figures.

    Examples:
      transship bench report results
      transship bench report results --out published

    Exit codes:
      0  written
      2  wrong words
      3  the results cannot be used

    """
    with _analysis():
        from transship.bench.report import report  # noqa: PLC0415
        from transship.bench.table import load  # noqa: PLC0415
    from transship.bench.store import ResultFolder  # noqa: PLC0415
    from transship.cli import bench_output, output  # noqa: PLC0415

    written = report(load(results), ResultFolder.open(results).matrix, out or results)
    if as_json:
        output.print_json({"written": [str(file) for file in written]})
    else:
        bench_output.print_written(output.console(settings(context)), written)


def compare_command(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="A folder of results.", file_okay=False)],
    second: Annotated[Path, typer.Argument(metavar="B", help="What is held against it.", file_okay=False)],
    *,
    unlike: Annotated[bool, typer.Option("--unlike", help="Compare although the environments differ.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold the results of B against those of A, cell by cell: what became more, less, stayed, or cannot be told.

    Examples:
      transship bench compare before after
      transship bench compare laptop server --unlike --json

    Exit codes:
      0  compared, whatever came of it
      2  wrong words
      3  the results cannot be used, or must not be compared

    """
    with _analysis():
        from transship.bench.compare import compare_experiments  # noqa: PLC0415
        from transship.bench.table import load  # noqa: PLC0415
    from transship.cli import bench_output, output  # noqa: PLC0415

    compared: Compared = compare_experiments(load(first), load(second), unlike=unlike)
    if as_json:
        output.print_json(bench_output.compared_as_json(compared))
    else:
        bench_output.print_compared(output.console(settings(context)), compared)


def fit_command(
    context: typer.Context,
    results: Results,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Have every later plan of this machine use them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Learn from results what things cost; say how far predictions are off for containers that were not learned from.

    Examples:
      transship bench fit results
      transship bench fit results --keep

    Exit codes:
      0  fitted
      2  wrong words
      3  the results cannot be used, or are too few

    """
    with _analysis():
        from transship.bench.fit import fit  # noqa: PLC0415
        from transship.bench.table import load  # noqa: PLC0415
    from transship.cli import bench_output, output  # noqa: PLC0415

    fitted: Fit = fit(load(results))
    file = _keep(fitted, settings(context).state_dir) if keep else None
    if as_json:
        output.print_json(bench_output.fit_as_json(fitted, file))
    else:
        bench_output.print_fit(output.console(settings(context)), fitted, file)


def _keep(fitted: "Fit", folder: Path | None) -> Path:
    from datetime import UTC, datetime  # noqa: PLC0415

    from transship.journal.costs import write_costs  # noqa: PLC0415

    now = datetime.now(UTC).isoformat(timespec="seconds")
    return write_costs(fitted.model, cells=fitted.samples, runs=fitted.runs, fitted=now, folder=folder)


@contextmanager
def _analysis() -> Iterator[None]:
    """Say what is missing where transship was installed without what the analysis needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "transship":
            raise
        raise UsageError(
            f"the analysis of results needs {missing}, which is not installed",
            hint="install transship with it: pip install 'transship[bench]'",
        ) from error
