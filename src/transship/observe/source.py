"""The container that shall be moved, and who has to do with it."""

import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from transship.errors import NotFoundError
from transship.hosts.base import Docker, Host, Json
from transship.hosts.facts import Facts
from transship.hosts.memory import MemorySeen, look_at_memory
from transship.hosts.paths import PathSeen, TreeSize, as_root, look_at, measure
from transship.hosts.processes import Inside, look_inside
from transship.hosts.units import units_naming
from transship.observe.listed import alive, linking, name_of, names_where, networks_of, repository, volumes_of
from transship.plan.copied import copied_binds, is_copied
from transship.plan.observation import Company, SourceState
from transship.plan.options import MoveOptions
from transship.sandbox.whole import LABEL, shown_attached, whole
from transship.spec.extract import Surroundings, extract, network_names, unknown_fields, volume_names
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec

_UPDATERS = re.compile(r"(?:.*/)?(?:watchtower|ouroboros|wud)")
_PANELS = re.compile(
    r"(?:.*/)?(?:portainer(?:-[ce]e)?|dockge|coolify|dokploy|komodo-(?:core|periphery)|yacht)|portainer/agent"
)
_INIT = "/sbin/docker-init"
_RTMIN = 34
"""The first of the real-time signals, as the C library counts them."""


@dataclass(frozen=True, slots=True)
class Container:
    """The container as its host shows it, and the list of all that are there."""

    host: Host
    facts: Facts
    inspected: Json
    spec: ContainerSpec
    neighbours: Sequence[Json]
    lender: str = ""

    @property
    def id(self) -> str:
        return str(self.inspected["Id"])

    @property
    def others(self) -> list[Json]:
        """The other containers that run."""
        return [each for each in alive(self.neighbours, besides=self.id) if each["Id"] != self.lender]


def read_spec(docker: Docker, inspected: Json, neighbours: Iterable[Json] = ()) -> ContainerSpec:
    """The spec of an inspected container; what it uses is inspected, too. `neighbours` give names to ids."""
    networks = {name: docker.inspect_network(name) for name in network_names(inspected)}
    volumes = {name: docker.inspect_volume(name) for name in volume_names(inspected)}
    on_host_network = inspected["HostConfig"].get("NetworkMode") == "host"
    around = Surroundings(
        container_names={each["Id"]: name_of(each) for each in neighbours},
        host_name=docker.info()["Name"] if on_host_network else "",
        api_version=api_version(docker.version()["ApiVersion"]),
    )
    image = docker.inspect_image(inspected["Image"])
    return extract(inspected, image, networks, volumes, around=around)


def find_lender(docker: Docker, inspected: Json) -> Json | None:
    """The sandbox that lends a container its network, inspected; None where it has one of its own, or another's."""
    kind, _, lender = str(inspected["HostConfig"].get("NetworkMode")).partition(":")
    if kind != "container":
        return None
    try:
        found = docker.inspect_container(lender)
    except NotFoundError:
        return None
    return found if LABEL in (found["Config"].get("Labels") or {}) else None


def read_whole(docker: Docker, moved: ContainerSpec, lender: Json) -> ContainerSpec:
    """What a container that was moved live, and its sandbox, are together."""
    return whole(moved, read_spec(docker, shown_attached(lender)))


def api_version(text: str) -> ApiVersion:
    """Read Docker's own form of it. Raises `ValueError` for any other."""
    major, minor = text.split(".")
    return int(major), int(minor)


def source_state(seen: Container, options: MoveOptions) -> SourceState:
    """What the container is like now, as far as a look can tell."""
    docker, inspected = seen.host.docker, seen.inspected
    inside = _inside(seen)
    number = stop_signal(seen.spec)
    return SourceState(
        container_id=seen.id,
        status=inspected["State"]["Status"],
        changed_paths=changed_paths(docker.changes(seen.id), seen.spec),
        image_bytes=docker.inspect_image(seen.spec.image.id)["Size"],
        unknown_fields=unknown_fields(inspected),
        layer_bytes=docker.layer_size(seen.id),
        image_layers=_layer_sizes(docker, seen.spec.image.id),
        sizes=_sizes(seen, options),
        paths=bind_paths(seen.host, seen.facts, seen.spec),
        health=_health(inspected),
        stop_heard=None if inside is None or number is None else is_heard(seen.spec, inside, number),
        listeners=None if inside is None else inside.listeners,
        exec_sessions=len(inspected.get("ExecIDs") or ()),
        volumes_from=_volumes_from(seen),
        company=_company(seen),
        memory=_memory(seen) if options.strategy == "live" else None,
        lender=seen.lender,
    )


def _health(inspected: Json) -> str:
    status = str((inspected["State"].get("Health") or {}).get("Status", "none"))
    return "" if status == "none" else status


def bind_paths(host: Host, facts: Facts, spec: ContainerSpec) -> dict[str, PathSeen] | None:
    """What lies where the bind mounts come from; None where nobody could look."""
    paths = [mount.source for mount in spec.mounts if mount.type == "bind"]
    prefix = as_root(facts.root_access)
    if paths and (prefix is None or not facts.can_run):
        return None
    return look_at(host, prefix or (), paths)


