"""What a run spent its time on: every moment counted once, though phases nest and overlap."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from transship.bench.result import PhaseRow, Run

Stage = Literal["look", "prepare", "stop", "copy while down", "start", "prove", "retire", "between"]

STAGES: tuple[Stage, ...] = ("look", "prepare", "stop", "copy while down", "start", "prove", "retire", "between")
"""In the order of a move. `between` is what no phase covers."""

_WORDS: dict[str, Stage] = {
    **dict.fromkeys(("connect", "observe", "plan", "claim", "path", "task-orchestrate"), "look"),
    **dict.fromkeys(("task-prepare",), "prepare"),
    **dict.fromkeys(("fence", "stop", "freeze", "kill", "change", "task-stop", "task-wait"), "stop"),
    **dict.fromkeys(("release", "start", "restore", "open", "announce", "run", "arrive", "task-start"), "start"),
    **dict.fromkeys(("healthy", "settle", "monitor", "task-monitor"), "prove"),
    **dict.fromkeys(("retire", "remove", "finish"), "retire"),
}
STOPS = frozenset({"stop", "freeze", "task-stop"})
"""With these the service is down."""

SERVES = frozenset({"healthy", "task-start"})
"""When these have ended it serves again."""


def stages(run: Run) -> dict[Stage, float]:
    """The seconds of each stage; together the run's total time, where that was measured."""
    spent: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
    stopped = min((each.start_s for each in run.phases if each.name in STOPS), default=float("inf"))
    for row, seconds in exclusive(run.phases):
        spent[_stage(row, stopped)] += seconds
    total = run.measures.total_s
    spent["between"] = max(0.0, (total or 0.0) - sum(spent.values()))
    return spent


def _stage(row: PhaseRow, stopped: float) -> Stage:
    """What neither name nor time tells to be something else is preparation before the stop, and copying after it."""
    named = _WORDS.get(row.name)
    if row.start_s < stopped:
        return named or "prepare"
    return named if named and named != "look" else "copy while down"  # live connects its page service then


def exclusive(phases: Sequence[PhaseRow]) -> Iterable[tuple[PhaseRow, float]]:
    """Each phase with the seconds in which it was the last one that had begun, of those that had not ended."""
    edges = sorted({edge for row in phases for edge in (row.start_s, row.start_s + row.seconds)})
    spent = [0.0] * len(phases)
    for begin, end in pairwise(edges):
        under_way = [i for i, row in enumerate(phases) if row.start_s <= begin and end <= row.start_s + row.seconds]
        if under_way:
            innermost = max(under_way, key=lambda i: (phases[i].start_s, -phases[i].seconds))
            spent[innermost] += end - begin
    return zip(phases, spent, strict=True)
