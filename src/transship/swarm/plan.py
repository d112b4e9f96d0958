import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from transship.plan.findings import Finding
from transship.strategies.record import coordinator
from transship.swarm.checks import check
from transship.swarm.constraints import with_pins
from transship.swarm.edits import before
from transship.swarm.model import Node
from transship.swarm.options import SwarmOptions
from transship.swarm.record import Place, ServiceMove
from transship.swarm.seen import Route, SwarmSeen


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What a service's move would do, in the order in which it is done, and what is in its way."""

    seen: SwarmSeen
    route: Route
    options: SwarmOptions
    findings: tuple[Finding, ...]
    steps: tuple[str, ...]


def plan_move(seen: SwarmSeen, route: Route, options: SwarmOptions) -> ServicePlan:
    """The plan for the tasks that `find_route` has found, without I/O."""
    return ServicePlan(seen, route, options, check(seen, route, options), tuple(_steps(seen, route, options)))


def sends_image(made: ServicePlan) -> bool:
    """Whether the target gets the image over SSH."""
    return made.options.image == "send" and made.route.target.id in made.seen.hosts


def new_record(made: ServicePlan) -> ServiceMove:
    """What is to be written down of the move before it begins."""
    seen, route, options = made.seen, made.route, made.options
    pins = with_pins(seen.service.constraints, route.goal, seen.nodes) if options.method == "constraint" else ()
    return ServiceMove(
        id=secrets.token_hex(4),
        begun=datetime.now(UTC).isoformat(),
        coordinator=coordinator(),
        manager=seen.manager,
        service=seen.service.id,
        name=seen.service.name,
        method=options.method,
        source=_place(seen, route.source),
        target=_place(seen, route.target),
        tasks=tuple(task.id for task in route.tasks),
        expected=len(seen.own_tasks),
        home=tuple(node.id for node in route.home),
        goal=tuple(node.id for node in route.goal),
        pins=pins,
        unpin=options.unpin,
        availability=route.source.availability,
        volumes=seen.volumes_on(route.source),
        before=before(seen.service),
    )


def _place(seen: SwarmSeen, node: Node) -> Place:
    return Place(node.id, node.name, seen.hosts[node.id].address if node.id in seen.hosts else "")


def _steps(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Sequence[str]:
    name, target, volumes = seen.service.name, route.target.name, seen.volumes_on(route.source)
    count = f"{len(route.tasks)} task{'s' if len(route.tasks) > 1 else ''}"
    steps = [f"claim {name} with a label"]
    if options.image == "send" and route.target.id in seen.hosts:
        steps.append(f"give {target} what it lacks of the image {seen.service.image}")
    if volumes:
        steps += [
            f"copy {', '.join(volumes)} to {target} in rounds, while {name} runs",
            f"scale {name} to zero, copy what changed since, and compare what arrived",
            f"have Swarm start {name} on {target}",
        ]
    elif options.method == "drain":
        steps += [f"drain {route.source.name}, so that Swarm moves {count} of {name} to {target}",
                  f"make {route.source.name} {route.source.availability} again"]  # fmt: skip
    else:
        order = "start-first" if options.start_first else seen.service.update.order
        steps.append(f"have Swarm move {count} of {name} from {route.source.name} to {target}, {order}")
    if options.method == "constraint":
        steps.append("take the constraint away again" if options.unpin else f"leave {name} pinned to {target}")
    return steps
