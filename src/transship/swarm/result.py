from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from transship.metrics.downtime import ProbeReport
from transship.metrics.events import PhaseRecord
from transship.plan.findings import Finding
from transship.swarm.record import Method
from transship.swarm.timeline import Sighting, Span

Outcome = Literal["moved", "refused", "rolled-back", "needs-recovery"]


@dataclass(frozen=True, slots=True)
class ServiceResult:
    """What a service's move did, as `transship swarm move --json` prints it. Times are in seconds.

    `source` and `target` are nodes. `spans` say where Swarm's own time went, `states` what they are made from. `gap_s`
    is the time between the end of the last old task and the start of the last new one, as their nodes tell it: negative
    where both ran, null where it was not seen. `phases` are the coordinator's. `bytes` are those that crossed over SSH,
    by kind. `client` is what the prober saw, where there was one.
    """

    migration: str
    service: str
    method: Method
    outcome: Outcome
    source: str
    target: str
    tasks: int
    total_s: float
    gap_s: float | None
    spans: tuple[Span, ...]
    states: tuple[Sighting, ...]
    phases: tuple[PhaseRecord, ...]
    bytes: Mapping[str, int]
    verified: tuple[str, ...]
    findings: tuple[Finding, ...]
    client: ProbeReport | None = None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """The object of `swarm move --json`."""
        return asdict(self)
