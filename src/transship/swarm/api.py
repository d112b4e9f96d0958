"""What a Python user imports to move services, and what the command line calls."""

import json
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

from transship.engine import Interrupts, first_interrupt_only
from transship.errors import (
    NeedsRecoveryError,
    PreflightError,
    RefusedError,
    StepError,
    TransshipError,
)
from transship.hosts.base import Host
from transship.journal.stored import JournalError
from transship.metrics.downtime import Prober
from transship.metrics.events import Listener, Recorder
from transship.plan.findings import Agreement, errors, no_warnings
from transship.swarm.base import Swarm
from transship.swarm.change import change_seen
from transship.swarm.constraints import free_to_leave
from transship.swarm.edits import constrained, labelled
from transship.swarm.journal import SwarmJournal
from transship.swarm.model import Node, Service, Task
from transship.swarm.move import ServiceMoving
from transship.swarm.observe import find_service, require_known, require_manager, see_host, see_swarm
from transship.swarm.options import SwarmOptions
from transship.swarm.pins import Pins
from transship.swarm.plan import ServicePlan, new_record, plan_move
from transship.swarm.reach import Connections, Reach, connections
from transship.swarm.record import CLAIM, PIN
from transship.swarm.result import Outcome, ServiceResult
from transship.swarm.route import find_route
from transship.swarm.seen import Route, SwarmSeen


@dataclass(frozen=True, slots=True)
class ServiceJourney:
    """Which service goes to which node (by hostname or id), and where the swarm is."""

    service: str
    target: str
    reach: Reach


def plan(journey: ServiceJourney, options: SwarmOptions | None = None) -> ServicePlan:
    """Say what `move` would do and what is in its way. Touches nothing.

    Raises `RefusedError` where a manager or node cannot be used, or there is no such service or node. A plan with
    findings that forbid the move is returned, not raised.
    """
    with connections(journey.reach) as connected:
        return _planned(journey, options or SwarmOptions(), connected)[0]


def move(
    journey: ServiceJourney,
    options: SwarmOptions | None = None,
    *,
    agreed: Agreement = no_warnings,
    listener: Listener | None = None,
) -> ServiceResult:
    """Move a service's tasks, and return what happened once they run on the target.

    `agreed` is asked before anything is changed, and again where a volume is written as fast as it is copied.

    Raises:
        RefusedError: a finding forbids it, a host cannot be used, `agreed` said no; nothing was touched.
        RolledBackError: the service runs where it ran, as it was.
        NeedsRecoveryError: it is not certain where it runs, or not all was put back: `transship recover` goes on.

    Where the service was seen, the error's `result` is the `ServiceResult`.

    """
    with first_interrupt_only() as interrupts:
        try:
            return _move(journey, options or SwarmOptions(), agreed, _recorder(listener), interrupts)
        except KeyboardInterrupt as error:  # once the service is claimed, moving it deals with that
            raise RefusedError("interrupted; nothing was touched") from error


def _move(
    journey: ServiceJourney, options: SwarmOptions, agreed: Agreement, recorder: Recorder, interrupts: Interrupts
) -> ServiceResult:
    with SwarmJournal.open(journey.reach.state) as journal, connections(journey.reach) as connected:
        with recorder.phase("observe", "the swarm and both nodes"):
            made, hosts = _planned(journey, options, connected)
        moving = ServiceMoving(connected.swarm, hosts, journal, recorder, made, new_record(made))
        prober = _prober(made, hosts)
        try:
            _refuse(made, agreed)
            with prober or nullcontext():
                moving.run(agreed, interrupts)
        except TransshipError as error:
            error.result = _noted(_result(moving, prober, error), journal)
            raise
        return _noted(_result(moving, prober), journal)


def unpin(service: str, reach: Reach) -> tuple[str, ...]:
    """Take away the constraints that moves have left on a service, and return them. No task is restarted.

    Those that they replaced come back, if the service runs where these want it. Raises `RefusedError` where there are
    none, a move of it is under way, or the service could start on another node, without its data.
    """
    with connections(reach) as connected:
        swarm = connected.swarm
        require_manager(swarm, reach.manager)
        found = find_service([Service.read(each) for each in swarm.services()], service, reach.manager)
        if CLAIM in found.labels:
            raise PreflightError(f"a move of {found.name} is under way, or was cut off", hint="transship status")
        pins = Pins.of(found.labels)
        if not pins.own:
            raise PreflightError(f"no move has left a constraint on {found.name}")
        left = _unpinned(swarm, found, pins)
        change_seen(swarm, found, labelled(constrained(found.spec, left), PIN, None))
        return pins.own


