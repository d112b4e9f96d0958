import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from transship import __version__
from transship.cli.bench import bench_app
from transship.cli.forward import forward_command
from transship.cli.hosts import hosts_app
from transship.cli.lab import lab_app
from transship.cli.migrations import abort_command, history_command, recover_command, status_command
from transship.cli.move import move_command, plan_command, switch_back_command
from transship.cli.say import say
from transship.cli.settings import Settings
from transship.cli.settle import settle_command
from transship.cli.swarm import swarm_app
from transship.errors import NeedsRecoveryError, RefusedError, TransshipError, UsageError
from transship.result import MoveResult
from transship.swarm.exchange import Exchanged
from transship.swarm.result import ServiceResult

HELP = """Move a running Docker container from one host to another over SSH.

HOST is the name of a Docker context, ssh://[USER@]HOST[:PORT], or local.

Examples:
  transship move web --to ssh://root@new.example.org
  transship plan web --to backup-host
  transship hosts check ssh://root@new.example.org
  transship status

Exit codes:
  0  done
  2  wrong words
  3  refused; nothing was touched
  4  failed and undone; the source runs again
  5  moved, but the source could not be retired
  6  cut off: transship status says what runs where
  7  the lab failed
"""

_OUTCOMES = {
    UsageError.exit_code: "refused",
    RefusedError.exit_code: "refused",
    NeedsRecoveryError.exit_code: "needs-recovery",
}
"""What a machine is told of an error that is not the end of a move."""

app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP, pretty_exceptions_enable=False)
app.command("move")(move_command)
app.command("plan")(plan_command)
app.command("switch-back")(switch_back_command)
app.command("settle")(settle_command)
app.command("status")(status_command)
app.command("history")(history_command)
app.command("recover")(recover_command)
app.command("abort")(abort_command)
app.command("forward")(forward_command)
app.add_typer(hosts_app, name="hosts")
app.add_typer(lab_app, name="lab")
app.add_typer(swarm_app, name="swarm")
app.add_typer(bench_app, name="bench")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - the shape of typer's callbacks
    if wanted:
        typer.echo(f"transship {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    *,
    ssh_config: Annotated[
        Path | None,
        typer.Option(envvar="TRANSSHIP_SSH_CONFIG", help="Read this instead of ~/.ssh/config.", dir_okay=False),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what every step took when it ends.")] = False,
    color: Annotated[bool, typer.Option("--color/--no-color", help="Colours where the terminal has them.")] = True,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="TRANSSHIP_STATE_DIR",
            help="The journal's folder, instead of ~/.local/state/transship.",
            file_okay=False,
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    context.obj = Settings(ssh_config, verbose, color, state_dir)


def run() -> None:
    """Parse the command line, run the command, and end with its exit code."""
    as_json = "--json" in sys.argv
    try:
        app()
    except TransshipError as error:
        fail(error, as_json=as_json)
    except SystemExit as end:
        # Typer has told people what is wrong with the words, by an error that it ended in.
        wrong = getattr(end.__context__, "format_message", None)
        if as_json and end.code == UsageError.exit_code and wrong is not None:
            _say_object("refused", " ".join(wrong().split()), hint="transship COMMAND --help shows the words")
        raise
    except Exception as error:
        if as_json:  # whoever reads the object must get one, whatever happened
            _say_object("failed", f"a bug of transship: {type(error).__name__}: {error}")
        raise


def _say_object(outcome: str, error: str, *, hint: str = "") -> None:
    say(json.dumps({"outcome": outcome, "error": error.removesuffix("."), "hint": hint}))


def fail(error: TransshipError, *, as_json: bool) -> NoReturn:
    """Say what went wrong on stderr, for machines on stdout too, and end with the error's exit code."""
    say(f"transship: {error}", err=True)
    if error.hint:
        say(f"  {error.hint}", err=True)
    if as_json:
        other = {"outcome": _OUTCOMES.get(error.exit_code, "failed")}
        results = MoveResult | ServiceResult | Exchanged
        known = error.result.to_json() if isinstance(error.result, results) else other
        say(json.dumps({**known, "error": str(error), "hint": error.hint}))
    sys.exit(error.exit_code)
