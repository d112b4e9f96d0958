"""Printers of a plan: a table of the strategies, the steps in order and the findings; or one JSON object."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transship.cli.output import line, print_findings, seconds, size, span
from transship.cli.say import printable
from transship.plan.advise import Advice, Judged
from transship.plan.interval import Interval
from transship.plan.predict import Prediction
from transship.plan.steps import Plan

_STYLES = {"chosen": "bold green", "possible": "", "lossy": "yellow", "ruled-out": "dim"}
_WORDS = {"chosen": "chosen", "possible": "possible", "lossy": "with a loss", "ruled-out": "ruled out"}


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """What `plan --json` prints; docs/plan.md says what it means."""
    advice = plan.advice
    return {
        "strategy": plan.strategy,
        "reason": plan.reason,
        "predicted": None if advice is None else advice.prediction.to_json(),
        "strategies": [] if advice is None else [each.to_json() for each in advice.judged],
        "steps": {
            "prepare": [step.describe() for step in plan.prepare],
            "cutover": [step.describe() for step in plan.cutover],
            "retire": [step.describe() for step in plan.retire],
        },
        "findings": [asdict(finding) for finding in plan.findings],
    }


def print_plan(out: Console, plan: Plan) -> None:
    """What would be done, in order, what it would take, and where the service is interrupted."""
    out.print(line(f"strategy {plan.strategy}: {plan.reason}"), soft_wrap=True)
    if plan.advice is not None:
        out.print(_strategies(plan.advice))
        for each in plan.advice.judged:
            if each.fact and each.verdict != "chosen":
                out.print(line(f"  not {each.strategy}: {each.fact}", "dim"), soft_wrap=True)
        out.print(line(_amounts(plan.advice.prediction)), soft_wrap=True)
    for title, steps in (
        ("while the source serves", plan.prepare),
        ("the service is interrupted", plan.cutover),
        ("point of no return", plan.retire),
    ):
        out.print(Text(f"{title}:", style="bold"))
        for step in steps:
            out.print(line(f"  {step.describe()}"), soft_wrap=True)
    print_findings(out, plan.findings)


def _strategies(advice: Advice) -> Table:
    """A row a strategy: the verdict, and what it would take."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for word in ("strategy", "verdict"):
        table.add_column(word, no_wrap=True)
    for word in ("downtime", "in all", "bytes"):
        table.add_column(word, justify="right", no_wrap=True)
    for each in advice.judged:
        table.add_row(*_row(each), style=_STYLES[each.verdict])
    return table


def _row(judged: Judged) -> tuple[Text, ...]:
    predicted = judged.prediction
    words = (
        judged.strategy,
        _WORDS[judged.verdict],
        _seconds(predicted.downtime_s),
        _seconds(predicted.total_s),
        _bytes(predicted.wire_bytes),
    )
    return tuple(Text(printable(word)) for word in words)


def _seconds(value: Interval | None) -> str:
    return "unknown" if value is None else f"{seconds(value.likely)} ({span(value.low, value.high)})"


def _bytes(value: Interval | None) -> str:
    return "unknown" if value is None else size(round(value.likely)) or "0 B"


def _amounts(prediction: Prediction) -> str:
    """How much there is to send, by kind."""
    known = (
        f"{kind} {'unknown' if count is None else size(count) or '0 B'}" for kind, count in prediction.sizes.items()
    )
    return f"to send, before it is compressed: {', '.join(known)}"
