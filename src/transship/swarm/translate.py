"""An ordinary container as a service: what Swarm has a word for, and what it has none for. Pure."""

from collections.abc import Mapping
from typing import Any

from transship.spec.model import ContainerSpec, Mount

_NANO = 1_000_000_000
_CONFIG = {
    "Env": "Env", "Labels": "Labels", "WorkingDir": "Dir", "User": "User", "Hostname": "Hostname", "Tty": "TTY",
    "OpenStdin": "OpenStdin", "StopSignal": "StopSignal", "Healthcheck": "Healthcheck", "Entrypoint": "Command",
    "Cmd": "Args",
}  # fmt: skip
_HOST_CONFIG = {
    "Init": "Init", "ReadonlyRootfs": "ReadOnly", "CapAdd": "CapabilityAdd", "CapDrop": "CapabilityDrop",
    "Sysctls": "Sysctls", "Ulimits": "Ulimits", "GroupAdd": "Groups",
}  # fmt: skip
"""Fields of a container and what a service calls the same thing."""

_DNS = {"Dns": "Nameservers", "DnsSearch": "Search", "DnsOptions": "Options"}
_LIMITS = {"Memory": "MemoryBytes", "NanoCpus": "NanoCPUs", "PidsLimit": "Pids"}
_CONDITIONS = {"always": "any", "unless-stopped": "any", "on-failure": "on-failure"}

_SAID_ELSEWHERE = {
    "StopTimeout", "ExtraHosts", "Tmpfs", "PortBindings", "MemoryReservation", "LogConfig", "RestartPolicy",
}  # fmt: skip
_ANYTHING = frozenset(
    {"AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce", "ExposedPorts", "Volumes", "CgroupnsMode"}
)
_USUAL: Mapping[str, tuple[Any, ...]] = {
    "IpcMode": ("private", "shareable"),
    "ShmSize": (64 << 20,),
    "Runtime": ("runc",),
}
"""Fields that mean nothing for a service, and values of others that they have there anyway."""

_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - it is compared with what was asked for


def service_spec(spec: ContainerSpec, name: str, node: str) -> dict[str, Any]:
    """The service with one task on `node` (its id) that is what the container is, as far as Swarm has words for it."""
    container = {
        "Image": spec.image.reference,
        **{_CONFIG[key]: value for key, value in spec.config.items() if key in _CONFIG},
        **{_HOST_CONFIG[key]: value for key, value in spec.host_config.items() if key in _HOST_CONFIG},
        **_container_more(spec),
        "Mounts": [*map(_mount, spec.mounts), *_tmpfs(spec.host_config)],
    }
    template: dict[str, Any] = {
        "ContainerSpec": container,
        "Placement": {"Constraints": [f"node.id=={node}"]},
        "RestartPolicy": _restart(spec.host_config.get("RestartPolicy") or {}),
        "Resources": _resources(spec.host_config),
        "Networks": [{"Target": each} for each in _networks(spec)],
    }
    log = spec.host_config.get("LogConfig") or {}
    if log.get("Type"):
        template["LogDriver"] = {"Name": log["Type"], "Options": log.get("Config") or {}}
    return {
        "Name": name,
        "Labels": {},
        "TaskTemplate": template,
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "dnsrr", "Ports": _ports(spec)},
    }


def not_kept(spec: ContainerSpec) -> tuple[str, ...]:
    """What the container says and Swarm has no word for, for a person; no value is told, as it may be a secret."""
    lost = [
        f"its setting {key}"
        for document, known in ((spec.config, _CONFIG), (spec.host_config, _HOST_CONFIG))
        for key, value in document.items()
        if key not in {*known, *_DNS, *_LIMITS, *_SAID_ELSEWHERE}
        and value not in (None, "", 0, False, [], {})
        and not _goes_without_saying(spec, key, value)
    ]
    lost += [
        f"the address {port.host_address} of its port {port.port}"
        for port in spec.published_ports
        if port.host_address not in _EVERY_ADDRESS
    ]
    lost += [f"the network {item.network.name}, which is its host's own" for item in spec.networks
             if item.network.name not in {*_networks(spec), "bridge", "none"}]  # fmt: skip
    lost += [
        f"the fixed address in {item.network.name}" for item in spec.networks if item.ipv4 or item.ipv6 or item.mac
    ]
    if spec.network_mode.startswith("container:"):
        lost.append("the network of another container")
    return tuple(lost)


def _goes_without_saying(spec: ContainerSpec, key: str, value: object) -> bool:
    twice = 2 * spec.host_config.get("Memory", 0)
    return key in _ANYTHING or value in _USUAL.get(key, ()) or (key == "MemorySwap" and value == twice)


def _container_more(spec: ContainerSpec) -> dict[str, Any]:
    config, host = spec.config, spec.host_config
    more: dict[str, Any] = {}
    if config.get("StopTimeout") is not None:
        more["StopGracePeriod"] = config["StopTimeout"] * _NANO
    if dns := {word: host[key] for key, word in _DNS.items() if host.get(key)}:
        more["DNSConfig"] = dns
    if host.get("ExtraHosts"):
        # a service writes them as /etc/hosts does: the address first
        more["Hosts"] = [" ".join(reversed(each.replace("=", ":", 1).split(":", 1))) for each in host["ExtraHosts"]]
    return more


def _mount(mount: Mount) -> dict[str, Any]:
    made: dict[str, Any] = {"Type": mount.type, "Source": mount.source, "Target": mount.target, **mount.options}
    if mount.read_only:
        made["ReadOnly"] = True
    spread = [word for word in mount.mode if word.removeprefix("r") in {"shared", "slave", "private"}]
    if spread and mount.type == "bind":
        made["BindOptions"] = {"Propagation": spread[0]}
    if "nocopy" in mount.mode:
        made["VolumeOptions"] = {"NoCopy": True}
    return made


def _tmpfs(host: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"Type": "tmpfs", "Target": path} for path in host.get("Tmpfs") or {}]


def _restart(policy: Mapping[str, Any]) -> dict[str, Any]:
    condition = _CONDITIONS.get(policy.get("Name", ""), "none")
    tries = policy.get("MaximumRetryCount") or 0
    return {"Condition": condition, **({"MaxAttempts": tries} if tries else {})}


def _resources(host: Mapping[str, Any]) -> dict[str, Any]:
    limits = {word: host[key] for key, word in _LIMITS.items() if host.get(key)}
    reserved = {"MemoryBytes": host["MemoryReservation"]} if host.get("MemoryReservation") else {}
    return {**({"Limits": limits} if limits else {}), **({"Reservations": reserved} if reserved else {})}


def _networks(spec: ContainerSpec) -> list[str]:
    """Those that a service can join: the swarm's own, and the host's."""
    return [item.network.name for item in spec.networks if item.network.scope == "swarm" or item.network.name == "host"]


def _ports(spec: ContainerSpec) -> list[dict[str, Any]]:
    """On the node itself, as the container's were. A port that Docker chose, Swarm chooses, too."""
    return [
        {
            "Protocol": port.protocol,
            "TargetPort": port.port,
            "PublishMode": "host",
            **({"PublishedPort": int(port.host_port)} if port.host_port.isdecimal() else {}),
        }
        for port in spec.published_ports
    ]
