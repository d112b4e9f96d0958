from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from transship.cli.say import confirmed
from transship.cli.settings import settings
from transship.cli.words import MoveWords, takes_move_words

if TYPE_CHECKING:
    from transship.api import Journey
    from transship.plan.findings import Finding
    from transship.plan.options import MoveOptions

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, all else on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Accept the warnings of the plan.")]


@takes_move_words()
def plan_command(context: typer.Context, words: MoveWords, *, as_json: AsJson = False) -> None:
    """Say what a move would do, and what is in its way. Touches nothing.

    For example: transship plan web --to ssh://root@new.example.org

    Exit codes:
      0  the move is possible
      2  wrong words
      3  a finding forbids it, or a host cannot be used

    """
    from transship import api  # noqa: PLC0415 - Docker's SDK takes a while to import, and --help must not wait for it
    from transship.cli import output, plan_output  # noqa: PLC0415

    made = api.plan(words.journey(context), words.options())
    if as_json:
        output.print_json(plan_output.plan_as_json(made))
    else:
        plan_output.print_plan(output.console(settings(context)), made)
    if api.forbidden(made):
        raise typer.Exit(3)


@takes_move_words()
def move_command(context: typer.Context, words: MoveWords, *, as_json: AsJson = False, yes: Yes = False) -> None:
    """Move a container, and show what it took.

    For example: transship move web --to ssh://root@new.example.org --probe http:8080/

    Exit codes:
      0  moved and proven healthy
      2  wrong words
      3  a finding forbids it, or a host cannot be used; nothing was touched
      4  failed and rolled back; the source runs again
      5  moved, but the source could not be retired
      6  cut off: transship status says what runs where

    """
    _move(context, words.journey(context), words.options(), as_json=as_json, yes=yes)


FROM_RECORD = (
    "container",
    "to",
    "source_host",
    "strategy",
    "prefer",
    "name",
    "without_volumes",
    "replace_data",
    "post_copy",
)
"""What the migration that is gone back on has said already."""


@takes_move_words(*FROM_RECORD)
def switch_back_command(  # noqa: PLR0913 - the words of the command
    context: typer.Context,
    words: MoveWords,
    migration: Annotated[str, typer.Argument(metavar="ID", help="The migration, or the begin of its id.")],
    *,
    to: Annotated[str, typer.Option(metavar="HOST", help="Where it came from; by default as the move called it.")] = "",
    source_host: Annotated[
        str, typer.Option("--from", metavar="HOST", help="Where it is now; by default as the move called it.")
    ] = "",
    as_json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Move a container back to where it came from. The copy that stayed there is the base: only changes cross.

    Examples:
      transship switch-back 3f2a
      transship switch-back 3f2a --from ssh://root@new --to ssh://root@old

    With --from and --to it works from another machine than the one that moved. Exit codes: as those of transship move.

    """
    from dataclasses import replace  # noqa: PLC0415 - see above

    from transship import migrations  # noqa: PLC0415 - see above
    from transship.api import Journey  # noqa: PLC0415

    chosen = settings(context)
    at = tuple(filter(None, (to, source_host)))
    record = migrations.find(migrations.Reach(chosen.state_dir, at, chosen.ssh_config), migration)
    journey = Journey(
        record.made.container,
        to or record.source.name,
        source_host or record.target.name,
        chosen.ssh_config,
        state=chosen.state_dir,
        returns=record,
    )
    options = replace(words.options(), name="" if record.arriving == record.container else record.container)
    _move(context, journey, options, as_json=as_json, yes=yes)


def _move(context: typer.Context, journey: "Journey", options: "MoveOptions", *, as_json: bool, yes: bool) -> None:
    from transship import api  # noqa: PLC0415 - see above
    from transship.cli import output  # noqa: PLC0415
    from transship.plan.findings import no_warnings  # noqa: PLC0415

    screen = output.console(settings(context), machine=as_json)
    with output.Progress(settings(context)) as progress:

        def agreed(findings: "Sequence[Finding]") -> bool:
            with progress.paused():
                output.print_findings(screen, findings)
                return yes or no_warnings(findings) or (screen.is_interactive and confirmed())

        result = api.move(journey, options, agreed=agreed, listener=progress.show)
    if as_json:
        output.print_json(result.to_json())
    else:
        output.print_result(screen, result)
