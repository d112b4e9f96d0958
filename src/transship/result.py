from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from transship.metrics.downtime import ProbeReport
from transship.metrics.events import PhaseRecord
from transship.plan.findings import Finding

Outcome = Literal["moved", "refused", "rolled-back", "moved-source-not-retired", "needs-recovery"]


@dataclass(frozen=True, slots=True)
class Side:
    """One copy of the container after the move. `state` is Docker's word for it, `absent`, or `unknown`."""

    host: str
    container_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """What crossed, of one kind of data.

    `logical` is its size, `wire` what was sent to the target for it: payload, without the framing of SSH.
    """

    logical: int = 0
    wire: int = 0


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What a move did, as `transship move --json` prints it. Times are in seconds.

    `downtime_s` is the engine's own measure: from the moment when the source is told to stop to the moment when the
    target was first seen to serve. `path` is the way of the data where agents moved it, and why, if another was asked
    for. `memory_s` is when all memory had arrived, in seconds from the begin, where memory moved: until then losing a
    host would have lost it. `client` is what the prober saw, where there was one. `predicted` is what the plan
    said that it would take (`Prediction.to_json`), empty where there was no plan.
    """

    migration: str
    strategy: str
    reason: str
    outcome: Outcome
    container: str
    source: Side
    target: Side
    downtime_s: float
    total_s: float
    bytes: Mapping[str, Bytes]
    phases: tuple[PhaseRecord, ...]
    findings: tuple[Finding, ...]
    verified: tuple[str, ...] = ()
    rounds: tuple[Mapping[str, Any], ...] = ()
    path: str = ""
    predicted: Mapping[str, Any] = field(default_factory=dict)
    memory_s: float | None = None
    client: ProbeReport | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """The object of `move --json`."""
        return asdict(self)


def memory_arrived(phases: tuple[PhaseRecord, ...]) -> float | None:
    """When the last page had arrived, in seconds; none where none moved, or they never did."""
    return next((_end(phase) for phase in phases if phase.name == "pages" and not phase.failed), None)


def outage(phases: tuple[PhaseRecord, ...]) -> tuple[float, float] | None:
    """Begin and end of the downtime in seconds; none where nothing was stopped.

    It lasts from the begin of `stop` or `freeze` to the end of `healthy`, or where the move failed to the end of
    `restart`. Where neither came to a good end, it had not ended when the last phase did.
    """
    start = next((phase.start_s for phase in phases if phase.name in {"stop", "freeze"}), None)
    if start is None:
        return None
    last = max((phase for phase in phases if phase.name in {"healthy", "restart"}), key=_end, default=None)
    return start, max(map(_end, phases)) if last is None or last.failed else _end(last)


def _end(phase: PhaseRecord) -> float:
    return phase.start_s + phase.seconds


def downtime(phases: tuple[PhaseRecord, ...]) -> float:
    """Seconds of the outage, 0 where there was none."""
    span = outage(phases)
    return 0.0 if span is None else span[1] - span[0]
