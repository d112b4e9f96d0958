"""Custody of a container that nobody contends for, and a move with it: for tests of single steps."""

from dataclasses import dataclass, field, replace
from typing import Any

from transship.hosts.base import Host
from transship.metrics.events import Listener, Recorder
from transship.plan.record import End, Record, Stage, StepEvent
from transship.plan.steps import Move

RECORD = Record(
    id="0badcafe",
    begun="2026-01-01T00:00:00+00:00",
    coordinator="me@here",
    since="2026-01-01T00:00:00+00:00",
    strategy="sync",
    container="web",
    container_id="a" * 64,
    arriving="web",
    running=True,
    restart_policy={"Name": "always", "MaximumRetryCount": 0},
    freeze=False,
    retire="keep",
    retired_name="web.moved-to.new.0badcafe",
    source=End("old", "old-daemon"),
    target=End("new", "new-daemon"),
)


def record(**changes: Any) -> Record:
    """A record of one's own, with what it has made."""
    fresh = replace(RECORD, made=replace(RECORD.made))
    return replace(fresh, **changes)


@dataclass
class Told:
    """Custody in memory. `log` has what it was told."""

    record: Record = field(default_factory=record)
    log: list[str] = field(default_factory=list)

    def claim(self) -> None:
        self.log.append("claim")

    def save(self) -> None:
        """What is made is in the record already."""

    def advance(self, stage: Stage) -> None:
        self.log.append(stage)
        self.record = replace(self.record, stage=stage)

    def note(self, step: str, event: StepEvent, at: float) -> None:
        """Of no interest here."""

    def revoke(self) -> None:
        self.log.append("revoke")

    def reclaim(self) -> bool:
        self.log.append("reclaim")
        return False

    def settle(self) -> None:
        self.log.append("settle")
        self.record = replace(self.record, stage="restored")

    def end(self, outcome: str, detail: str = "") -> None:
        self.log.append(outcome)
        self.record = replace(self.record, stage="ended", outcome=outcome, detail=detail)


def moving(source: Host, target: Host, *listeners: Listener, custody: Told | None = None) -> Move:
    """A move under way between two hosts."""
    return Move(source, target, Recorder(list(listeners)), custody or Told())
