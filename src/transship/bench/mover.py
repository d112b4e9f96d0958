"""The process of one run: it makes one move, tells what was measured, and ends.

It is a process of its own so that what a run costs is counted apart, a timeout can end it, and nothing of one run is
left in the memory of the next. It gets a `Job` as one line on stdin and answers with one on stdout. When stdin
ends, whoever wanted the move is gone: then it is undone, if it had begun.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from transship import api
from transship.bench import by_hand, methods
from transship.bench.job import Answer, Job
from transship.bench.result import Bytes, Events, PhaseRow, RoundRow
from transship.codec import decode, encode, loads
from transship.errors import TransshipError
from transship.metrics.downtime import Probe, Prober
from transship.metrics.events import Event, PhaseRecord, Recorder
from transship.result import MoveResult, downtime
from transship.swarm import api as swarm
from transship.swarm.reach import Reach
from transship.swarm.result import ServiceResult

_UNDO_S = 45.0
"""How long undoing may take once nobody waits for the move any more."""

_PROGRESS_S = 0.25

_TOLD = ("change", "stop")
"""The phases of a service's move in which Swarm is told what to change."""


class Notes:
    """Raw events, with no more than one progress of a phase each quarter of a second."""

    def __init__(self) -> None:
        self._rows: list[Event] = []
        self._last: dict[str, float] = {}

    def note(self, event: Event) -> None:
        if event.kind == "progress":
            if event.at - self._last.get(event.phase, -1.0) < _PROGRESS_S:
                return
            self._last[event.phase] = event.at
        self._rows.append(event)

    def columns(self) -> Events:
        rows = self._rows
        return Events(
            tuple(_seconds(row.at) for row in rows),
            tuple(row.kind for row in rows),
            tuple(row.phase for row in rows),
            tuple(row.bytes for row in rows),
        )


def make(job: Job) -> Answer:
    """Make the move; that it fails is an answer too."""
    make_it = {"strategy": _by_strategy, "service": _by_swarm, "by-hand": _by_hand}
    return make_it[methods.method(job.method).kind](job)


def _by_strategy(job: Job) -> Answer:
    left_behind = bool(job.volume) and methods.VOLUME not in methods.method(job.method).carries
    options = replace(
        methods.move_options(job.method, job.options), probe=Probe.parse(job.probe), without_volumes=left_behind
    )
    journey = api.Journey(job.container, job.ends.target, job.ends.source, job.ends.config, state=Path(job.state_dir))
    notes = Notes()
    try:
        result = api.move(journey, options, agreed=lambda _: True, listener=notes.note)
    except TransshipError as error:
        if isinstance(error.result, MoveResult):
            return _answer(error.result, notes, str(error))
        return Answer.refused(str(error), notes.columns())
    return _answer(result, notes, "")


def _answer(result: MoveResult, notes: Notes, reason: str) -> Answer:
    return Answer(
        moved=result.outcome == "moved",
        reason=reason,
        total_s=_seconds(result.total_s),
        engine_downtime_s=_seconds(result.downtime_s),
        client_downtime_s=None if result.client is None else _seconds(result.client.downtime_s),
        by_class={kind: Bytes(each.logical, each.wire) for kind, each in result.bytes.items()},
        phases=_rows(result.phases),
        rounds=_rounds(result.rounds),
        predicted=dict(result.predicted),
        events=notes.columns(),
        peak_memory_bytes=_peak_memory_bytes(),
    )


def _by_swarm(job: Job) -> Answer:
    options = replace(methods.swarm_options(job.method, job.options), probe=Probe.parse(job.probe))
    at = dict(zip(job.nodes, (job.ends.source, job.ends.target), strict=True))
    reach = Reach(job.ends.source, at, job.ends.config, Path(job.state_dir))
    journey = swarm.ServiceJourney(job.container, job.nodes[1], reach)
    notes = Notes()
    try:
        result = swarm.move(journey, options, agreed=lambda _: True, listener=notes.note)
    except TransshipError as error:
        if isinstance(error.result, ServiceResult):
            return _service_answer(error.result, notes, str(error))
        return Answer.refused(str(error), notes.columns())
    return _service_answer(result, notes, "")