def _sizes(seen: Container, options: MoveOptions) -> dict[str, TreeSize]:
    """What volumes and copied bind mounts hold; without root Docker tells it of volumes."""
    volumes = [volume.name for volume in seen.spec.volumes if is_copied(volume) and not options.without_volumes]
    binds = copied_binds(seen.spec.mounts, options)
    prefix = as_root(seen.facts.root_access)
    if prefix is not None and seen.facts.python_path is not None:
        folders = {str(seen.host.docker.inspect_volume(name)["Mountpoint"]): name for name in volumes}
        measured = measure(seen.host, prefix, [*folders, *binds])
        return {folders.get(path, path): size for path, size in measured.items()}
    told = seen.host.docker.volume_sizes() if volumes else {}
    return {name: TreeSize(told[name], told[name]) for name in volumes if name in told}


def _layer_sizes(docker: Docker, image: str) -> tuple[int, ...]:
    sizes = [int(each.get("Size") or 0) for each in docker.history(image)]
    return tuple(size for size in reversed(sizes) if size)


def changed_paths(changes: Iterable[Json], spec: ContainerSpec) -> int:
    """How many paths were written, not counting what Docker made itself: where mounts and its init program go."""
    targets = [*(mount.target for mount in spec.mounts), *spec.host_config.get("Tmpfs", {})]
    if spec.host_config.get("Init"):
        targets.append(_INIT)
    made_by_docker = {
        str(path) for target in targets for path in (PurePosixPath(target), *PurePosixPath(target).parents)
    }
    return sum(1 for change in changes if change["Path"] not in made_by_docker)


def _memory(seen: Container) -> MemorySeen | None:
    prefix = as_root(seen.facts.root_access)
    if prefix is None or not seen.facts.can_run:
        return None
    return look_at_memory(seen.host, prefix, seen.id)


def _inside(seen: Container) -> Inside | None:
    pid = seen.inspected["State"].get("Pid") or 0
    if not pid or not seen.facts.can_run:
        return None
    prefix = as_root(seen.facts.root_access)
    on_host_network = seen.spec.network_mode == "host" and prefix is not None
    return look_inside(seen.host, prefix or (), pid, seen.id, listeners=on_host_network)


def stop_signal(spec: ContainerSpec) -> int | None:
    """The number of the signal that stops the container; None for one that this machine does not know."""
    word = str(spec.config.get("StopSignal") or spec.image.config.get("StopSignal") or "SIGTERM").upper()
    name = word.removeprefix("SIG")
    if name.isdecimal():
        return int(name)
    if match := re.fullmatch(r"RTMIN(?:\+([0-9]{1,2}))?", name):
        return _RTMIN + int(match[1] or 0)
    return next((each.value for each in signal.Signals if each.name == f"SIG{name}"), None)


def is_heard(spec: ContainerSpec, inside: Inside, number: int) -> bool | None:
    """Whether the signal ends the first process; None where that cannot be told.

    The first of a pid namespace is ended by what it handles, or waits for, and by nothing else.
    """
    if number == signal.SIGKILL:
        return True
    if spec.host_config.get("PidMode"):
        return number not in inside.ignored
    if number in inside.handled or inside.waits:
        return True
    return None if inside.waits is None else False


def _volumes_from(seen: Container) -> tuple[str, ...]:
    names = {each["Id"]: name_of(each) for each in seen.neighbours}
    said = (str(each).partition(":")[0] for each in seen.inspected["HostConfig"].get("VolumesFrom") or ())
    return tuple(sorted(names.get(each, each) for each in said))


def _company(seen: Container) -> Company:
    others, everyone = seen.others, seen.neighbours
    borrowing = {f"container:{each}" for each in (seen.id, seen.lender) if each}
    project = seen.spec.config.get("Labels", {}).get("com.docker.compose.project")
    own = [each for each in everyone if each["Id"] == seen.id]
    return Company(
        dependants=names_where(
            everyone,
            (
                (each.get("HostConfig") or {}).get("NetworkMode") in borrowing and each["Id"] != seen.id
                for each in everyone
            ),
        ),
        linked_by=tuple(name for each in own for name in linking(each)),
        peers={
            name: names_where(others, (name in networks_of(each) for each in others))
            for name in (attachment.network.name for attachment in seen.spec.networks)
        },
        project=names_where(
            others,
            (
                project is not None and (each.get("Labels") or {}).get("com.docker.compose.project") == project
                for each in others
            ),
        ),
        volume_users={
            volume.name: names_where(others, (volume.name in volumes_of(each) for each in others))
            for volume in seen.spec.volumes
        },
        updaters=names_where(others, (_UPDATERS.fullmatch(repository(each)) is not None for each in others)),
        panels=names_where(others, (_PANELS.fullmatch(repository(each)) is not None for each in others)),
        units=units_naming(seen.host, seen.spec.name) if seen.facts.can_run else (),
    )
