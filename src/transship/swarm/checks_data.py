"""What is in the way of the data that a service has: what can follow it, and what would stay behind. Without I/O."""

from collections.abc import Callable, Iterator

from transship.plan.findings import Finding, Severity
from transship.swarm.constraints import free_to_leave, with_pins
from transship.swarm.model import Mount
from transship.swarm.options import SwarmOptions
from transship.swarm.pins import Pins
from transship.swarm.seen import Route, SwarmSeen

_FOLLOWING = {"tmpfs": "what is in it is in memory and lost", "cluster": "Swarm itself brings it along"}


def _mounts(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    for mount in seen.mounts_on(route.source):
        if mount.stays_behind:
            yield from _volume(seen, route, options, mount)
        elif mount.folder:
            yield from _folder(seen, route, options, mount.folder)
        elif mount.type == "volume" and not mount.source:
            text = f"the nameless volume at {mount.target} is new and empty for every task: its data stays behind"
            yield Finding("warning", "volume-nameless", text, "give it a name: docker service update --mount-add")
        elif mount.type == "volume":
            text = f"the volume {mount.source} ({mount.driver or 'local'}) is made anew, its data is where it was"
            yield Finding("note", "remote-volume", text)
        elif mount.type in _FOLLOWING:
            yield Finding("note", f"{mount.type}-mount", f"{mount.type} at {mount.target}: {_FOLLOWING[mount.type]}")


def _unnamed(seen: SwarmSeen, route: Route, _options: SwarmOptions) -> Iterator[Finding]:
    """Volumes that the image asks for, and the service does not speak of: Docker makes new ones for each container."""
    name, source = seen.service.name, route.source
    if source.id not in seen.hosts:
        text = f"{source.name} was not looked at: if the image of {name} has volumes of its own, their data stays there"
        yield Finding("warning", "volumes-unseen", text, "--image send looks; docker image inspect shows Volumes")
    for path in seen.unnamed_on(source, seen.service):
        text = f"the image of {name} keeps {path} in a volume without a name: its data would stay on {source.name}"
        hint = f"docker service update --mount-add type=volume,source=NAME,target={path} gives it a name (copy first)"
        yield Finding("error", "volume-nameless", text, hint)


def _volume(seen: SwarmSeen, route: Route, options: SwarmOptions, mount: Mount) -> Iterator[Finding]:
    name, service = mount.source, seen.service.name
    if options.method == "drain":
        text = f"the data of the volume {name} lies on {route.source.name}, and a drain leaves no time to copy it"
        yield Finding("error", "volume-stays", text, "--method constraint takes it along")
        return
    if len(seen.own_tasks) != len(route.tasks) or len(route.home) > 1:
        text = f"the volume {name} of {service} has other data on each node: there is no one copy that could be moved"
        yield Finding("error", "volume-many", text, "one replica can be moved: docker service scale")
        return
    here, there = (seen.hosts.get(node.id) for node in (route.source, route.target))
    if here is None or there is None:
        text = f"the data of the volume {name} must be copied, for which both nodes have to be reached"
        yield Finding("error", "volume-unreached", text, "--at NODE=HOST says how")
        return
    for host, node in ((here, route.source), (there, route.target)):
        if host.facts.root_access in {None, "none"} or not host.facts.python_path:
            text = f"{node.name} has no Python, or no way to root: nobody there can copy the volume {name}"
            yield Finding("error", "no-agent", text, "transship hosts check says what is missing")
    if name not in here.volumes:
        why = ": the name is a template, and what it stands for is not known here" if "{{" in name else ""
        text = f"{route.source.name} has no volume {name}, which {service} mounts{why}"
        yield Finding("error", "volume-unknown", text, "give it a name of its own: docker service update --mount-add")
    if users := here.users.get(name):
        text = f"{', '.join(users)} on {route.source.name} uses the volume {name}, too: it would be copied half-written"
        yield Finding("error", "shared-volume", text, "stop it, or move it along")
    yield from _volume_there(seen, route, options, name)


def _volume_there(seen: SwarmSeen, route: Route, options: SwarmOptions, name: str) -> Iterator[Finding]:
    """What the target has under the name of a volume that is to be copied there."""
    there = seen.hosts[route.target.id]
    if users := there.users.get(name):
        text = f"{', '.join(users)} on {route.target.name} runs with a volume {name}"
        yield Finding("error", "volume-in-use", text, "stop it, or remove the volume there")
    elif name in there.volumes and not all(
        each.stays_behind for each in seen.mounts_on(route.target) if each.source == name
    ):
        text = f"the volume {name} of {route.target.name} is not on its own disk, as the one of {route.source.name} is"
        yield Finding("error", "volume-differs", text, "remove the volume there, or give one of them another name")
    elif name in there.volumes and there.sizes.get(name) != 0:
        severity: Severity = "warning" if options.replace_data else "error"
        text = f"{route.target.name} has data in a volume {name} already"
        yield Finding(severity, "occupied-volume", text, "--replace-data overwrites it")


def _folder(seen: SwarmSeen, route: Route, options: SwarmOptions, path: str) -> Iterator[Finding]:
    if options.binds == "fail":
        text = f"{path} is a folder of {route.source.name} itself, and what is in it does not follow"
        yield Finding("error", "bind-mount", text, "--binds expect takes the one of the same name on the target")
    elif route.target.id in seen.hosts and path in seen.hosts[route.target.id].lacking:
        yield Finding(
            "error", "bind-missing", f"{route.target.name} has no {path}, which Swarm would refuse", "make it"
        )


def _unpinned(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    volumes = seen.volumes_on(route.source)
    if not (options.unpin and volumes):
        return
    service = seen.service
    now = with_pins(service.constraints, route.goal, seen.nodes)
    left = Pins.of(service.labels).after(service.constraints, now).without(now, route.goal)
    if free := free_to_leave(left, seen.nodes, route.target):
        text = f"without a constraint {service.name} could start on {free[0].name}, and leave its volume {volumes[0]}"
        yield Finding("error", "unpin-data", text, "leave --unpin away")


def _unused(seen: SwarmSeen, route: Route, options: SwarmOptions) -> Iterator[Finding]:
    if seen.volumes_on(route.source):
        return
    plain = SwarmOptions()
    given = {
        "--replace-data": options.replace_data != plain.replace_data,
        "--verify": options.verify != plain.verify,
        "--max-downtime": options.max_downtime_s != plain.max_downtime_s,
        "--limit-rate": options.limit_rate != plain.limit_rate,
    }
    if words := [word for word, is_given in given.items() if is_given]:
        text = f"{seen.service.name} has no volume that is copied: {', '.join(words)} change nothing"
        yield Finding("note", "options-unused", text)


DATA_RULES: tuple[Callable[[SwarmSeen, Route, SwarmOptions], Iterator[Finding]], ...] = (
    _mounts, _unnamed, _unpinned, _unused,
)  # fmt: skip
