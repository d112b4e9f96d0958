"""What of the target matters to one container."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from itertools import takewhile

from transship.errors import NotFoundError
from transship.hosts.base import Docker, Host, Json
from transship.hosts.facts import Facts
from transship.hosts.paths import PathSeen, as_root, look_at
from transship.observe.listed import name_of
from transship.observe.source import api_version, bind_paths
from transship.plan.device_checks import device_paths
from transship.plan.observation import TargetState
from transship.plan.security_checks import apparmor_profile
from transship.spec.compare import same_image
from transship.spec.extract import image_ref
from transship.spec.model import ContainerSpec, ImageRef
from transship.spec.networks import network_spec

_INSPECTING = 4
_ENDED = frozenset({"created", "exited", "dead"})
_PROFILES = "/sys/kernel/security/apparmor/profiles"


def target_state(target: Host, facts: Facts, spec: ContainerSpec, containers: Sequence[Json]) -> TargetState:
    """What is there of the container's names, and what is taken. `containers` is the target's list."""
    docker = target.docker
    image = _find_image(docker, spec.image)
    tags = {tag: _image_id(docker, tag) for tag in spec.image.tags}
    volumes = _volumes(docker, spec)
    networks = _networks(docker, spec)
    return TargetState(
        api_version=api_version(facts.api_version),
        containers=frozenset(name_of(each) for each in containers),
        image=image,
        shared_layers=len(spec.image.diff_ids) if image else _shared_layers(docker, spec.image),
        foreign_tags=frozenset(tag for tag, id_ in tags.items() if id_ not in {"", image}),
        published=_published(containers),
        networks={name: network_spec(name, found) for name, found in networks.items()},
        addresses={name: _addresses(found) for name, found in networks.items()},
        subnets=_subnets(docker.networks()),
        volumes=frozenset(volumes),
        occupied_volumes=frozenset(name for name, path in volumes.items() if not _is_empty(target, facts, path)),
        paths=bind_paths(target, facts, spec),
        devices=_devices(target, spec),
        profiles=_profiles(target, facts, spec),
        log_plugins=_log_plugins(docker, facts, spec),
    )


def _published(containers: Iterable[Json]) -> dict[tuple[str, str], str]:
    """Who has which port. Of one that has ended Docker may tell ports for ever, where it was killed meanwhile."""
    return {
        (port.get("IP", ""), f"{port['PublicPort']}/{port['Type']}"): name_of(each)
        for each in containers
        if each.get("State") not in _ENDED
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


def _shared_layers(docker: Docker, image: ImageRef) -> int:
    """How many of the lowest layers one of the host's images has, too."""
    ids = sorted({str(each["Id"]) for each in docker.list_images()})

    def common(id_: str) -> int:
        try:
            layers = (docker.inspect_image(id_).get("RootFS") or {}).get("Layers") or ()
        except NotFoundError:
            return 0
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(image.diff_ids, layers, strict=False)))

    with ThreadPoolExecutor(_INSPECTING) as pool:
        return max(pool.map(common, ids), default=0)


def _networks(docker: Docker, spec: ContainerSpec) -> dict[str, Json]:
    found = {}
    for attachment in spec.networks:
        name = attachment.network.name
        try:
            found[name] = docker.inspect_network(name)
        except NotFoundError:
            continue
    return found


def _addresses(network: Json) -> dict[str, str]:
    """What is taken in a network, and by whom."""
    return {
        str(each[key]).partition("/")[0]: str(each.get("Name", ""))
        for each in (network.get("Containers") or {}).values()
        for key in ("IPv4Address", "IPv6Address")
        if each.get(key)
    }


def _subnets(networks: Iterable[Json]) -> dict[str, tuple[str, ...]]:
    return {
        each["Name"]: tuple(
            str(ip_network(pool["Subnet"], strict=False))
            for pool in (each.get("IPAM") or {}).get("Config") or ()
            if pool.get("Subnet")
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
    prefix = as_root(facts.root_access)
    if prefix is None or not path:
        return False
    done = host.run([*prefix, "ls", "-A", "--", path])
    return done.status == 0 and not done.stdout


def _devices(target: Host, spec: ContainerSpec) -> dict[str, PathSeen] | None:
    return look_at(target, (), device_paths(spec)) if target.can_run else None


def _profiles(target: Host, facts: Facts, spec: ContainerSpec) -> frozenset[str] | None:
    """The names of the AppArmor profiles, where one of them is asked for and root can look."""
    prefix = as_root(facts.root_access)
    if not apparmor_profile(spec) or prefix is None:
        return None
    done = target.run([*prefix, "cat", _PROFILES])
    if done.status:
        return None
    return frozenset(line.rpartition(" (")[0] for line in done.stdout.decode(errors="replace").splitlines())


def _log_plugins(docker: Docker, facts: Facts, spec: ContainerSpec) -> frozenset[str]:
    """The plugins that the target has enabled, with and without their tags, where the container's logs need one."""
    driver = spec.host_config.get("LogConfig", {}).get("Type", "")
    if driver in {"", "none", *facts.log_drivers}:
        return frozenset()
    names = {str(each.get("Name", "")) for each in docker.plugins() if each.get("Enabled")}
    return frozenset(names | {name.removesuffix(":latest") for name in names})