def _service_answer(result: ServiceResult, notes: Notes, reason: str) -> Answer:
    """What a service's move did: its outage is the gap between its tasks, none where both ran for a while."""
    return Answer(
        moved=result.outcome == "moved",
        reason=reason,
        total_s=_seconds(result.total_s),
        engine_downtime_s=None if result.gap_s is None else _seconds(max(0.0, result.gap_s)),
        client_downtime_s=None if result.client is None else _seconds(result.client.downtime_s),
        by_class={kind: Bytes(count, count) for kind, count in result.bytes.items()},
        phases=_rows((*result.phases, *_task_phases(result))),
        rounds=(),
        predicted={},
        events=notes.columns(),
        peak_memory_bytes=_peak_memory_bytes(),
    )


def _task_phases(result: ServiceResult) -> Iterator[PhaseRecord]:
    """What Swarm's own tasks went through, on the clock of the move: they begin when Swarm was told of the change."""
    told = [each.start_s for each in result.phases if each.name in _TOLD]
    for span in result.spans if told else ():
        yield PhaseRecord(f"task-{span.name}", max(0.0, min(told) + span.start_s), span.seconds)


def _by_hand(job: Job) -> Answer:
    notes, recorder, reason = Notes(), Recorder(), ""
    recorder.listeners.append(notes.note)
    with ExitStack() as stack:
        source = stack.enter_context(job.ends.connect(job.ends.source))
        target = stack.enter_context(job.ends.connect(job.ends.target))
        addresses = {job.ends.source: source.network_address, job.ends.target: target.network_address}
        prober = Prober(Probe.parse(job.probe), addresses)
        stack.enter_context(prober)
        began = recorder.now()
        try:
            by_hand.move(job, target, recorder)
        except TransshipError as error:
            reason = str(error)
        total_s = recorder.now() - began
    return Answer(
        moved=not reason,
        reason=reason,
        total_s=_seconds(total_s),
        engine_downtime_s=_seconds(downtime(tuple(recorder.phases))),
        client_downtime_s=_seconds(prober.report().downtime_s),
        by_class={},
        phases=_rows(recorder.phases),
        rounds=(),
        predicted={},
        events=notes.columns(),
        peak_memory_bytes=_peak_memory_bytes(),
    )


def _seconds(value: float) -> float:
    """To a tenth of a millisecond; a sum of nothing is a whole number, and becomes none here."""
    return round(float(value), 4)


def _rows(phases: Sequence[PhaseRecord]) -> tuple[PhaseRow, ...]:
    """In the order of their begins."""
    return tuple(
        PhaseRow(each.name, _seconds(each.start_s), _seconds(each.seconds), each.bytes, each.failed)
        for each in sorted(phases, key=lambda each: each.start_s)
    )


def _rounds(rounds: Sequence[Mapping[str, Any]]) -> tuple[RoundRow, ...]:
    numbers: dict[str, int] = {}
    rows = []
    for each in rounds:
        tree = each["tree"]
        numbers[tree] = numbers.get(tree, 0) + 1
        rows.append(
            RoundRow(
                tree=tree,
                number=numbers[tree],
                last=each["last"],
                files=each["files"],
                bytes_logical=each["bytes_logical"],
                bytes_wire=each["bytes_wire"],
                seconds=_seconds(each["seconds"]),
            )
        )
    return tuple(rows)


def _peak_memory_bytes() -> int:
    """Of this program alone: what the kernel tells of ended processes counts the one that began them, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024


def _heed_the_end_of(stream: IO[str], *, undoes: bool) -> None:
    """End this process and its programs once nobody waits for it: what can undo itself first does so."""
    stream.read()
    if undoes:
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(_UNDO_S)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Make the move that stdin tells of."""
    told = sys.stdin.readline()
    if not told:  # no scene could be set for it
        return
    job = decode(Job, loads(told))
    undoes = methods.method(job.method).kind != "by-hand"
    threading.Thread(target=_heed_the_end_of, args=(sys.stdin,), kwargs={"undoes": undoes}, daemon=True).start()
    print(json.dumps(encode(make(job))))  # noqa: T201 - the answer to whoever began this process


if __name__ == "__main__":
    main()
