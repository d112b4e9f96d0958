from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath

from transship.errors import NotFoundError, PreflightError
from transship.hosts.base import Docker, Host, Json
from transship.hosts.facts import Facts, observe_host
from transship.plan.observation import Observation, SourceState, TargetState
from transship.spec.compare import same_image
from transship.spec.extract import Surroundings, extract, image_ref, network_names, unknown_fields, volume_names
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec, ImageRef, NetworkSpec
from transship.spec.networks import network_spec

_PATH_TEST = b"""
for path; do
    if ! [ -e "$path" ]; then printf '%s\\0' "missing $path"
    elif ! [ -d "$path" ] || ! inside=$(ls -A -- "$path") || [ -n "$inside" ]; then printf '%s\\0' "occupied $path"
    fi
done
"""
_AS_ROOT: Mapping[str | None, tuple[str, ...]] = {"root": (), "sudo": ("sudo", "-n")}


def observe(source: Host, target: Host, container: str) -> Observation:
    """See all that a plan needs to know; touches nothing.

    Raises `PreflightError` when the source has no such container, and what `Docker` and `observe_host` raise.
    """
    with ThreadPoolExecutor(4) as pool:
        facts = [pool.submit(observe_host, host) for host in (source, target)]
        containers = pool.submit(target.docker.containers)
        inspected = _inspect(source, container)
        neighbours = source.docker.containers()
        spec = read_spec(source.docker, inspected, neighbours)
        state = _source_state(source.docker, inspected, spec, neighbours)
        source_facts, target_facts = (each.result() for each in facts)
        there = _target_state(target, target_facts, spec, containers.result())
        there = replace(there, has_source=any(each["Id"] == inspected["Id"] for each in containers.result()))
    return Observation(source.name, target.name, source_facts, target_facts, spec, state, there)


def read_spec(docker: Docker, inspected: Json, neighbours: Iterable[Json] = ()) -> ContainerSpec:
    """The spec of an inspected container; what it uses is inspected, too. `neighbours` give names to ids."""
    networks = {name: docker.inspect_network(name) for name in network_names(inspected)}
    volumes = {name: docker.inspect_volume(name) for name in volume_names(inspected)}
    on_host_network = inspected["HostConfig"].get("NetworkMode") == "host"
    around = Surroundings(
        container_names={each["Id"]: _name(each) for each in neighbours},
        host_name=docker.info()["Name"] if on_host_network else "",
        api_version=_api_version(docker.version()["ApiVersion"]),
    )
    image = docker.inspect_image(inspected["Image"])
    return extract(inspected, image, networks, volumes, around=around)


def _inspect(source: Host, container: str) -> Json:
    try:
        return source.docker.inspect_container(container)
    except NotFoundError as error:
        raise PreflightError(
            f"{source.name} has no container {container!r}",
            hint="docker ps --all shows what it has; --from names a host",
        ) from error


def _source_state(docker: Docker, inspected: Json, spec: ContainerSpec, neighbours: Iterable[Json]) -> SourceState:
    borrowing = f"container:{inspected['Id']}"
    return SourceState(
        container_id=inspected["Id"],
        status=inspected["State"]["Status"],
        changed_paths=_changed_paths(docker.changes(inspected["Id"]), spec),
        image_bytes=docker.inspect_image(spec.image.id)["Size"],
        unknown_fields=unknown_fields(inspected),
        dependants=tuple(
            sorted(_name(each) for each in neighbours if each.get("HostConfig", {}).get("NetworkMode") == borrowing)
        ),
        volume_users=_volume_users(inspected["Id"], spec, neighbours),
    )


def _volume_users(container: str, spec: ContainerSpec, neighbours: Iterable[Json]) -> dict[str, tuple[str, ...]]:
    alive = {"running", "restarting", "paused"}
    others = [each for each in neighbours if each["State"] in alive and each["Id"] != container]
    return {
        volume.name: tuple(sorted(_name(each) for each in others if volume.name in _volume_names(each)))
        for volume in spec.volumes
    }


def _volume_names(listed: Json) -> set[str]:
    return {mount.get("Name", "") for mount in listed.get("Mounts") or ()}


def _changed_paths(changes: Iterable[Json], spec: ContainerSpec) -> int:
    """How many paths were written, not counting the folders that Docker made for the mounts."""
    made_for_mounts = {
        str(path)
        for mount in spec.mounts
        for path in (PurePosixPath(mount.target), *PurePosixPath(mount.target).parents)
    }
    return sum(1 for change in changes if change["Path"] not in made_for_mounts)


