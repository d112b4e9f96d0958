from transship.errors import PreflightError
from transship.swarm.model import Node, Service
from transship.swarm.options import SwarmOptions
from transship.swarm.record import CLAIM
from transship.swarm.seen import Route, SwarmSeen


def find_route(seen: SwarmSeen, options: SwarmOptions) -> Route:
    """Which tasks of the service move, and from where. Raises `PreflightError` where that cannot be said."""
    service, target = seen.service, seen.target
    _refuse_claimed(service)
    _refuse_kind(service)
    tasks = seen.own_tasks
    if not tasks or not all(task.running for task in tasks) or len(tasks) != service.replicas:
        running = sum(task.running for task in tasks)
        raise PreflightError(
            f"{service.name} shall have {service.replicas} tasks, and {running} of them run",
            hint="docker service ps says what is wrong; a service is moved when it runs as it should",
        )
    home = _distinct(seen, [task.node for task in tasks])
    source = _source(seen, home, options)
    moving = tuple(task for task in tasks if task.node != target.id and (source is None or task.node == source.id))
    if not moving:
        where = f"of {source.name} " if source else ""
        raise PreflightError(f"no task {where}of {service.name} has to move: they run on {target.name} already")
    staying = [task.node for task in tasks if task not in moving]
    return Route(
        source=seen.node(moving[0].node),
        target=target,
        tasks=moving,
        home=home,
        goal=_distinct(seen, [target.id, *staying]),
    )


def _refuse_claimed(service: Service) -> None:
    if CLAIM in service.labels:
        raise PreflightError(
            f"{service.name} has the label {CLAIM}: a move of it is under way, or was cut off",
            hint="transship status tells which; transship recover ends one that was cut off",
        )


def _refuse_kind(service: Service) -> None:
    if service.mode == "Global":
        raise PreflightError(
            f"{service.name} is global: it runs on every node that its constraints admit, so there is nothing to move",
            hint="docker service update --constraint-add says where it shall not run",
        )
    if service.mode != "Replicated":
        raise PreflightError(f"{service.name} is a job, which ends by itself")


def _source(seen: SwarmSeen, home: tuple[Node, ...], options: SwarmOptions) -> Node | None:
    """The node whose tasks move; None for those of every node."""
    name = seen.service.name
    if options.source:
        found = [node for node in home if options.source in {node.name, node.id}]
        if len(found) != 1:
            names = ", ".join(node.name for node in home)
            raise PreflightError(f"{name} has no task on a node {options.source}", hint=f"it runs on {names}")
        if found[0].id == seen.target.id:
            raise PreflightError(f"{name} cannot move from {found[0].name} to itself")
        return found[0]
    if len(home) > 1 and (options.method == "drain" or not options.everything):
        names = ", ".join(node.name for node in home)
        raise PreflightError(
            f"{name} runs on several nodes: {names}",
            hint="--from NODE moves the tasks of one; --all moves every task (not with a drain)",
        )
    return home[0] if len(home) == 1 else None


def _distinct(seen: SwarmSeen, ids: list[str]) -> tuple[Node, ...]:
    return tuple(seen.node(each) for each in dict.fromkeys(ids))
