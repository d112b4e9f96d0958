"""A service's task as an ordinary container: what is kept of the service, and what is not. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from transship.hosts.base import Json
from transship.spec.model import ContainerSpec
from transship.swarm.constraints import admits, is_pin
from transship.swarm.model import Node, Service, UpdateSettings
from transship.swarm.record import CLAIM, PIN

OF_SWARM = "com.docker.swarm."
"""How the labels begin that Swarm gives the containers of its tasks."""

_NANO = 1_000_000_000
_POLICIES = {"any": "unless-stopped", "on-failure": "on-failure", "none": "no"}
_PAUSE = 5 * _NANO
"""What Swarm waits before it starts a task again where nobody says anything."""

_USUAL_UPDATE = UpdateSettings("stop-first", 1, 0.0, 5.0, "pause")

OF_CONTAINER = frozenset(
    {"Image", "Labels", "Command", "Args", "Hostname", "Env", "Dir", "User", "Groups", "Privileges", "Init",
     "StopSignal", "TTY", "OpenStdin", "ReadOnly", "Mounts", "Healthcheck", "Hosts", "DNSConfig", "Isolation",
     "Sysctls", "CapabilityAdd", "CapabilityDrop", "Ulimits", "OomScoreAdj"}
)  # fmt: skip
"""Fields of a service's ContainerSpec that Swarm makes its containers with: the container itself tells of them."""

WITHOUT_MEANING: Mapping[str, str] = {
    "Name": "the container gets it",
    "Mode": "one task, or it is not released",
    "ForceUpdate": "a count",
    "Runtime": "containers have no other",
    "LogDriver": "the container itself tells of it",
    "Platforms": "those of its image",
    "Limits": "the container itself tells of them",
    "SwapBytes": "the container itself tells of it",
    "MemorySwappiness": "the container itself tells of it",
}
"""Fields of a service's spec that say nothing more about its container, and why."""

_TOLD = {
    "ContainerSpec": {*OF_CONTAINER, "StopGracePeriod", "Secrets", "Configs"},
    "TaskTemplate": {"ContainerSpec", "Resources", "RestartPolicy", "Placement", "Networks"},
    "Spec": {"Labels", "TaskTemplate", "UpdateConfig", "RollbackConfig", "EndpointSpec", "Networks"},
    "RestartPolicy": {"Condition", "Delay", "MaxAttempts", "Window"},
    "Placement": {"Constraints", "Preferences", "MaxReplicas"},
    "Resources": {"Reservations"},
    "EndpointSpec": {"Mode", "Ports"},
}
"""Fields that have a line of their own below, or are a reason to refuse (secrets, configs)."""