def _target_state(target: Host, facts: Facts, spec: ContainerSpec, containers: Iterable[Json]) -> TargetState:
    docker = target.docker
    image = _find_image(docker, spec.image)
    tags = {tag: _image_id(docker, tag) for tag in spec.image.tags}
    volumes = _volumes(docker, spec)
    missing, occupied = _mounted_paths(target, facts, spec)
    return TargetState(
        api_version=_api_version(facts.api_version),
        containers=frozenset(_name(each) for each in containers),
        image=image,
        foreign_tags=frozenset(tag for tag, id_ in tags.items() if id_ not in {"", image}),
        published=_published(containers),
        networks=_networks(docker, spec),
        subnets=_subnets(docker.networks()),
        volumes=frozenset(volumes),
        occupied_volumes=frozenset(name for name, path in volumes.items() if not _is_empty(target, facts, path)),
        missing_paths=missing,
        occupied_paths=occupied,
    )


def _name(listed: Json) -> str:
    """A container's own name: others are `/OWNER/ALIAS`, given by links."""
    names: list[str] = listed.get("Names") or [listed["Id"][:12]]
    return min(names, key=lambda name: name.count("/")).removeprefix("/")


def _published(containers: Iterable[Json]) -> dict[tuple[str, str], str]:
    return {
        (port.get("IP", ""), f"{port['PublicPort']}/{port['Type']}"): _name(each)
        for each in containers
        for port in each.get("Ports") or ()
        if port.get("PublicPort")
    }


def _find_image(docker: Docker, image: ImageRef) -> str:
    """The id under which a host has exactly this image, by content and whatever its names; empty if it has not."""
    for name in (image.id, *image.digests, *image.tags):
        try:
            found = docker.inspect_image(name)
        except NotFoundError:
            continue
        if same_image(image, image_ref(found, reference=name, id=found["Id"])):
            return str(found["Id"])
    return ""


def _image_id(docker: Docker, name: str) -> str:
    try:
        return str(docker.inspect_image(name)["Id"])
    except NotFoundError:
        return ""


def _networks(docker: Docker, spec: ContainerSpec) -> dict[str, NetworkSpec]:
    found = {}
    for attachment in spec.networks:
        name = attachment.network.name
        try:
            found[name] = network_spec(name, docker.inspect_network(name))
        except NotFoundError:
            continue
    return found


def _subnets(networks: Iterable[Json]) -> dict[str, tuple[str, ...]]:
    return {
        each["Name"]: tuple(
            pool["Subnet"] for pool in (each.get("IPAM") or {}).get("Config") or () if pool.get("Subnet")
        )
        for each in networks
    }


def _volumes(docker: Docker, spec: ContainerSpec) -> dict[str, str]:
    """Those of the container's volumes that a host has, each with the folder of its data."""
    found = {}
    for volume in spec.volumes:
        try:
            found[volume.name] = str(docker.inspect_volume(volume.name).get("Mountpoint", ""))
        except NotFoundError:
            continue
    return found


def _is_empty(host: Host, facts: Facts, path: str) -> bool:
    """Whether a folder was seen to be empty; where nobody could look, it is taken to hold something."""
    prefix = _AS_ROOT.get(facts.root_access)
    if prefix is None or not path:
        return False
    done = host.run([*prefix, "ls", "-A", "--", path])
    return done.status == 0 and not done.stdout


def _mounted_paths(
    target: Host, facts: Facts, spec: ContainerSpec
) -> tuple[frozenset[str], frozenset[str]] | tuple[None, None]:
    """Those of the bind mounts' paths that the target has not, and those that hold something there.

    None where only Docker can look.
    """
    paths = [mount.source for mount in spec.mounts if mount.type == "bind"]
    prefix = _AS_ROOT.get(facts.root_access)
    if not paths:
        return frozenset(), frozenset()
    if prefix is None:
        return None, None
    done = target.run([*prefix, "sh", "-s", "--", *paths], stdin=_PATH_TEST)
    found = [entry.partition(" ") for entry in done.stdout.decode(errors="surrogateescape").split("\0") if entry]
    missing, occupied = (
        frozenset(path for state, _, path in found if state == word) for word in ("missing", "occupied")
    )
    return missing, occupied


def _api_version(text: str) -> ApiVersion:
    major, minor = text.split(".")
    return int(major), int(minor)
