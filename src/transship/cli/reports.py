"""Printers of what became of migrations: lines for people, objects for machines."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console

from transship.cli.output import line, seconds, span
from transship.journal.store import Entry
from transship.migrations import Status
from transship.plan.record import Record
from transship.recover import Situation

_COLUMNS = "{:<9} {:<16} {:<11} {:>20} {:>20}"


def status_as_json(status: Status) -> dict[str, Any]:
    """What `status --json` prints of a migration."""
    says = {"says": status.sentence, "unreached": status.unreached}
    return {**_named(status.record), **says, "would": asdict(status.decision)}


def entry_as_json(entry: Entry) -> dict[str, Any]:
    """What `history --json` prints of a migration."""
    record = entry.record
    return {
        **_named(record),
        "begun": entry.begun,
        "ended": entry.ended,
        "outcome": record.outcome,
        "detail": record.detail,
        "predicted": entry.predicted,
        "happened": entry.happened,
        "steps": [asdict(step) for step in entry.steps],
    }


def recovered_as_json(done: Sequence[Situation]) -> dict[str, Any]:
    """What `recover --json` and `abort --json` print."""
    return {"migrations": [_situation_as_json(each) for each in done]}


def _situation_as_json(situation: Situation) -> dict[str, Any]:
    seen = {side: asdict(getattr(situation, side)) for side in ("source", "target")}
    return {**_named(situation.record), "seen": seen, "did": asdict(situation.decision)}


def print_status(out: Console, found: Sequence[Status]) -> None:
    """One paragraph a migration."""
    if not found:
        out.print("nothing is under way, and nothing was cut off")
    for each in found:
        out.print(line(_title(each.record), "bold"), soft_wrap=True)
        warns = each.sentence.startswith("WARNING")
        out.print(line(f"  {each.sentence}", "bold red" if warns else ""), soft_wrap=True)
        for why in each.unreached:
            out.print(line(f"  {why}", "yellow"), soft_wrap=True)
        out.print(line(f"  {each.decision.why}"), soft_wrap=True)
        _print_actions(out, each.decision.in_words(each.record))
        for offer, meaning in each.decision.choices(each.record).items():
            out.print(line(f"    transship recover {each.record.id} {offer}"), soft_wrap=True)
            out.print(line(f"      {meaning}", "dim"), soft_wrap=True)


def print_situation(out: Console, found: Situation) -> None:
    """What recovery is about to do, and why."""
    out.print(line(_title(found.record), "bold"), soft_wrap=True)
    out.print(line(f"  {found.decision.why}"), soft_wrap=True)
    _print_actions(out, found.decision.in_words(found.record))


def print_recovered(out: Console, done: Sequence[Situation]) -> None:
    """What was done, a line a migration."""
    if not done:
        out.print("nothing was cut off")
    for each in done:
        said = "was ended" if each.decision.actions else "needed nothing"
        out.print(line(f"{_title(each.record)} {said}: {each.decision.why}"), soft_wrap=True)


def print_history(out: Console, entries: Sequence[Entry]) -> None:
    """Two lines a migration: what came of it, beside what was predicted; and what went where. Fits 80 columns."""
    if not entries:
        out.print("this machine has moved nothing yet")
        return
    out.print(line(_COLUMNS.format("migration", "begun", "outcome", "downtime", "in all"), "dim"))
    for each in entries:
        record, happened, predicted = each.record, each.happened or {}, each.predicted or {}
        words = (
            record.id,
            f"{datetime.fromisoformat(each.begun).astimezone():%Y-%m-%d %H:%M}",
            record.outcome or "not ended",
            *(_beside(happened.get(name), predicted.get(name)) for name in ("downtime_s", "total_s")),
        )
        out.print(line(_COLUMNS.format(*words).rstrip()), soft_wrap=True)
        ends = f"  {record.container} from {record.source.name} to {record.target.name}, by {record.strategy}"
        out.print(line(ends, "dim"), soft_wrap=True)
        if detail := record.detail if each.ended else f"transship status {record.id} says what runs where":
            out.print(line(f"  {detail}", "dim"), soft_wrap=True)
    out.print(line("In brackets: the bounds that were predicted.", "dim"))


def print_damaged(out: Console, sentences: Sequence[str]) -> None:
    """What the journal cannot tell of."""
    for sentence in sentences:
        out.print(line(sentence, "bold red"), soft_wrap=True)


def _print_actions(out: Console, actions: Sequence[str]) -> None:
    for number, action in enumerate(actions, 1):
        out.print(line(f"  {number}. {action}"), soft_wrap=True)


def _named(record: Record) -> dict[str, Any]:
    return {
        "migration": record.id,
        "container": record.container,
        "source": record.source.name,
        "target": record.target.name,
        "strategy": record.strategy,
        "stage": record.stage,
    }


def _title(record: Record) -> str:
    return f"{record.id}: {record.container} from {record.source.name} to {record.target.name}"


def _beside(happened: object, predicted: object) -> str:
    """What it took, and in brackets the bounds that were predicted: a journal may lack either."""
    bounds = predicted if isinstance(predicted, dict) else {}
    low, high = bounds.get("low"), bounds.get("high")
    took = seconds(happened) if isinstance(happened, int | float) else ""
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return took
    return f"{took} ({span(low, high)})".strip()