def as_container(service: Service, spec: ContainerSpec, aliases: Mapping[str, tuple[str, ...]]) -> ContainerSpec:
    """What the service's container (`spec`, as it is) is without Swarm. `aliases` are the service's, by network."""
    labels = {key: value for key, value in spec.config.get("Labels", {}).items() if not key.startswith(OF_SWARM)}
    config = {key: value for key, value in spec.config.items() if key != "Labels"}
    host = {key: value for key, value in spec.host_config.items() if (key, value) != ("Isolation", "default")}
    grace = service.container.get("StopGracePeriod")
    # The addresses were Swarm's choice for this one task.
    networks = tuple(
        replace(item, ipv4="", ipv6="", mac="", aliases=aliases.get(item.network.name, ()))
        for item in spec.networks
        if item.network.attachable
    )
    mode = spec.network_mode if spec.network_mode in {"host", "none"} else "bridge"
    return replace(
        spec,
        name=service.name,
        network_mode=networks[0].network.name if networks else mode,
        networks=networks,
        config={
            **config,
            **({"Labels": labels} if labels else {}),
            **({} if grace is None else {"StopTimeout": -(-grace // _NANO)}),
        },
        host_config={**host, "RestartPolicy": _policy(service), "PortBindings": _bindings(service)},
    )


def not_kept(service: Service, spec: ContainerSpec, node: Node) -> tuple[str, ...]:
    """What the service says and its container on `node` will not, for a person."""
    return (
        *_of_networks(spec),
        *_of_ports(service),
        *_of_restarts(service.template.get("RestartPolicy") or {}),
        *_of_placement(service, node),
        *_of_templates(service),
        *_of_the_rest(service),
        "what its task wrote into its own filesystem",
    )


def _of_networks(spec: ContainerSpec) -> Iterator[str]:
    for item in spec.networks:
        if item.network.scope == "swarm" and not (item.network.attachable or item.network.ingress):
            yield f"the network {item.network.name}, which only services may join,"


def _of_ports(service: Service) -> Iterator[str]:
    for port in service.ports:
        if port.get("PublishMode", "ingress") == "ingress":
            number = port.get("PublishedPort") or f"that Swarm chose for its port {port.get('TargetPort')}"
            yield f"the port {number} on every other node"


def _of_restarts(policy: Json) -> Iterator[str]:
    if policy.get("MaxAttempts") and policy.get("Condition", "any") != "on-failure":
        yield "the number of times that it is started again"
    if policy.get("Delay", _PAUSE) != _PAUSE:
        yield "the pause before it is started again"
    if policy.get("Window"):
        yield "the time in which its restarts are counted"


def _of_placement(service: Service, node: Node) -> Iterator[str]:
    for each in service.constraints:
        if not (is_pin(each) and admits(each, node)):
            yield f"the constraint {each}"
    if service.placement.get("Preferences"):
        yield "where its tasks are put by preference"
    if service.placement.get("MaxReplicas"):
        yield "how many of its tasks a node may run"


def _of_templates(service: Service) -> Iterator[str]:
    """Swarm fills in templates for each task; the container keeps what they gave for the last one."""
    for each in service.container.get("Env") or ():
        if "{{" in each:
            yield f"the template in its environment variable {each.partition('=')[0]}"
    if "{{" in service.container.get("Hostname", ""):
        yield "the template in its hostname"
    if any("{{" in mount.source + mount.target for mount in service.mounts):
        yield "the template in a mount"


def _of_the_rest(service: Service) -> Iterator[str]:
    for name in sorted(service.labels.keys() - {CLAIM, PIN}):
        yield f"the service's label {name}"
    back = service.spec.get("RollbackConfig") or {}
    if {service.update, replace(service, spec={**service.spec, "UpdateConfig": back}).update} != {_USUAL_UPDATE}:
        yield "how it is updated"
    resources = service.template.get("Resources") or {}
    if any((resources.get("Reservations") or {}).values()):
        yield "what is reserved for it"
    parts = {
        "Spec": service.spec,
        "TaskTemplate": service.template,
        "ContainerSpec": service.container,
        "RestartPolicy": service.template.get("RestartPolicy") or {},
        "Placement": service.placement,
        "Resources": resources,
        "EndpointSpec": service.spec.get("EndpointSpec") or {},
    }
    for part, document in parts.items():
        for key, value in document.items():
            if value and key not in _TOLD[part] and key not in WITHOUT_MEANING:
                yield f"its setting {key}"


def _policy(service: Service) -> dict[str, Any]:
    restart = service.template.get("RestartPolicy") or {}
    policy: dict[str, Any] = {"Name": _POLICIES[restart.get("Condition") or "any"]}
    if policy["Name"] == "on-failure" and restart.get("MaxAttempts"):
        policy["MaximumRetryCount"] = restart["MaxAttempts"]
    return policy


def _bindings(service: Service) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for port in service.ports:
        key = f"{port['TargetPort']}/{port.get('Protocol', 'tcp')}"
        found.setdefault(key, []).append({"HostIp": "", "HostPort": str(port.get("PublishedPort") or "")})
    return found
