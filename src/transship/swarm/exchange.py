"""What adopting a container and releasing a service share: one becomes the other on the node where it is."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

from transship.engine import first_interrupt_only
from transship.errors import (
    DockerError,
    LockedError,
    NeedsRecoveryError,
    NotFoundError,
    PreflightError,
    RolledBackError,
    TransshipError,
)
from transship.hosts.base import Docker, Host
from transship.journal.stored import JournalError
from transship.metrics.events import PhaseRecord, Recorder
from transship.plan.findings import Agreement, Finding
from transship.spec.model import ContainerSpec
from transship.swarm.base import Swarm
from transship.swarm.exchange_record import ExchangeRecord, Kind, by_hand
from transship.swarm.journal import SwarmJournal
from transship.swarm.model import Node
from transship.swarm.reason import reason_of

TIMEOUT_S = 120.0
"""How long a task may take to run, or to end beyond its grace period."""

_NANO = 1_000_000_000

Outcome = Literal["adopted", "released", "refused", "rolled-back", "not-retired", "needs-recovery"]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an adoption or release did, as `--json` prints it.

    `name` is what the service or container is called that runs now, on `node`. `left` is the name of a container that
    was stopped for it and stays, or empty. `differences` could not be kept. `not-retired`: the container runs, and the
    service without tasks is still there. Times are in seconds.
    """

    migration: str
    kind: Kind
    name: str
    node: str
    outcome: Outcome
    left: str
    differences: tuple[str, ...]
    total_s: float
    phases: tuple[PhaseRecord, ...]

    def to_json(self) -> dict[str, Any]:
        """The object of `swarm adopt --json` and `swarm release --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The `host` of a `node` of the swarm, a manager and its address, the journal, and who is asked."""

    swarm: Swarm
    manager: str
    host: Host
    node: Node
    journal: SwarmJournal
    recorder: Recorder
    agreed: Agreement

    def ask(self, differences: Sequence[str], *notes: Finding) -> None:
        """Raise `PreflightError` unless somebody agrees to what cannot be kept."""
        findings = [*notes, *(Finding("warning", "not-kept", f"{each} is not kept") for each in differences)]
        if findings and not self.agreed(findings):
            raise PreflightError(f"nobody agreed to lose {', '.join(differences)}", hint="--yes accepts that")


@dataclass
class Undertaking(ABC):
    """One adoption or release, carried out once. `record` is what is written down of it."""

    exchange: Exchange
    record: ExchangeRecord
    differences: tuple[str, ...]

    done: ClassVar[Outcome]

    def carry_out(self) -> Exchanged:
        """Do it. Whatever ends it before the other one runs, Ctrl-C and our own bugs too, is taken back first.

        Raises:
            RefusedError: Swarm refuses it, or somebody else works on it; nothing was touched.
            RolledBackError: what ran runs as before.
            SourceNotRetiredError: the container runs, but its service could not be removed.
            NeedsRecoveryError: that could not be reached: `transship recover` goes on.

        The error's `result` is what would have been returned.

        """
        try:
            with self.exchange.journal.at_work(self.record.id), first_interrupt_only() as interrupts:
                self.save()
                try:
                    self._run()
                except BaseException as cause:  # a bug of ours must not leave it stopped either
                    interrupts.armed = False
                    raise self._ended_by(cause) from cause
                interrupts.armed = False
                with self.exchange.recorder.phase("finish"):
                    self.finish()
                    self.save(stage="ended", outcome=self.done)
        except TransshipError as error:
            error.result = self._result(error)
            raise
        return self._result()

    @abstractmethod
    def begin(self) -> None:
        """The first change. A `DockerError` or `LockedError` of it means that nothing was touched."""

    @abstractmethod
    def change(self) -> None:
        """Have the other one run. When it returns, it has proven that it does."""

    @abstractmethod
    def finish(self) -> None:
        """What is left to do when the other one runs."""

    @abstractmethod
    def take_back(self) -> None:
        """Have run what ran before, as it was."""

    def save(self, **changes: Any) -> None:
        """Write down the record as it is now, with these changes."""
        self.record = replace(self.record, **changes)
        self.exchange.journal.exchanges.save(self.record)

    def _run(self) -> None:
        try:
            self.begin()
        except (DockerError, LockedError) as error:
            self.save(stage="ended", outcome="refused", detail=str(error))
            if isinstance(error, LockedError):
                raise
            raise PreflightError(f"Swarm refuses {self.record.name}: {error}; nothing was touched") from error
        self.change()

    def _ended_by(self, cause: BaseException) -> TransshipError:
        """Take everything back, and return the error that says how that ended."""
        if self.record.stage == "ended" and isinstance(cause, TransshipError):
            return cause
        reason, name, untouched = reason_of(cause), self.record.name, self.record.stage == "begun"
        refused = cause if untouched and isinstance(cause, PreflightError) else None
        with self.exchange.recorder.phase("undo"):
            try:
                self.take_back()
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody must look
                return NeedsRecoveryError(
                    f"{reason}; and {name} could not be made to run as before: {error}",
                    hint=f"transship recover {self.record.id} tries again; by hand: {by_hand(self.record)}",
                )
            self.save(stage="ended", outcome="refused" if refused else "rolled-back", detail=reason)
        if refused:
            return refused
        hint = cause.hint if isinstance(cause, TransshipError) else ""
        return RolledBackError(f"{reason}; {name} {'was not touched' if untouched else 'runs as before'}", hint=hint)

    def _result(self, error: TransshipError | None = None) -> Exchanged:
        recorder = self.exchange.recorder
        outcomes: dict[int, Outcome] = {3: "refused", 4: "rolled-back", 5: "not-retired", 6: "needs-recovery"}
        result = Exchanged(
            migration=self.record.id,
            kind=self.record.kind,
            name=self.record.name,
            node=self.record.node.name,
            outcome=self.done if error is None else outcomes.get(error.exit_code, "needs-recovery"),
            left=self.record.aside if error is None and self.record.kind == "adopt" else "",
            differences=self.differences,
            total_s=recorder.now(),
            phases=tuple(sorted(recorder.phases, key=lambda phase: phase.start_s)),
        )
        with suppress(JournalError):  # how it ended does not hang on whether its numbers could be kept
            told = {"total_s": result.total_s, "outcome": result.outcome}
            self.exchange.journal.exchanges.measured(self.record.id, json.dumps(told))
        return result


def by_lasting_name(docker: Docker, spec: ContainerSpec) -> ContainerSpec:
    """With its image called by its id, where its name means another image by now. Nobody pulls an id."""
    try:
        same = docker.inspect_image(spec.image.reference)["Id"] == spec.image.id
    except NotFoundError:
        same = False
    return spec if same else replace(spec, image=replace(spec.image, reference=spec.image.id))


def begins_s(spec: ContainerSpec) -> float:
    """How long its health check lets it begin, in seconds."""
    check = {**spec.image.config.get("Healthcheck", {}), **spec.config.get("Healthcheck", {})}
    return float(check.get("StartPeriod", 0) / _NANO)
