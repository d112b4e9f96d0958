"""The two containers that live makes of one, and the one that they are together."""

import re
from dataclasses import replace
from typing import Any

from transship.spec.codec import Json
from transship.spec.model import ContainerSpec

LABEL = "transship.sandbox"
"""On a sandbox, the name of the container that it is for."""

NETWORK_LABEL = "transship.network"
"""On a sandbox, which of its networks is the container's own."""

CONFIGURATION = "org.criu.config"
"""The annotation by which runc finds CRIU's options for a container."""

NETWORK_CONFIG = ("Hostname", "Domainname", "ExposedPorts")
NETWORK_HOST_CONFIG = (
    "PortBindings", "PublishAllPorts", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "Links", "UTSMode",
)  # fmt: skip
"""What of Docker's Config and HostConfig a sandbox has in the container's stead."""

_GENERATED = re.compile(r"[0-9a-f]{12}")


def sandbox_name(container: str) -> str:
    """What the sandbox of a container is called."""
    return f"{container}-sandbox"


def shown_attached(sandbox: Json) -> dict[str, Any]:
    """An inspected sandbox as if it had been created with its own network, rather than connected to it."""
    attached = sandbox["NetworkSettings"].get("Networks") or {}
    own = (sandbox["Config"].get("Labels") or {}).get(NETWORK_LABEL, "")
    mode = own if own in attached else min(attached, default="none")
    return {**sandbox, "HostConfig": {**sandbox["HostConfig"], "NetworkMode": mode}}


def whole(moved: ContainerSpec, sandbox: ContainerSpec) -> ContainerSpec:
    """The container that the two are together: what the source was before it was moved live."""
    config = {key: value for key, value in moved.config.items() if key not in NETWORK_CONFIG}
    host_config = {key: value for key, value in moved.host_config.items() if key not in NETWORK_HOST_CONFIG}
    host_config |= {key: sandbox.host_config[key] for key in NETWORK_HOST_CONFIG if key in sandbox.host_config}
    joined = {
        "Annotations": {
            key: value for key, value in host_config.get("Annotations", {}).items() if key != CONFIGURATION
        },
        "Sysctls": {**host_config.get("Sysctls", {}), **sandbox.host_config.get("Sysctls", {})},
    }
    return replace(
        moved,
        network_mode=sandbox.network_mode,
        networks=tuple(
            replace(item, aliases=tuple(alias for alias in item.aliases if alias != moved.name))
            for item in sandbox.networks
        ),
        config={**config, **_said_of_network(moved, sandbox)},
        host_config={**{key: value for key, value in host_config.items() if key not in joined}, **_given(joined)},
    )


def _said_of_network(moved: ContainerSpec, sandbox: ContainerSpec) -> dict[str, Any]:
    """What the user said of the network: no hostname that Docker has made up, no port that the image exposes."""
    said = {key: sandbox.config[key] for key in NETWORK_CONFIG if key in sandbox.config}
    if _GENERATED.fullmatch(said.get("Hostname", "")):
        del said["Hostname"]
    by_image = moved.image.config.get("ExposedPorts", {})
    said["ExposedPorts"] = {port: {} for port in said.get("ExposedPorts", {}) if port not in by_image}
    return _given(said)


def _given(members: Json) -> dict[str, Any]:
    return {key: value for key, value in members.items() if value}
