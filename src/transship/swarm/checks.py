"""What is in the way of a service's move, or should be known before: one rule a trap, without I/O."""

from collections.abc import Callable, Iterator

from transship.plan.findings import Finding
from transship.swarm.checks_data import DATA_RULES
from transship.swarm.constraints import admits, is_pin
from transship.swarm.model import Node, Service
from transship.swarm.options import SwarmOptions
from transship.swarm.record import DRAINED
from transship.swarm.seen import Route, SwarmSeen

_STACK = "com.docker.stack.namespace"


def check(seen: SwarmSeen, route: Route, options: SwarmOptions) -> tuple[Finding, ...]:
    """All that is found."""
    return tuple(finding for rule in _RULES for finding in rule(seen, route, options))


def candidates(seen: SwarmSeen, service: Service, *, besides: Node) -> list[Node]:
    """The nodes where Swarm may put a service's tasks when one node falls out."""
    return [
        node
        for node in seen.nodes
        if node.id != besides.id
        and node.takes_tasks
        and all(admits(each, node) for each in service.constraints)
        and _fits(service, node)
    ]


def _fits(service: Service, node: Node) -> bool:
    platforms = service.placement.get("Platforms") or ()
    wanted = [(each.get("OS", ""), each.get("Architecture", "")) for each in platforms]
    alike = {node.architecture, {"x86_64": "amd64", "aarch64": "arm64"}.get(node.architecture, node.architecture)}
    return not wanted or any(os in {"", node.os} and arch in {"", *alike} for os, arch in wanted)


def _under_way(seen: SwarmSeen, _route: Route, _options: SwarmOptions) -> Iterator[Finding]:
    service = seen.service
    if service.update_state in {"updating", "rollback_started"}:
        text = f"Swarm is updating {service.name} ({service.update_message})"
        yield Finding("error", "update-under-way", text, "wait for its end: docker service ps")
    elif service.update_state in {"paused", "rollback_paused"}:
        text = f"the latest update of {service.name} was paused by a failure; a move begins another one"
        yield Finding("warning", "update-paused", text, "docker service ps tells what failed")


def _target_node(seen: SwarmSeen, route: Route, _options: SwarmOptions) -> Iterator[Finding]:
    service, target = seen.service, route.target
    if not target.takes_tasks:
        text = f"the node {target.name} takes no tasks: it is {target.state}, its availability is {target.availability}"
        yield Finding("error", "node-unavailable", text, f"docker node update --availability active {target.name}")
    if not _fits(service, target):
        text = f"the image of {service.name} is not for {target.os}/{target.architecture}, which {target.name} is"
        yield Finding(
            "error", "platform", text, "an image that has both platforms can move: docker manifest inspect shows them"
        )
    for each in service.constraints:
        if not is_pin(each) and not admits(each, target):
            text = f"the constraint {each} of {service.name} excludes {target.name}"
            yield Finding(
                "error", "constraint", text, "give the node what it asks for, or remove it: docker service update"
            )


