"""What status, history, recover and abort say of services' moves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Console

from transship.cli import output
from transship.cli.output import line
from transship.cli.say import confirmed
from transship.cli.settings import settings
from transship.errors import TransshipError
from transship.migrations import Reach
from transship.swarm import recovery
from transship.swarm.journal import ServiceEntry
from transship.swarm.record import ServiceMove

_WOULD = {
    "wait": "it is under way",
    "finish": "transship recover puts back what was changed for the move",
    "bring-back": "transship recover leads it back to where it ran",
    "clean-up": "transship recover removes what was brought to the target",
    "forget": "transship recover takes it off the list",
    "unreachable": "transship recover tries again when the manager can be reached",
}


def status_as_json(status: recovery.ServiceStatus) -> dict[str, Any]:
    """What `status --json` and `recover --json` print of a service's move."""
    return {**_named(status.record), "would": status.would, "why": status.why}


def entry_as_json(entry: ServiceEntry) -> dict[str, Any]:
    """What `history --json` prints of a service's move."""
    record = entry.record
    ends = {"begun": record.begun, "ended": entry.ended, "outcome": record.outcome, "detail": record.detail}
    return {**_named(record), **ends, "happened": entry.happened}


def print_status(out: Console, found: Sequence[recovery.ServiceStatus]) -> None:
    """One paragraph a move."""
    for each in found:
        out.print(line(_title(each.record), "bold"), soft_wrap=True)
        out.print(line(f"  {each.why}"), soft_wrap=True)
        out.print(line(f"  {_WOULD[each.would]}"), soft_wrap=True)


def print_history(out: Console, entries: Sequence[ServiceEntry]) -> None:
    """Two lines a move, or three."""
    for each in entries:
        record = each.record
        begun = f"{datetime.fromisoformat(record.begun).astimezone():%Y-%m-%d %H:%M}"
        took = (each.happened or {}).get("total_s")
        length = f", {output.seconds(took)}" if isinstance(took, int | float) else ""
        out.print(line(f"{record.id}  {begun}  {record.outcome or 'not ended'}{length}"), soft_wrap=True)
        out.print(line(f"  {_title(record)}, by {record.method}", "dim"), soft_wrap=True)
        if record.detail:
            out.print(line(f"  {record.detail}", "dim"), soft_wrap=True)


def recover(
    context: typer.Context,
    reach: Reach,
    words: tuple[str, list[str] | None, bool, bool],
    *,
    only_back: bool,
) -> tuple[list[recovery.ServiceStatus], TransshipError | None]:
    """End the services' moves that were cut off, or the one that is named; say what was done.

    Returns that, and the error of those that could not be ended: containers' moves must not wait for them.
    """
    move, _, yes, as_json = words
    screen = output.console(settings(context), machine=as_json)
    with output.Progress(settings(context)) as progress:

        def agreed(found: recovery.ServiceStatus) -> bool:
            with progress.paused():
                print_status(screen, [found])
                return yes or (screen.is_interactive and confirmed())

        done, trouble = _recovered(reach, move, only_back=only_back, agreed=agreed, listener=progress.show)
    if as_json and move and done:
        output.print_json({"migrations": [], "services": [status_as_json(each) for each in done]})
    elif not as_json:
        for each in done:
            said = "is left alone" if each.would == "wait" else "was ended"
            screen.print(line(f"{_title(each.record)} {said}: {each.why}"), soft_wrap=True)
    return done, trouble


def _recovered(reach: Reach, move: str, **words: Any) -> tuple[list[recovery.ServiceStatus], TransshipError | None]:
    try:
        return recovery.recover(reach, move, **words), None
    except TransshipError as error:
        return list(error.result) if isinstance(error.result, tuple) else [], error


def _named(record: ServiceMove) -> dict[str, Any]:
    return {
        "migration": record.id,
        "service": record.name,
        "source": record.source.name,
        "target": record.target.name,
        "method": record.method,
        "stage": record.stage,
    }


def _title(record: ServiceMove) -> str:
    return f"{record.id}: service {record.name} from {record.source.name} to {record.target.name}"
