"""Printers of what became of migrations: tables for people, objects for machines."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transship.cli.say import printable
from transship.journal.store import Entry
from transship.migrations import Status
from transship.plan.record import Record
from transship.recover import Situation


def status_as_json(status: Status) -> dict[str, Any]:
    """What `status --json` prints of a migration."""
    return {**_named(status.record), "says": status.sentence, "would": asdict(status.decision)}


def entry_as_json(entry: Entry) -> dict[str, Any]:
    """What `history --json` prints of a migration."""
    record = entry.record
    return {
        **_named(record),
        "begun": entry.begun,
        "ended": entry.ended,
        "outcome": record.outcome or record.stage,
        "detail": record.detail,
        "predicted": entry.predicted,
        "happened": entry.happened,
        "steps": [asdict(step) for step in entry.steps],
    }


def situation_as_json(situation: Situation) -> dict[str, Any]:
    """What `recover --json` prints of a migration."""
    seen = {side: asdict(getattr(situation, side)) for side in ("source", "target")}
    return {**_named(situation.record), "seen": seen, "did": asdict(situation.decision)}


def print_status(out: Console, found: Sequence[Status]) -> None:
    """One paragraph a migration."""
    if not found:
        out.print("nothing is under way, and nothing was cut off")
    for each in found:
        out.print(Text(_title(each.record), style="bold"), soft_wrap=True)
        warns = each.sentence.startswith("WARNING")
        out.print(_text(f"  {each.sentence}", "bold red" if warns else ""), soft_wrap=True)
        out.print(_text(f"  {each.decision.why}"), soft_wrap=True)
        _print_actions(out, each.decision.in_words(each.record))
        for offer in each.decision.offers:
            out.print(_text(f"    transship recover {each.record.id} {offer}", "dim"), soft_wrap=True)


def print_situation(out: Console, found: Situation) -> None:
    """What recovery is about to do, and why."""
    out.print(Text(_title(found.record), style="bold"), soft_wrap=True)
    out.print(_text(f"  {found.decision.why}"), soft_wrap=True)
    _print_actions(out, found.decision.in_words(found.record))


def print_recovered(out: Console, done: Sequence[Situation]) -> None:
    """What was done, a line a migration."""
    if not done:
        out.print("nothing was cut off")
    for each in done:
        said = "was ended" if each.decision.actions else "needed nothing"
        out.print(_text(f"{_title(each.record)} {said}: {each.decision.why}"), soft_wrap=True)


def print_history(out: Console, entries: Sequence[Entry]) -> None:
    """One line a migration, with what was predicted beside what happened."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for word in ("migration", "begun", "container", "from", "to", "strategy", "outcome"):
        table.add_column(word, no_wrap=True)
    for word in ("downtime", "predicted", "in all", "predicted"):
        table.add_column(word, justify="right", no_wrap=True)
    for each in entries:
        record, happened, predicted = each.record, each.happened or {}, each.predicted or {}
        words = (
            record.id,
            f"{datetime.fromisoformat(each.begun).astimezone():%Y-%m-%d %H:%M}",
            record.container,
            record.source.name,
            record.target.name,
            record.strategy,
            record.outcome or record.stage,
            _seconds(happened.get("downtime_s")),
            _range(predicted.get("downtime_s")),
            _seconds(happened.get("total_s")),
            _range(predicted.get("total_s")),
        )
        table.add_row(*map(_text, words))
    out.print(table if entries else "this machine has moved nothing yet")


def _print_actions(out: Console, actions: Sequence[str]) -> None:
    for number, action in enumerate(actions, 1):
        out.print(_text(f"  {number}. {action}"), soft_wrap=True)


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
    return printable(f"{record.id}: {record.container} from {record.source.name} to {record.target.name}")


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def _seconds(value: object) -> str:
    return f"{value:.2f} s" if isinstance(value, int | float) else ""


def _range(value: object) -> str:
    """A prediction: its bounds."""
    return f"{value['low']:.1f} to {value['high']:.1f} s" if isinstance(value, dict) else ""
