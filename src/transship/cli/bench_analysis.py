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
        from transship.bench.cautions import cautions  # noqa: PLC0415
        from transship.bench.report import plot  # noqa: PLC0415
        from transship.bench.table import load  # noqa: PLC0415
    from transship.cli import bench_output, output  # noqa: PLC0415

    folder, experiment = out or results / "figures", load(results)
    undrawn, told = plot(experiment, folder), cautions(experiment)
    if as_json:
        output.print_json({"folder": str(folder), "figures": undrawn, "cautions": told})
    else:
        bench_output.print_figures(console := output.console(settings(context)), folder, undrawn)
        bench_output.print_cautions(console, {str(results): told})


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
        from transship.bench.cautions import cautions  # noqa: PLC0415
        from transship.bench.report import report  # noqa: PLC0415
        from transship.bench.table import load  # noqa: PLC0415
    from transship.bench.store import ResultFolder  # noqa: PLC0415
    from transship.cli import bench_output, output  # noqa: PLC0415

    experiment = load(results)
    written, told = report(experiment, ResultFolder.open(results).matrix, out or results), cautions(experiment)
    if as_json:
        output.print_json({"written": [str(file) for file in written], "cautions": told})
    else:
        bench_output.print_written(console := output.console(settings(context)), written)
        bench_output.print_cautions(console, {str(results): told})


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
        from transship.bench.cautions import cautions  # noqa: PLC0415
        from transship.bench.compare import compare_experiments  # noqa: PLC0415
        from transship.bench.table import load  # noqa: PLC0415
    from transship.cli import bench_output, output  # noqa: PLC0415

    a, b = load(first), load(second)
    compared: Compared = compare_experiments(a, b, unlike=unlike)
    told = {str(first): cautions(a), str(second): cautions(b)}
    if as_json:
        output.print_json(bench_output.compared_as_json(compared, told))
    else:
        bench_output.print_compared(console := output.console(settings(context)), compared)
        bench_output.print_cautions(console, told)


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
      3  the results cannot be used, are too few, or (with --keep) would make predictions worse

    """
    with _analysis():
        from transship.bench.cautions import cautions  # noqa: PLC0415
        from transship.bench.fit import fit  # noqa: PLC0415
        from transship.bench.table import load  # noqa: PLC0415
    from transship.cli import bench_output, output  # noqa: PLC0415
    from transship.journal.costs import read_costs  # noqa: PLC0415

    experiment, state = load(results), settings(context).state_dir
    fitted: Fit = fit(experiment, read_costs(state))
    file, told = _keep(fitted, state) if keep else None, {str(results): cautions(experiment)}
    if as_json:
        output.print_json(bench_output.fit_as_json(fitted, file, told))
    else:
        bench_output.print_fit(console := output.console(settings(context)), fitted, file)
        bench_output.print_cautions(console, told)


def _keep(fitted: "Fit", folder: Path | None) -> Path:
    from datetime import UTC, datetime  # noqa: PLC0415

    from transship.journal.costs import write_costs  # noqa: PLC0415

    fitted.refuse_to_be_kept()
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
