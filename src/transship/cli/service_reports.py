"""What status, history, recover and abort say of services' moves, of adoptions and of releases."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeAlias

import typer
from rich.console import Console

from transship.cli import output
from transship.cli.output import line
from transship.cli.say import confirmed
from transship.cli.settings import settings
from transship.errors import TransshipError, UsageError
from transship.migrations import Reach
from transship.swarm import exchange_recovery, recovery
from transship.swarm.exchange_record import ExchangeRecord, by_hand
from transship.swarm.exchange_recovery import ExchangeStatus
from transship.swarm.journal import SwarmJournal
from transship.swarm.record import ServiceMove
from transship.swarm.records import Entry
from transship.swarm.recovery import ServiceStatus

Status: TypeAlias = ServiceStatus | ExchangeStatus
AnyEntry: TypeAlias = Entry[ServiceMove] | Entry[ExchangeRecord]

_WOULD = {
    "wait": "it is under way",
    "finish": "transship recover puts back what was changed for the move",
    "bring-back": "transship recover leads it back to where it ran",
    "clean-up": "transship recover removes what was brought to the target",
    "forget": "transship recover takes it off the list",
    "unreachable": "transship recover tries again when the manager can be reached",
    "elsewhere": "transship recover ends it on that machine",
}
_EXCHANGE_WOULD = {
    "adopt": {
        "finish": "transship recover leaves it so",
        "bring-back": "transship recover removes the service and starts the container again",
        "unreachable": "transship recover tries again when manager and node can be reached",
    },
    "release": {
        "finish": "transship recover removes the service, which has no tasks, once the container is proven healthy",
        "bring-back": "transship recover removes the container and has the service run again",
        "unreachable": "transship recover tries again when manager and node can be reached",
    },
}


def found(reach: Reach, identity: str) -> list[Status]:
    """What has not ended, or the one that is named. Changes nothing. Raises `UsageError` where several may be meant."""
    if identity:
        _require_one(reach, identity)
    return [*recovery.status(reach, identity), *exchange_recovery.status(reach, identity)]


def history(reach: Reach, *, limit: int) -> list[AnyEntry]:
    """What this machine began last, newest first."""
    both: list[AnyEntry] = [
        *recovery.history(reach, limit=limit),
        *exchange_recovery.history(reach, limit=limit),
    ]
    return sorted(both, key=lambda each: each.record.begun, reverse=True)[:limit]


def damaged(reach: Reach, *, ended: bool = True) -> list[str]:
    """What cannot be read, a sentence each."""
    return [*recovery.damaged(reach, ended=ended), *exchange_recovery.damaged(reach, ended=ended)]


def status_as_json(status: Status) -> dict[str, Any]:
    """What `status --json` and `recover --json` print of one."""
    return {**_named(status.record), "would": status.would, "why": status.why}


def entry_as_json(entry: AnyEntry) -> dict[str, Any]:
    """What `history --json` prints of one."""
    record = entry.record
    ends = {"begun": record.begun, "ended": entry.ended, "outcome": record.outcome, "detail": record.detail}
    return {**_named(record), **ends, "happened": entry.happened}


def print_status(out: Console, shown: Sequence[Status]) -> None:
    """One paragraph each."""
    for each in shown:
        out.print(line(_title(each.record), "bold"), soft_wrap=True)
        out.print(line(f"  {each.why}"), soft_wrap=True)
        words = _EXCHANGE_WOULD[each.record.kind] if isinstance(each.record, ExchangeRecord) else {}
        out.print(line(f"  {words.get(each.would, _WOULD[each.would])}"), soft_wrap=True)
        if isinstance(each.record, ExchangeRecord) and each.would == "elsewhere":
            out.print(line(f"  by hand, where that machine is lost: {by_hand(each.record)}"), soft_wrap=True)


def print_history(out: Console, entries: Sequence[AnyEntry]) -> None:
    """Two lines each, or three."""
    for each in entries:
        record = each.record
        begun = f"{datetime.fromisoformat(record.begun).astimezone():%Y-%m-%d %H:%M}"
        took = (each.happened or {}).get("total_s")
        length = f", {output.seconds(took)}" if isinstance(took, int | float) else ""
        out.print(line(f"{record.id}  {begun}  {record.outcome or 'not ended'}{length}"), soft_wrap=True)
        method = f", by {record.method}" if isinstance(record, ServiceMove) else ""
        out.print(line(f"  {_title(record)}{method}", "dim"), soft_wrap=True)
        if record.detail:
            out.print(line(f"  {record.detail}", "dim"), soft_wrap=True)


def recover(
    context: typer.Context,
    reach: Reach,
    words: tuple[str, list[str] | None, bool, bool],
    *,
    only_back: bool,
    told: bool,
) -> tuple[list[Status], TransshipError | None]:
    """End what was cut off of services, or the one that is named; say what was done.

    Returns that, and the error of those that could not be ended: containers' moves must not wait for them. `told`:
    something was said that means nothing here. Raises `UsageError` where that is about one of these.
    """
    identity, _, yes, as_json = words
    if identity:
        _require_one(reach, identity)
    if told and identity and found(reach, identity):
        raise UsageError(
            f"{identity} is of a service: --keep, --source-is-lost and --target-is-lost are about moves of containers",
            hint=f"transship recover {identity}",
        )
    screen = output.console(settings(context), machine=as_json)
    with output.Progress(settings(context)) as progress:

        def agreed(shown: Status) -> bool:
            with progress.paused():
                print_status(screen, [shown])
                return yes or (screen.is_interactive and confirmed())

        said: dict[str, Any] = {"only_back": only_back, "agreed": agreed, "listener": progress.show}
        done, trouble = _all_of((recovery.recover, exchange_recovery.recover), reach, identity, said)
    if as_json and identity and done:
        output.print_json({"migrations": [], "services": [status_as_json(each) for each in done]})
    elif not as_json:
        for each in done:
            ended = "is left alone" if each.would in {"wait", "elsewhere"} else "was ended"
            screen.print(line(f"{_title(each.record)} {ended}: {each.why}"), soft_wrap=True)
    return done, trouble


def _require_one(reach: Reach, identity: str) -> None:
    """Raise `UsageError` where the begin of an id may mean a move of a container as well as one of a service."""
    with SwarmJournal.open(reach.state) as journal:
        known = {entry.record.id for entry in (journal.moves.find(identity), journal.exchanges.find(identity)) if entry}
        with suppress(UsageError):  # no move of a container, or several
            known.add(journal.get(identity).record.id)
    if len(known) > 1 and identity not in known:
        raise UsageError(f"{identity!r} may be any of {', '.join(sorted(known))}", hint="give more of the id")


def _all_of(
    recoveries: Sequence[Callable[..., Sequence[Status]]], reach: Reach, identity: str, said: dict[str, Any]
) -> tuple[list[Status], TransshipError | None]:
    """What each has done, and the first error: one must not wait for the other."""
    done: list[Status] = []
    trouble = None
    for each in recoveries:
        try:
            done += each(reach, identity, **said)
        except TransshipError as error:
            done += error.result if isinstance(error.result, tuple) else ()
            trouble = trouble or error
    return done, trouble


def _named(record: ServiceMove | ExchangeRecord) -> dict[str, Any]:
    """An adoption or release goes from its node to its node; its method is what it is."""
    if isinstance(record, ExchangeRecord):
        of = {"source": record.node.name, "target": record.node.name, "method": record.kind}
    else:
        of = {"source": record.source.name, "target": record.target.name, "method": record.method}
    return {"migration": record.id, "service": record.name, **of, "stage": record.stage}


def _title(record: ServiceMove | ExchangeRecord) -> str:
    if isinstance(record, ServiceMove):
        return f"{record.id}: service {record.name} from {record.source.name} to {record.target.name}"
    was, then = ("container", "service") if record.kind == "adopt" else ("service", "container")
    return f"{record.id}: {was} {record.name} on {record.node.name} becomes a {then}"