def _unpinned(swarm: Swarm, service: Service, pins: Pins) -> tuple[str, ...]:
    """The constraints that are left. Raises `PreflightError` where the service could start without its data then."""
    nodes = [Node.read(each) for each in swarm.nodes()]
    here = {task.node for task in map(Task.read, swarm.tasks(service.id)) if task.wanted}
    where = [node for node in nodes if node.id in here]
    left = pins.without(service.constraints, where)
    data = [mount.source for mount in service.mounts if mount.stays_behind]
    free = [each for node in where for each in free_to_leave(left, nodes, node)]
    if data and free:
        raise PreflightError(
            f"without a constraint {service.name} could start on {free[0].name}, and leave its volume {data[0]}",
            hint=f"docker service update --constraint-rm '{pins.own[0]}' {service.name} does so all the same",
        )
    return left


def forbidden(made: ServicePlan) -> bool:
    """Whether a finding of the plan forbids it."""
    return bool(errors(made.findings))


def _recorder(listener: Listener | None) -> Recorder:
    return Recorder(listeners=[] if listener is None else [listener])


def _planned(
    journey: ServiceJourney, options: SwarmOptions, connected: Connections
) -> tuple[ServicePlan, dict[str, Host]]:
    """The plan, and the hosts of source and target where there is something to do on them."""
    try:
        seen = see_swarm(connected.swarm, journey.reach.manager, journey.service, journey.target)
        require_known(seen.nodes, journey.reach.at)
        route = find_route(seen, options)
        hosts = {}
        if options.image == "send" or seen.volumes_on(route.source):
            hosts = {node.id: connected.host(node) for node in (route.source, route.target)}
        return plan_move(_with_hosts(seen, route, hosts), route, options), hosts
    except StepError as error:  # a daemon refused a question; nothing was asked to change
        raise PreflightError(str(error), hint=error.hint) from error


def _with_hosts(seen: SwarmSeen, route: Route, hosts: dict[str, Host]) -> SwarmSeen:
    container = route.tasks[0].container
    looked = {
        node.id: see_host(hosts[node.id], node, seen.service, container if node is route.source else "")
        for node in (route.source, route.target)
        if node.id in hosts
    }
    return replace(seen, hosts=looked)


def _refuse(made: ServicePlan, agreed: Agreement) -> None:
    if forbidding := errors(made.findings):
        raise PreflightError("; ".join(each.message for each in forbidding), hint=forbidding[0].hint)
    if not agreed(made.findings):
        warnings = "; ".join(each.message for each in made.findings if each.severity == "warning")
        raise PreflightError(f"nobody agreed to the plan's warnings: {warnings}", hint="--yes accepts them")


def _prober(made: ServicePlan, hosts: dict[str, Host]) -> Prober | None:
    if made.options.probe is None:
        return None
    nodes = (made.route.source, made.route.target)
    where = {node.name: hosts[node.id].network_address if node.id in hosts else node.address for node in nodes}
    return Prober(made.options.probe, where)


def _noted(result: ServiceResult, journal: SwarmJournal) -> ServiceResult:
    """How a move ended does not hang on whether its numbers could be kept."""
    with suppress(JournalError):
        told = {"downtime_s": result.gap_s, "total_s": result.total_s, "outcome": result.outcome}
        journal.moves.measured(result.migration, json.dumps(told))
    return result


def _result(moving: ServiceMoving, prober: Prober | None, error: TransshipError | None = None) -> ServiceResult:
    record, recorder, belongings = moving.record, moving.recorder, moving.belongings
    return ServiceResult(
        migration=record.id,
        service=record.name,
        method=record.method,
        outcome=_outcome(error),
        source=record.source.name,
        target=record.target.name,
        tasks=len(record.tasks),
        total_s=recorder.now(),
        gap_s=moving.gap_s,
        spans=moving.spans,
        states=moving.sightings,
        phases=tuple(sorted(recorder.phases, key=lambda phase: phase.start_s)),
        bytes={} if belongings is None else belongings.bytes,
        verified=() if belongings is None else belongings.verified,
        findings=moving.plan.findings,
        client=None if prober is None else prober.report(),
        error="" if error is None else str(error),
    )


def _outcome(error: TransshipError | None) -> Outcome:
    if error is None:
        return "moved"
    if isinstance(error, RefusedError):
        return "refused"
    return "needs-recovery" if isinstance(error, NeedsRecoveryError) else "rolled-back"
