"""Printers of services' moves: text for people, objects for machines."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transship.cli.output import line, print_findings, size
from transship.swarm.plan import ServicePlan
from transship.swarm.result import ServiceResult
from transship.swarm.timeline import Span

_BAR_CELLS = 40
_MEANING = {
    "orchestrate": "until a node was chosen for the new task",
    "prepare": "its node fetches the image and creates the container",
    "stop": "the old task ends; its grace period is in this",
    "wait": "the new task waits for the end of the old one",
    "start": "the container starts, until it is healthy",
    "monitor": "Swarm watches the new task",
}


def plan_as_json(made: ServicePlan) -> dict[str, Any]:
    """What `swarm move --plan --json` prints."""
    return {
        "service": made.seen.service.name,
        "method": made.options.method,
        "source": made.route.source.name,
        "target": made.route.target.name,
        "tasks": [task.id for task in made.route.tasks],
        "steps": list(made.steps),
        "findings": [asdict(finding) for finding in made.findings],
    }


def print_plan(out: Console, made: ServicePlan) -> None:
    """What would be done, in order, and what is in its way."""
    for number, step in enumerate(made.steps, 1):
        out.print(line(f"  {number}. {step}"), soft_wrap=True)
    print_findings(out, made.findings)


def print_result(out: Console, result: ServiceResult) -> None:
    """A sentence, and where Swarm's time went."""
    count = "its task" if result.tasks == 1 else f"{result.tasks} tasks"
    sentence = f"{result.service}: {count} moved from {result.source} to {result.target} in {result.total_s:.2f} s"
    if result.gap_s is not None:
        both = f"both ran for {-result.gap_s:.2f} s" if result.gap_s < 0 else f"neither ran for {result.gap_s:.2f} s"
        sentence += f"; {both}"
    if result.client is not None:
        sentence += f" (a client asking {result.client.probe} saw {result.client.downtime_s:.2f} s)"
    out.print(line(sentence + "."), soft_wrap=True)
    if crossed := ", ".join(f"{size(count)} of {kind}" for kind, count in result.bytes.items() if count):
        out.print(line(f"Crossed over SSH: {crossed}."), soft_wrap=True)
    if result.spans:
        out.print(_timeline(result.spans))


def _timeline(spans: Sequence[Span]) -> Table:
    """A row a part, all on one scale."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("Swarm's time", no_wrap=True)
    for word in ("at", "took"):
        table.add_column(word, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", style="dim")
    end = max(span.start_s + span.seconds for span in spans)
    for span in spans:
        scale = _BAR_CELLS / max(end, 1e-9)
        first = min(int(max(0.0, span.start_s) * scale), _BAR_CELLS - 1)
        bar = " " * first + "━" * max(1, min(round(span.seconds * scale), _BAR_CELLS - first))
        times = (f"{span.start_s:.2f} s", f"{span.seconds:.2f} s")
        table.add_row(span.name, *times, Text(bar, style="green"), _MEANING[span.name])
    return table
