"""Printers of events and results: text for people on stderr, one JSON object for machines on stdout."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from rich import progress
from rich.console import Console
from rich.table import Table
from rich.text import Text

from transship.cli.say import printable, say
from transship.cli.settings import Settings
from transship.metrics.events import Event
from transship.plan.findings import Finding
from transship.result import MoveResult, outage

BAR_CELLS = 36
_LONG_S = 100.0
"""From here on tenths of a second say nothing."""
_MARKS = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "note": ("·", "dim")}


class _Screen(Console):
    """Falls silent when nobody reads it any more: how a move ends must not hang on being watched."""

    def on_broken_pipe(self) -> None:
        """Rich itself would end the program, and close stdout for the machine's object."""
        self.quiet = True


def console(settings: Settings, *, machine: bool = False) -> Console:
    """The place for texts: stdout, or stderr where stdout belongs to a machine."""
    return _Screen(stderr=machine, no_color=not settings.color, highlight=False)


def print_json(data: Mapping[str, Any]) -> None:
    """One object, on one line, as the last line of stdout."""
    say(json.dumps(data))


class Progress:
    """Shows phases as they run: bars with bytes, rate and time left on a terminal, a line a phase elsewhere.

    With `verbose` also a line for each phase that ends, with what it took.
    """

    def __init__(self, chosen: Settings) -> None:
        self._verbose = chosen.verbose
        self._began: dict[str, float] = {}
        self._stderr = _Screen(stderr=True, no_color=not chosen.color, highlight=False)
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=self._stderr,
            transient=True,
        )
        self._tasks: dict[str, progress.TaskID] = {}

    def __enter__(self) -> Self:
        if self._stderr.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to somebody else for the length of the block."""
        self._stop()
        yield
        self.__enter__()

    def _stop(self) -> None:
        if self._bars.live.is_started:  # rich ends the line that it would have begun
            self._bars.stop()

    def show(self, event: Event) -> None:
        """Take note of an event. A terminal that is gone ends the showing, not the move."""
        try:
            self._show(event)
        except OSError:
            self._stderr.quiet = True

    def _show(self, event: Event) -> None:
        description = printable(event.detail)
        if self._verbose:
            self._print_cost(event)
        if not self._stderr.is_terminal:
            if event.kind == "started":
                self._stderr.print(Text(f"  {event.phase}: {description}".rstrip(": ")), soft_wrap=True)
        elif event.kind == "started":
            self._tasks[event.phase] = self._bars.add_task(f"{event.phase:<10} {description}", total=event.total)
        elif event.kind == "progress":
            self._bars.update(self._tasks[event.phase], completed=event.bytes, total=event.total)
        else:
            self._bars.remove_task(self._tasks.pop(event.phase))

    def _print_cost(self, event: Event) -> None:
        if event.kind == "started":
            self._began[event.phase] = event.at
        elif event.kind != "progress":
            took = event.at - self._began.pop(event.phase)
            state = "failed after" if event.kind == "failed" else "took"
            self._stderr.print(Text(f"  {event.phase} {state} {took:.3f} s"))


def print_findings(out: Console, findings: Iterable[Finding]) -> None:
    """One line a finding, and one for what to do about it."""
    for finding in findings:
        mark, style = _MARKS[finding.severity]
        out.print(line(f"  {mark} {finding.severity}: {finding.message}", style), soft_wrap=True)
        if finding.hint:
            out.print(line(f"      {finding.hint}", "dim"), soft_wrap=True)


def print_result(out: Console, result: MoveResult) -> None:
    """A sentence, and the timeline of a move."""
    sentence = (
        f"{result.container} now runs on {result.target.host}; it ran on {result.source.host} until then. "
        f"Strategy {result.strategy}: {result.total_s:.2f} s in all, the service down for {result.downtime_s:.2f} s"
    )
    if result.client is not None:
        sentence += f" (a client asking {result.client.probe} saw {result.client.downtime_s:.2f} s)"
    if result.memory_s is not None:
        sentence += f"; all memory was there after {result.memory_s:.2f} s"
    out.print(line(sentence + "."), soft_wrap=True)
    out.print(timeline(result))


def timeline(result: MoveResult) -> Table:
    """A bar a phase, all on one scale, the downtime marked."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("phase", no_wrap=True)
    for word in ("at", "took", "bytes"):
        table.add_column(word, justify="right", no_wrap=True)
    table.add_column(f"0 s{result.total_s:>{BAR_CELLS - 5}.2f} s", no_wrap=True)
    down = outage(result.phases)
    for phase in sorted(result.phases, key=lambda phase: phase.start_s):
        inside = down is not None and down[0] <= phase.start_s < down[1]
        style = "red" if inside else "green"
        table.add_row(
            phase.name,
            f"{phase.start_s:.2f} s",
            f"{phase.seconds:.3f} s",
            size(phase.bytes),
            Text(_bar(phase.start_s, phase.seconds, result.total_s, "█" if inside else "━"), style=style),
        )
    if down is not None:
        length = down[1] - down[0]
        bar = Text(_bar(down[0], length, result.total_s, "▀"), style="bold red")
        table.add_row("downtime", f"{down[0]:.2f} s", f"{length:.3f} s", "", bar, style="bold")
    return table


def line(text: str, style: str = "") -> Text:
    """A line of text in which nothing can speak to the terminal."""
    return Text(printable(text), style=style)


def _bar(start: float, seconds: float, total: float, cell: str) -> str:
    scale = BAR_CELLS / max(total, 1e-9)
    first = min(int(start * scale), BAR_CELLS - 1)
    return " " * first + cell * max(1, min(round(seconds * scale), BAR_CELLS - first))


def seconds(value: float) -> str:
    """A length of time for people."""
    return f"{value:.{_digits(value)}f} s"


def span(low: float, high: float) -> str:
    """Two bounds of a length of time, in seconds."""
    return f"{low:.{_digits(high)}f}-{high:.{_digits(high)}f}"


def _digits(largest: float) -> int:
    return 1 if largest < _LONG_S else 0


def size(count: int) -> str:
    """Bytes for people; nothing for none."""
    if not count:
        return ""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - the step between the units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
