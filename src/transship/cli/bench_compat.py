"""The command `transship bench compat`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transship.cli.say import say
from transship.cli.settings import settings

# transship.bench is imported inside the command: it brings Docker's client along, and `transship --help` must be fast

if TYPE_CHECKING:
    from transship.bench.compat import Tried

Only = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this program; may be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="The table as Markdown.")]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Store a JSON file a program and mode there, and show all that it has.", file_okay=False
    ),
]


def compat_command(
    context: typer.Context,
    *,
    only: Only = None,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    out: Out = None,
) -> None:
    """Move programs of Debian while they run, and say which work, which are refused, and which fail and why.

    Two throwaway hosts with Debian sid are made on this machine (transship lab), and removed: that takes root. The
    first time images are made of Debian's packages: some minutes, and 2 GB of the lab's cache. All programs take ten
    to twenty minutes.

    Examples:
      transship bench compat --only redis --only nginx
      transship bench compat --markdown --out compat

    Exit codes:
      0  each was tried, whatever came of it
      2  wrong words
      3  a result could not be stored, or was altered
      7  the lab failed, or a program could not be tried

    """
    from transship.bench import compat_run  # noqa: PLC0415
    from transship.bench.compat_table import markdown, tabulate  # noqa: PLC0415
    from transship.cli import compat_output, output  # noqa: PLC0415
    from transship.codec import encode  # noqa: PLC0415
    from transship.errors import LabError, UsageError  # noqa: PLC0415
    from transship.metrics.events import Recorder  # noqa: PLC0415

    if as_json and as_markdown:
        raise UsageError("--json and --markdown exclude each other")
    programs = compat_run.chosen(only or ())
    if out:
        compat_run.kept(out)  # what cannot be read again is told before anything is tried

    def tell(tried: "Tried") -> None:
        if out:
            compat_run.keep(out, tried)
        _tell(tried)

    tried = compat_run.try_programs(programs, Recorder(), tell)
    shown = compat_run.kept(out) if out else tried
    if as_json:
        output.print_json({"tried": [encode(each) for each in shown]})
    elif as_markdown:
        typer.echo(markdown(tabulate(shown)), nl=False)
    else:
        compat_output.print_compat(output.console(settings(context)), tabulate(shown))
    if left := [each for each in tried if each.verdict == "untried"]:
        names = ", ".join(dict.fromkeys(each.subject.program for each in left))
        raise LabError(f"these could not be tried: {names}; the first because {left[0].reason}")


def _tell(tried: "Tried") -> None:
    took = f" in {tried.downtime_s:.2f} s" if tried.verdict == "works" and tried.downtime_s is not None else ""
    source = {None: "", "": "; the source went on"}.get(tried.source, f"; on the source {tried.source}")
    why = f": {tried.reason}{source}" if tried.reason else ""
    say(f"{tried.subject.program}, {tried.subject.mode}: {tried.verdict}{took}{why}", err=True)
