"""A service's move while it is under way: claim, take along, have Swarm move it, put back."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from transship.engine import Interrupts
from transship.errors import (
    ConflictError,
    DockerError,
    EndedError,
    LockedError,
    NeedsRecoveryError,
    NotFoundError,
    PreflightError,
    RolledBackError,
    TransshipError,
)
from transship.hosts.base import Host, Json
from transship.lifecycle import SETTLE_S
from transship.metrics.events import Recorder
from transship.plan.findings import Agreement
from transship.plan.record import Made
from transship.swarm.base import Swarm
from transship.swarm.beat import Beat
from transship.swarm.belongings import Belongings, Ends, removable, staying, withdraw
from transship.swarm.change import claim, edit_node, edit_service
from transship.swarm.edits import constrained, drained, hurried, labelled, scaled
from transship.swarm.journal import SwarmJournal
from transship.swarm.model import Service, replicas_of, seconds_of
from transship.swarm.observe import OF_SERVICE, users_of
from transship.swarm.plan import ServicePlan, sends_image
from transship.swarm.reason import reason_of
from transship.swarm.record import CLAIM, ServiceMove, Stage
from transship.swarm.settle import finish, give_back_node, go_back
from transship.swarm.timeline import Sighting, Span, gap, spans
from transship.swarm.watch import Goal, Watch, tasks_of
from transship.undo import PATIENCE_S, Patience

_NOBODY = Goal(0, frozenset())


@dataclass
class ServiceMoving:
    """One move of a service, carried out once.

    `hosts` are those of source and target by the node's id, where they were reached. `record` is what is written down
    of it, `claimed` the service as it was then. `began` is when Swarm was first told something, `changed` when it was
    last told, `monitored` when it had watched the new tasks, all in Swarm's time.
    """

    swarm: Swarm
    hosts: Mapping[str, Host]
    journal: SwarmJournal
    recorder: Recorder
    plan: ServicePlan
    record: ServiceMove
    began: float = 0.0
    changed: float = 0.0
    monitored: float | None = None
    claimed: Service = field(init=False)
    watch: Watch = field(init=False)
    belongings: Belongings | None = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.swarm, self.record.service, self.plan.seen.own_tasks)
        self.belongings = self._belongings()

    def run(self, agreed: Agreement, interrupts: Interrupts) -> None:
        """Move it. When it returns, the service runs on the target, and nothing is left but the constraint.

        Whatever ends it before the tasks run there, Ctrl-C and our own bugs too, leads back first; then, and once they
        run there, no signal is heeded.

        Raises:
            RefusedError: another move has the service, or somebody has changed it; nothing was touched.
            RolledBackError: the service runs where it ran, as it was.
            NeedsRecoveryError: that could not be reached; the service still has the move's label.

        """
        with self.journal.at_work(self.record.id):
            beat = Beat(self.swarm, self.record)
            try:
                self._carry_out(beat, agreed, interrupts)
            finally:
                beat.stop()

    def _carry_out(self, beat: Beat, agreed: Agreement, interrupts: Interrupts) -> None:
        try:
            with self.recorder.phase("claim", "label the service"):
                self._save()
                self._claim()
            beat.start()
            self._prepare(agreed)
            self._cut_over()
        except BaseException as cause:  # a bug of ours must not leave a stopped service behind either
            interrupts.armed = False
            if self.record.stage == "ended":
                raise  # it was refused
            raise self._roll_back(cause) from cause
        interrupts.armed = False
        self._finish()

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """The states of tasks since Swarm was told."""
        return self.watch.sightings.seen if self.began else ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where Swarm's time went."""
        return spans(self.sightings, (self.began, self.changed), self.monitored)

    @property
    def gap_s(self) -> float | None:
        """See `timeline.gap`."""
        return gap(self.sightings)

    def _belongings(self) -> Belongings | None:
        route, seen = self.plan.route, self.plan.seen
        if not {route.source.id, route.target.id} <= self.hosts.keys():
            return None
        ends = Ends(self.hosts[route.source.id], self.hosts[route.target.id], seen.hosts[route.source.id],
                    seen.hosts[route.target.id])  # fmt: skip
        return Belongings(self.record, ends, self.recorder, self._note_made)

    def _claim(self) -> None:
        try:
            self.claimed = claim(self.swarm, self.record, self.plan.seen.service, self._patience())
        except (LockedError, DockerError) as error:
            self._save(stage="ended", outcome="refused", detail=str(error))
            if isinstance(error, LockedError):
                raise
            raise PreflightError(f"{error}; nothing was touched", hint=error.hint) from error

    def _prepare(self, agreed: Agreement) -> None:
        if self.belongings is not None and sends_image(self.plan):
            self.belongings.bring_image(self.plan.seen.service.image)
        if self.belongings is not None and self.record.volumes:
            self.belongings.copy(self.plan.options, agreed)
        if self.belongings is not None:
            with self.recorder.phase("stand-by", "somebody who tells the target's kernel where the tasks are"):
                self.belongings.stand_by()

    def _patience(self) -> Patience:
        """With a manager that is gone for a moment, or a swarm that elects one."""
        return Patience(time.monotonic() + min(PATIENCE_S, self.plan.options.timeout_s))

    def _check_unchanged(self) -> None:
        """Raise `ConflictError` where the service is not what was planned for, in its spec or in where it runs."""
        service = Service.read(self.swarm.service(self.record.service))
        if labelled(service.spec, CLAIM, None) != labelled(self.claimed.spec, CLAIM, None):
            raise ConflictError(
                f"somebody has changed {service.name} while its move was prepared", hint="begin again, with a new plan"
            )
        tasks = tasks_of(self.swarm, service.id)
        if sorted(each.node for each in tasks if each.wanted) != sorted(each.node for each in self.plan.seen.own_tasks):
            raise ConflictError(
                f"the tasks of {service.name} are no longer where they were when its move was planned",
                hint="docker service ps tells why; begin again, with a new plan",
            )
        self._require_unused()
        # Those that failed long ago count among the old ones: the swarm remembers them for a while.
        self.watch = Watch(self.swarm, service.id, tasks)

    def _require_unused(self) -> None:
        """Raise `ConflictError` where others have begun to use a volume of the move since it was planned."""
        if not self.record.volumes:
            return
        for place in (self.record.source, self.record.target):
            listed = self.hosts[place.node].docker.containers()
            others = [each for each in listed if (each.get("Labels") or {}).get(OF_SERVICE) != self.record.service]
            for volume, users in users_of(others, self.record.volumes).items():
                if users:
                    raise ConflictError(
                        f"{', '.join(users)} on {place.name} has begun to use the volume {volume}",
                        hint="stop it, and begin again, with a new plan",
                    )

    def _cut_over(self) -> None:
        self._patience()(self._check_unchanged)
        goal = Goal(self.record.expected, frozenset(self.record.goal))
        if self.record.volumes:
            self._change_with_data()
        elif self.record.method == "drain":
            self._change(self._drain)
        else:
            self._change(lambda: self._edit(self._with_pins))
        with self.recorder.phase("arrive", f"until it runs on {self.record.target.name}"):
            arrived = self.watch.arrive(goal, self._limit_s())
            if self.belongings is not None:
                here = (task for task in arrived if task.running and task.node == self.record.target.node)
                self.belongings.announce(task.container for task in here)
            self.watch.stay(goal, SETTLE_S)
        if self.record.method == "constraint" and not self.record.volumes:
            self._monitor()

    def _limit_s(self) -> float:
        """How long it may take until all tasks run there: `--timeout` each, and what the service's settings add."""
        service, each_s = self.plan.seen.service, self.plan.options.timeout_s
        if self.record.volumes:
            return each_s
        if self.record.method == "drain":
            return each_s + service.grace_s
        return replace(service, spec=self._with_pins(service.spec)).rollout_s(len(self.record.tasks), each_s)

    def _change(self, tell: Callable[[], object]) -> None:
        with self.recorder.phase("change", "tell Swarm"):
            self._save(stage="changed")
            tell()

    def _change_with_data(self) -> None:
        """Between the end of the old task and the begin of the new one, nobody writes."""
        belongings, options = self.belongings, self.plan.options
        if belongings is None:
            raise RuntimeError("a volume is to be copied between hosts that were not reached")
        with self.recorder.phase("stop", "scale it to zero"):
            self._save(stage="stopping")
            self._edit(partial(scaled, replicas=0))
            self.watch.arrive(_NOBODY, options.timeout_s + self.plan.seen.service.grace_s)
        belongings.finish(options)
        self._change(lambda: self._edit(self._restarted))

    def _restarted(self, spec: Json) -> Json:
        new = scaled(constrained(spec, self.record.pins), self.plan.seen.service.replicas)
        if replicas_of(spec) and spec != new:  # equal it is where the answer to an earlier try was lost
            raise ConflictError(f"somebody has scaled {self.record.name} while its data was copied")
        return new

    def _with_pins(self, spec: Json) -> Json:
        options = self.plan.options
        if options.fast or options.start_first:
            spec = hurried(spec, at_once=options.fast, start_first=options.start_first)
        return constrained(spec, self.record.pins)

    def _edit(self, edit: Callable[[Json], Json]) -> None:
        self._told(self._patience()(lambda: edit_service(self.swarm, self.record, edit)).updated)

    def _told(self, at: str) -> None:
        self.changed = seconds_of(at)
        self.began = self.began or self.changed

    def _drain(self) -> None:
        node, patiently = self.record.source.node, self._patience()
        patiently(lambda: edit_node(self.swarm, node, partial(drained, move=self.record.id)))
        self._told(patiently(lambda: self.swarm.node(node))["UpdatedAt"])

    def _monitor(self) -> None:
        """Swarm watches the new tasks for as long as the service's update settings want, and so do we."""
        update = self.plan.seen.service.update
        with self.recorder.phase("monitor", "while Swarm watches the new tasks"):
            self.watch.settle(self.plan.options.timeout_s + update.monitor_s + update.delay_s)
            service = self._patience()(lambda: self.swarm.service(self.record.service))
            completed = (service.get("UpdateStatus") or {}).get("CompletedAt")
            self.monitored = seconds_of(completed) if completed else None

    def _finish(self) -> None:
        with self.recorder.phase("finish", "put back what was changed for the move"):
            self._end_belongings()
            try:
                finish(self.swarm, self.record)
            except Exception as error:
                raise NeedsRecoveryError(
                    f"{self.record.name} runs on {self.record.target.name}, but what was changed for the move could "
                    f"not be put back: {error}",
                    hint=f"transship recover {self.record.id} tries again",
                ) from error
            self._save(stage="ended", outcome="moved")

    def _roll_back(self, cause: BaseException) -> TransshipError:
        """Lead back, and return the error that says how that ended."""
        reason = reason_of(cause)
        with self.recorder.phase("undo"):
            self._end_belongings()
            try:
                self._go_back()
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody must look
                hint = error.hint if isinstance(error, NeedsRecoveryError) else ""
                again = f"transship recover {self.record.id} tries again; Swarm itself goes on with what it was told"
                return NeedsRecoveryError(
                    f"{reason}; and {self.record.name} could not be led back: {error}", hint=hint or again
                )
            stays = staying(self.record)
            self.record = replace(self.record, made=removable(self.record))
            self._save(stage="restored", detail=reason)
            left = self._withdrawn()
        before = f"{reason}; {self.record.name} runs as before{f'; {stays}' if stays else ''}"
        if left:
            return RolledBackError(
                f"{before}, but not all could be removed from {self.record.target.name}: {left}",
                hint=f"transship recover {self.record.id} tries again",
            )
        self._save(stage="ended", outcome="rolled-back", detail=reason)
        hint = cause.hint if isinstance(cause, TransshipError) else ""
        return RolledBackError(before, hint=hint)

    def _go_back(self) -> None:
        try:
            go_back(self.swarm, self.record, self.plan.options.timeout_s)
        except (EndedError, NotFoundError) as error:
            Patience()(lambda: give_back_node(self.swarm, self.record))
            if self.record.stage != "claimed" or isinstance(error, NotFoundError):
                raise  # somebody has ended it, or removed the service, who can tell how

    def _withdrawn(self) -> str:
        """Remove what was brought, and say what could not be removed."""
        if self.belongings is None:
            return ""
        try:
            withdraw(self.record, self.hosts[self.record.target.node], self.recorder)
        except Exception as error:  # noqa: BLE001 - it is reported, and may be removed at any later time
            return str(error)
        return ""

    def _end_belongings(self) -> None:
        if self.belongings is not None:
            with suppress(TransshipError):  # what was at work on a host that is gone cannot be ended
                self.belongings.close()

    def _note_made(self, made: Made) -> None:
        self.record = replace(self.record, made=made)
        self._save()

    def _save(self, *, stage: Stage | None = None, outcome: str = "", detail: str = "") -> None:
        self.record = replace(self.record, stage=stage or self.record.stage, outcome=outcome, detail=detail)
        self.journal.moves.save(self.record)
