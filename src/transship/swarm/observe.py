"""A swarm and the hosts of two of its nodes, as they are now. Nothing is changed by looking."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from posixpath import normpath
from typing import TypeVar

from transship.errors import HostError, NotFoundError, PreflightError
from transship.hosts.base import Docker, Host, Json
from transship.hosts.facts import Facts, observe_host
from transship.observe.listed import alive, name_of, volumes_of
from transship.spec.extract import image_ref
from transship.spec.model import ImageRef
from transship.swarm.base import Swarm
from transship.swarm.model import Node, Service, Task
from transship.swarm.seen import HostSeen, SwarmSeen

_OF_A_TASK = "com.docker.swarm.task.id"
OF_SERVICE = "com.docker.swarm.service.id"


def see_swarm(swarm: Swarm, manager: str, service: str, target: str) -> SwarmSeen:
    """What a manager tells of the swarm, and of the service and the target that are named.

    Raises `PreflightError` where it is no manager, or knows no such service or node.
    """
    require_manager(swarm, manager)
    nodes = tuple(map(Node.read, swarm.nodes()))
    services = tuple(map(Service.read, swarm.services()))
    return SwarmSeen(
        manager=manager,
        nodes=nodes,
        services=services,
        tasks=tuple(map(Task.read, swarm.tasks())),
        service=find_service(services, service, manager),
        target=find_node(nodes, target, manager),
        hosts={},
    )


def require_manager(swarm: Swarm, name: str) -> None:
    """Raise `PreflightError` unless the daemon is a manager of a swarm that can decide."""
    told = swarm.info().get("Swarm") or {}
    if told.get("LocalNodeState") != "active":
        state = told.get("LocalNodeState") or "inactive"
        raise PreflightError(
            f"{name} is in no swarm (its state there is {state})", hint="--manager HOST names a manager of the swarm"
        )
    if not told.get("ControlAvailable"):
        managers = ", ".join(str(each.get("Addr", "")) for each in told.get("RemoteManagers") or ())
        raise PreflightError(
            f"{name} is a worker of the swarm, which may change nothing",
            hint=f"--manager HOST names a manager; the swarm's are at {managers}",
        )


def find_service(services: Sequence[Service], ref: str, manager: str) -> Service:
    """The service of this id, name, or begin of an id, in this order. Raises `PreflightError`."""
    found = _meant(services, ref)
    if len(found) != 1:
        many = "several services" if found else "no service"
        raise PreflightError(f"the swarm of {manager} has {many} {ref!r}", hint="docker service ls lists them")
    return found[0]


def find_node(nodes: Sequence[Node], ref: str, manager: str) -> Node:
    """The node of this id, hostname, or begin of an id, in this order. Raises `PreflightError` for none and several."""
    found = _meant(nodes, ref)
    if len(found) != 1:
        many = "several nodes" if found else "no node"
        raise PreflightError(f"the swarm of {manager} has {many} {ref!r}", hint=f"its nodes are {_listed(nodes)}")
    return found[0]


def require_known(nodes: Sequence[Node], names: Iterable[str]) -> None:
    """Raise `PreflightError` where `--at` names a node that the swarm does not have: it would be ignored."""
    for name in names:
        if name not in {node.name for node in nodes}:
            raise PreflightError(
                f"--at {name}=… names no node of the swarm",
                hint=f"its nodes are {', '.join(each.name for each in nodes)}",
            )


_Named = TypeVar("_Named", Node, Service)


def _meant(known: Sequence[_Named], ref: str) -> list[_Named]:
    """As the docker command takes it: a service may be called what another one's id is, or begins with."""
    ways = (
        [each for each in known if each.id == ref],
        [each for each in known if each.name == ref],
        [each for each in known if ref and each.id.startswith(ref)],
    )
    return next(filter(None, ways), [])


def _listed(nodes: Sequence[Node]) -> str:
    return ", ".join(f"{each.name} ({each.id})" for each in nodes)


def require_node(host: Host, node: Node) -> None:
    """Raise `PreflightError` unless the host is that node."""
    if (host.docker.info().get("Swarm") or {}).get("NodeID") != node.id:
        raise PreflightError(
            f"{host.name} is not the node {node.name} of the swarm",
            hint=f"--at {node.name}=HOST says how it is reached",
        )


def see_host(host: Host, node: Node, service: Service, container: str = "") -> HostSeen:
    """What there is of a service on a node's host. `container` is that of its task, if one runs there.

    Raises `PreflightError` where the host is not that node, and what `observe_host` raises.
    """
    require_node(host, node)
    facts = observe_host(host)
    with ThreadPoolExecutor(2) as pool:
        sizes = pool.submit(host.docker.volume_sizes)
        listed = host.docker.containers()
        names = [mount.source for mount in service.mounts if mount.named]
        image = _image(host.docker, service, container)
        return HostSeen(
            address=host.name,
            facts=facts,
            ipvs=_has_ipvs(host, facts),
            volumes=_volumes(host.docker, names),
            sizes=sizes.result(),
            users=users_of(listed, names, besides=container),
            lacking=tuple(each.folder for each in service.mounts if each.folder and _lacks(host, each.folder)),
            published=_published(listed),
            image=image,
            image_bytes=int(host.docker.inspect_image(image.id).get("Size") or 0) if image else 0,
            mounted=_mounted(listed),
        )


def _image(docker: Docker, service: Service, container: str) -> ImageRef | None:
    """The service's image: the one that its task was made from, or what has its name there."""
    try:
        id_ = str(docker.inspect_container(container)["Image"]) if container else service.image
        told = docker.inspect_image(id_)
        return image_ref(told, reference=service.image, id=str(told["Id"]))
    except NotFoundError:
        return None


def _volumes(docker: Docker, names: Sequence[str]) -> Mapping[str, Json]:
    found = {}
    for name in names:
        try:
            found[name] = docker.inspect_volume(name)
        except NotFoundError:
            continue
    return found


def users_of(listed: Iterable[Json], volumes: Iterable[str], *, besides: str = "") -> Mapping[str, tuple[str, ...]]:
    """The containers that run with each of these volumes, by name, but for the one of that id."""
    others = alive(listed, besides=besides)
    return {name: tuple(name_of(each) for each in others if name in volumes_of(each)) for name in volumes}


def _mounted(listed: Sequence[Json]) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for each in alive(listed):
        if service := (each.get("Labels") or {}).get(OF_SERVICE):
            volumes = (mount for mount in each.get("Mounts") or () if mount.get("Type") == "volume")
            found[service] = found.get(service, frozenset()) | {normpath(mount["Destination"]) for mount in volumes}
    return found


def _published(listed: Sequence[Json]) -> frozenset[str]:
    plain = (each for each in alive(listed) if _OF_A_TASK not in (each.get("Labels") or {}))
    ports = (port for each in plain for port in each.get("Ports") or () if port.get("PublicPort"))
    return frozenset(f"{port['PublicPort']}/{port['Type']}" for port in ports)


def _lacks(host: Host, path: str) -> bool:
    return host.can_run and host.run(["test", "-e", path]).status == 1


def _has_ipvs(host: Host, facts: Facts) -> bool | None:
    """Whether the kernel has IPVS, or the module for it. Docker loads that by itself when it needs it."""
    if not host.can_run:
        return None
    try:
        if host.run(["test", "-e", "/proc/net/ip_vs"]).status == 0:
            return True
        listed = [f"/lib/modules/{facts.kernel}/modules.{each}" for each in ("dep", "builtin")]
        return host.run(["grep", "-qs", "/ip_vs[.]ko", *listed]).status == 0
    except HostError:
        return None