def _pins(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    for each in seen.service.constraints:
        if is_pin(each) and not all(admits(each, node) for node in route.goal):
            if options.method == "drain":
                text = f"the constraint {each} of {seen.service.name} excludes {route.target.name}"
                yield Finding("error", "constraint", text, "--method constraint replaces it")
            else:
                yield Finding(
                    "note", "pin-replaced", f"the constraint {each} is replaced by one for {route.target.name}"
                )


def _spread(seen: SwarmSeen, route: Route, _options: SwarmOptions) -> Iterator[Finding]:
    """Swarm puts a task where the fewest of its service are: only that makes sure where several may go."""
    here = [task.node for task in seen.own_tasks]
    moving = {task.id for task in route.tasks}
    count = {
        node.id: sum(task.node == node.id and task.id not in moving for task in seen.own_tasks) for node in route.goal
    }
    most = seen.service.placement.get("MaxReplicas") or 0
    if most and count[route.target.id] + len(moving) > most:
        text = f"{seen.service.name} may have {most} tasks a node, and {route.target.name} would have more"
        yield Finding("error", "max-replicas", text, "docker service update --replicas-max-per-node allows more")
    others = [number for node, number in count.items() if node != route.target.id]
    if others and count[route.target.id] + len(moving) > min(others):
        text = (
            f"{seen.service.name} has {len(here)} tasks on several nodes, and Swarm would spread those of "
            f"{route.source.name} over all of them"
        )
        yield Finding("error", "spread", text, f"--all moves every task to {route.target.name}")


def _room(seen: SwarmSeen, route: Route, _options: SwarmOptions) -> Iterator[Finding]:
    reserved = _reserved(seen.service)
    if not any(reserved):
        return
    by_id = {each.id: each for each in seen.services}
    there = [_reserved(by_id[each.service]) for each in seen.tasks
             if each.node == route.target.id and each.wanted and each.service in by_id]  # fmt: skip
    free = (
        route.target.cpus - sum(cpus for cpus, _ in there),
        route.target.memory - sum(memory for _, memory in there),
    )
    if any(len(route.tasks) * wanted > left for wanted, left in zip(reserved, free, strict=True)):
        text = (
            f"a task of {seen.service.name} reserves {reserved[0]:g} CPUs and {reserved[1]:.0f} bytes of memory, more "
            f"than {route.target.name} has left ({free[0]:g} CPUs, {free[1]:.0f} bytes)"
        )
        yield Finding(
            "error",
            "no-room",
            text,
            "docker service update --reserve-memory and --reserve-cpu change that; or move something away",
        )


def _reserved(service: Service) -> tuple[float, float]:
    told = (service.template.get("Resources") or {}).get("Reservations") or {}
    return told.get("NanoCPUs", 0) / 1e9, float(told.get("MemoryBytes", 0))


def _ports(seen: SwarmSeen, route: Route, _options: SwarmOptions) -> Iterator[Finding]:
    own = {f"{port.get('PublishedPort')}/{port.get('Protocol', 'tcp')}" for port in seen.service.ports
           if port.get("PublishMode") == "host" and port.get("PublishedPort")}  # fmt: skip
    taken: dict[str, str] = {}
    for other in seen.services:
        if other.id != seen.service.id and any(task.node == route.target.id for task in seen.tasks_of(other)):
            for port in other.ports:
                if port.get("PublishMode") == "host":
                    taken[f"{port.get('PublishedPort')}/{port.get('Protocol', 'tcp')}"] = f"the service {other.name}"
    if route.target.id in seen.hosts:
        taken |= dict.fromkeys(seen.hosts[route.target.id].published, "a container")
    for each in sorted(own & taken.keys()):
        text = f"{taken[each]} has the port {each} of {route.target.name}, which {seen.service.name} publishes there"
        yield Finding("error", "port-taken", text, "move or remove that first")
    if own and len(route.tasks) + sum(each.node == route.target.id for each in seen.own_tasks) > 1:
        text = f"{seen.service.name} publishes {min(own)} on its node itself, so that one node takes one task of it"
        yield Finding("error", "port-exclusive", text, "--from NODE moves the tasks of one node")


def _virtual_addresses(seen: SwarmSeen, route: Route, _options: SwarmOptions) -> Iterator[Finding]:
    for node in (route.source, route.target):
        if node.id in seen.hosts and seen.hosts[node.id].ipvs is False and seen.service.uses_virtual_address:
            yield Finding(
                "warning",
                "no-ipvs",
                f"the kernel of {node.name} has no IPVS: the virtual address and the ingress ports of "
                f"{seen.service.name} do not work there",
                "load ip_vs there, or use --endpoint-mode dnsrr and --publish mode=host",
            )


def _start_first(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    updated = options.method == "constraint" and not seen.volumes_on(route.source)
    if updated and (options.start_first or seen.service.update.order == "start-first"):
        yield from _health(seen, route)
    if not options.start_first:
        return
    data = [mount.target for mount in seen.service.mounts if mount.type in {"volume", "bind", "cluster"}]
    if data := [*data, *seen.unnamed_on(route.source, seen.service)]:
        text = f"{seen.service.name} keeps data at {data[0]}: two tasks at once would write there"
        yield Finding("error", "start-first-data", text, "leave --start-first away")
    else:
        text = f"for a moment two tasks of {seen.service.name} run at once"
        yield Finding("note", "two-at-once", text)


def _health(seen: SwarmSeen, route: Route) -> Iterator[Finding]:
    here = seen.hosts.get(route.source.id)
    of_image = here.image.config.get("Healthcheck") if here and here.image else None
    told = seen.service.container.get("Healthcheck") or of_image or {}
    if (told.get("Test") or ["NONE"])[0] == "NONE":
        text = f"{seen.service.name} has no health check: Swarm ends the old task as soon as the new one's process runs"
        yield Finding("note", "no-health-check", text, "docker service update --health-cmd says when it can serve")


def _updates(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    if options.method == "drain":
        text = "a drain stops first and does not heed the update settings; the grace period is "
        yield Finding("note", "drain-order", f"{text}{seen.service.grace_s:g} s")
        return
    update = seen.service.update
    if seen.volumes_on(route.source):
        fast = ", and --fast changes nothing" if options.fast else ""
        text = (
            f"it is scaled to zero for its data, so that its update settings do not count{fast}; the grace period is "
        )
        yield Finding("note", "update-settings", f"{text}{seen.service.grace_s:g} s")
        return
    changed = [word for word, is_set in (("--fast", options.fast), ("--start-first", options.start_first)) if is_set]
    but = f"; {' and '.join(changed)} change that for this update only" if changed else ""
    back = f" ({seen.service.rollback.describe()})" if update.on_failure == "rollback" else ""
    text = f"Swarm updates it {update.describe()}{back}; the grace period is {seen.service.grace_s:g} s{but}"
    yield Finding("note", "update-settings", text)


def _stack(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    stack = seen.service.labels.get(_STACK)
    if not stack or options.method == "drain" or options.unpin:
        return
    text = (
        f"{seen.service.name} belongs to the stack {stack}: the next docker stack deploy puts its constraints and "
        "labels back as they are in the stack's file, and Swarm may move it again"
    )
    volumes = seen.volumes_on(route.source)
    data = f", away from the data of its volume {volumes[0]}" if volumes else ""
    hint = f"put node.id=={route.target.id} into the file, under deploy.placement.constraints"
    yield Finding("warning" if volumes else "note", "stack", text + data, hint)


def _image(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    here, there = (seen.hosts.get(node.id) for node in (route.source, route.target))
    by_name = "@" not in seen.service.image  # a digest is the same image anywhere, though of another platform's layers
    if by_name and here and there and here.image and there.image and here.image.diff_ids != there.image.diff_ids:
        text = f"{seen.service.image} is another image on {route.target.name} than the one that runs"
        yield Finding(
            "warning",
            "tag-differs",
            text,
            "docker image rm takes the name away there; a digest in the service's image tells them apart",
        )
    if options.image == "pull":
        if there is None or there.image is None:
            text = f"{route.target.name} pulls the image while it prepares the task; a task that fails to goes back"
            yield Finding("note", "image-pulled", text)
    elif by_name and there is not None:
        text = (
            f"{seen.service.image} is a name without a digest: {route.target.name} asks its registry for a newer one "
            "before it starts, also where the image is there"
        )
        yield Finding("note", "image-asked", text)


def _drain(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    if options.method != "drain":
        return
    source = route.source
    if DRAINED in source.labels:
        text = f"another move has drained {source.name} (its label {DRAINED})"
        yield Finding("error", "node-drained", text, "transship recover ends that")
    elsewhere = candidates(seen, seen.service, besides=source)
    if [node.id for node in elsewhere] != [route.target.id]:
        names = ", ".join(node.name for node in elsewhere) or "nowhere"
        text = f"a drain leaves it to Swarm where {seen.service.name} goes: {names}"
        yield Finding("error", "drain-anywhere", text, f"--method constraint brings it to {route.target.name}")
    for other in seen.services:
        if other.id != seen.service.id and any(task.node == source.id for task in seen.tasks_of(other)):
            yield _touched(seen, other, source, binds=options.binds)


def _touched(seen: SwarmSeen, other: Service, source: Node, *, binds: str) -> Finding:
    """What becomes of another service when its node is drained."""
    if other.mode.startswith("Global"):
        text = f"{other.name} runs on every node: its task on {source.name} stops until the node is back"
        return Finding("warning", "drain-global", text)
    if not candidates(seen, other, besides=source):
        text = f"{other.name} can run nowhere else: it stops until {source.name} is back"
        return Finding("warning", "drain-stops", text)
    named = [mount.source for mount in other.mounts if mount.stays_behind]
    if data := [*named, *(f"at {path}" for path in seen.unnamed_on(source, other))]:
        text = f"{other.name} would leave {source.name}, too, and begin elsewhere without its volume {data[0]}"
        return Finding("error", "drain-volume", text, "move that first, or take --method constraint")
    folders = [mount.folder for mount in other.mounts if mount.folder]
    if folders and binds == "fail":
        text = f"{other.name} would leave {source.name}, too, and begin elsewhere with what {folders[0]} is there"
        return Finding("error", "drain-bind", text, "--binds expect takes such paths to be on every node")
    return Finding(
        "warning", "drain-moves", f"{other.name} leaves {source.name}, too, and does not come back by itself"
    )


_RULES: tuple[Callable[[SwarmSeen, Route, SwarmOptions], Iterator[Finding]], ...] = (
    _under_way, _target_node, _pins, _spread, _room, _ports, _virtual_addresses, *DATA_RULES, _start_first,
    _updates, _stack, _image, _drain,
)  # fmt: skip
