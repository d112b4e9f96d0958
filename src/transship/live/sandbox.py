"""Two containers out of one: the sandbox has the network, the moved container has everything else.

CRIU restores under Docker only where the network namespace is there already (docs/live.md). So a small container of its
own, the sandbox, takes the addresses, names and ports, and the moved container borrows its network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from transship.sandbox.image import PROGRAM
from transship.sandbox.whole import (
    CONFIGURATION,
    LABEL,
    NETWORK_CONFIG,
    NETWORK_HOST_CONFIG,
    NETWORK_LABEL,
    sandbox_name,
)
from transship.spec.fields import ApiVersion
from transship.spec.merge import merged
from transship.spec.model import PREDEFINED_NETWORKS, ContainerSpec, Mount, NetworkAttachment
from transship.spec.render import create_body

ANNOTATIONS_SINCE: ApiVersion = (1, 43)

NOWHERE = "none"
"""The network that a sandbox is created on, and disconnected from before it is connected to others."""

ALL_AT_CREATE: ApiVersion = (1, 44)
_PROCESSES = 8
_SOCKET = "/docker.sock"
_LEFT_DOWN = "cannot join network"
"""What Docker says of a container that it has tried to start before the one whose network it has, in all versions."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sandbox must know of its host and of the container.

    `image` is the name of its image, `hostname` what the container is called by itself, which it learned when it began
    and must go on hearing, `docker_socket` where the host's Docker listens.
    """

    image: str
    hostname: str
    docker_socket: str
    api_version: ApiVersion


def sandbox_body(spec: ContainerSpec, around: Surroundings) -> dict[str, Any]:
    """The body that creates the sandbox of a container: its network, and nothing else of it.

    It has no address before `endpoints` are connected, which can be while it runs: so it runs beforehand.

    A daemon that begins starts its containers in any order, and one whose network does not run yet is left down for
    good (moby issue 50326). So whenever the sandbox begins, it asks Docker whether that is why the container is down,
    and then has it started.
    """
    said = merged(spec.config, spec.image.config)
    config = {key: said[key] for key in NETWORK_CONFIG if key in said}
    where = f"/containers/{spec.name}"
    question, request = f"GET {where}/json HTTP/1.0\r\n\r\n", f"POST {where}/start HTTP/1.0\r\n\r\n"
    config |= {
        "Hostname": around.hostname,
        "Entrypoint": [PROGRAM],
        "Cmd": [_SOCKET, question, request, _LEFT_DOWN],
        "Labels": {LABEL: spec.name, NETWORK_LABEL: spec.network_mode},
        "User": "0:0",
    }
    host_config = {key: spec.host_config[key] for key in NETWORK_HOST_CONFIG if key in spec.host_config}
    sysctls = {key: value for key, value in _sysctls(spec).items() if key.startswith("net.")}
    host_config |= {
        "Sysctls": sysctls,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "PidsLimit": _PROCESSES,
        "LogConfig": {"Type": "none"},
    }
    socket = Mount("bind", around.docker_socket, _SOCKET, read_only=True, form="structured")
    alone = replace(
        spec, network_mode=NOWHERE, config=config, host_config=host_config, mounts=(socket,), volumes=(), networks=()
    )
    return create_body(alone, image=around.image, api_version=around.api_version)


def endpoints(spec: ContainerSpec) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The networks to connect a running sandbox to, each with its endpoint's settings, the container's own first.

    Other containers find the sandbox there under the container's own name and aliases.
    """
    networks = tuple(_named(item, spec.name) for item in spec.networks)
    body = create_body(replace(spec, networks=networks), image="", api_version=ALL_AT_CREATE)
    found: dict[str, Any] = body["NetworkingConfig"]["EndpointsConfig"]
    return tuple((name, found[name]) for name in sorted(found, key=lambda name: (name != spec.network_mode, name)))


def moved_spec(spec: ContainerSpec, *, configuration: str) -> ContainerSpec:
    """The container as it is beside its sandbox. `configuration` is where its host will have CRIU's options for it."""
    annotations = {**spec.host_config.get("Annotations", {}), CONFIGURATION: configuration}
    host_config = {key: value for key, value in spec.host_config.items() if key not in NETWORK_HOST_CONFIG}
    host_config |= {"Annotations": annotations}
    own = {key: value for key, value in _sysctls(spec).items() if not key.startswith("net.")}
    host_config.pop("Sysctls", None)
    if own:
        host_config["Sysctls"] = own
    return replace(
        spec,
        network_mode=f"container:{sandbox_name(spec.name)}",
        networks=(),
        config={key: value for key, value in spec.config.items() if key not in NETWORK_CONFIG},
        host_config=host_config,
    )


def _named(item: NetworkAttachment, name: str) -> NetworkAttachment:
    """The attachment under which others find the container's name; the predefined networks know no names."""
    if item.network.name in PREDEFINED_NETWORKS or name in item.aliases:
        return item
    return replace(item, aliases=(*item.aliases, name))


def _sysctls(spec: ContainerSpec) -> Mapping[str, str]:
    found: Mapping[str, str] = spec.host_config.get("Sysctls", {})
    return found
