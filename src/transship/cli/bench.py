from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transship.cli.bench_analysis import compare_command, fit_command, plot_command, report_command
from transship.cli.bench_compat import compat_command
from transship.cli.say import say
from transship.cli.settings import settings

# transship.bench is imported inside the commands: it brings Docker's client along, and `transship --help` must be fast

if TYPE_CHECKING:
    from transship.bench.experiment import Progress
    from transship.bench.job import Ends

bench_app = typer.Typer(
    no_args_is_help=True,
    help="""Experiments: every strategy on the same work, again and again, measured and stored (docs/bench.md).

    \b
    Examples:
      transship bench run smoke --out results
      transship bench resume results
      transship bench export results > results.csv
      transship bench report results
    """,
)
bench_app.command("plot")(plot_command)
bench_app.command("report")(report_command)
bench_app.command("compare")(compare_command)
bench_app.command("fit")(fit_command)
bench_app.command("compat")(compat_command)

_HOST = "ssh://[USER@]HOST[:PORT], or a Docker context that is one."
From = Annotated[str, typer.Option("--from", metavar="HOST", help=f"The source, instead of a lab: {_HOST}")]
To = Annotated[str, typer.Option("--to", metavar="HOST", help="The target, the same.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The experiment's folder.", file_okay=False)]


class FormatChoice(StrEnum):
    """The words of --format."""

    CSV = "csv"
    JSON = "json"


@bench_app.command()
def run(
    context: typer.Context,
    matrix: Annotated[
        str, typer.Argument(metavar="MATRIX", help="A TOML file, or one that ships: live, prototype, smoke.")
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder for the results.", file_okay=False)],
    source: From = "",
    target: To = "",
) -> None:
    """Make all runs of a matrix, each from a clean state, and store each result at once.

    Without --from and --to it makes throwaway hosts on this machine (transship lab), and removes them: that takes root.
    A run that fails is a result too, and so is one whose scene cannot be set. Whatever ends this, transship bench
    resume goes on where it stopped.

    Exit codes:
      0  every run has a result
      2  wrong words, or a wrong matrix
      3  the folder is not empty, a host cannot be used, or these hosts can never make all runs
      7  the lab failed

    """
    from transship.bench.run import begin, read_matrix  # noqa: PLC0415

    begin(read_matrix(matrix), out, _ends(context, source, target), _tell)


@bench_app.command()
def resume(context: typer.Context, folder: Folder, *, source: From = "", target: To = "") -> None:
    """Make the runs that have no result yet, between the same hosts. What a killed experiment left is taken down first.

    Exit codes:
      0  every run has a result
      2  wrong words
      3  another process works there, a result was altered, the place is not the same, or these hosts can never make all
      7  the lab failed

    """
    from transship.bench.run import resume as go_on  # noqa: PLC0415

    go_on(folder, _ends(context, source, target), _tell)


@bench_app.command()
def export(
    folder: Folder, *, form: Annotated[FormatChoice, typer.Option("--format", help="csv or json.")] = FormatChoice.CSV
) -> None:
    """Print one row a run, with units in the columns' names (docs/bench.md has what each means).

    Exit codes: 0 printed; 3 there is no experiment, or a result was altered.
    """
    from transship.bench.export import to_csv, to_json  # noqa: PLC0415
    from transship.bench.store import ResultFolder  # noqa: PLC0415

    runs = ResultFolder.open(folder).runs()
    typer.echo(to_csv(runs) if form is FormatChoice.CSV else to_json(runs), nl=False)


def _ends(context: typer.Context, source: str, target: str) -> "Ends | None":
    from transship.bench.job import Ends  # noqa: PLC0415
    from transship.errors import UsageError  # noqa: PLC0415

    if bool(source) != bool(target):
        raise UsageError("an experiment needs both hosts, or none", hint="give --from and --to")
    config = settings(context).ssh_config
    return Ends(source, target, str(config.absolute()) if config else "") if source else None


def _tell(news: "Progress | str") -> None:
    if isinstance(news, str):
        say(f"  {news}", err=True)
        return
    run, measured = news.run, news.run.measures
    cell = run.cell
    link = f"{cell.link_mbit:g} Mbit/s" if cell.link_mbit else "no limit"
    what = f"{cell.strategy}, {cell.image}, {cell.state}, {cell.cache}, {link}"
    took = "" if measured.total_s is None else f" in {measured.total_s:.1f} s"
    down = "" if measured.client_downtime_s is None else f", {measured.client_downtime_s:.2f} s down"
    came = f"moved{took}{down}" if run.outcome == "moved" else f"{run.outcome}: {run.reason}"
    left = f"{news.left_s / 60:.0f} min left" if news.left_s >= 90 else f"{news.left_s:.0f} s left"  # noqa: PLR2004
    say(f"{news.done}/{news.total}  {what}: {came}  ({left})", err=True)
