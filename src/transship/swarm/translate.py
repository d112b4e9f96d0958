"""An ordinary container as a service: what Swarm has a word for, and what it has none for. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from transship.hosts.base import Json
from transship.spec.model import ContainerSpec, Mount, NetworkAttachment, PublishedPort

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

CARRIED = frozenset(
    {*_CONFIG, *_HOST_CONFIG, *_DNS, *_LIMITS, "StopTimeout", "ExtraHosts", "Tmpfs", "PortBindings", "LogConfig",
     "RestartPolicy"}
)  # fmt: skip
"""The fields of Config and HostConfig that a service keeps: what it cannot keep of them is told one by one."""

WITHOUT_MEANING: Mapping[str, str] = {
    "AttachStdin": "a matter of the client that ran it",
    "AttachStdout": "a matter of the client that ran it",
    "AttachStderr": "a matter of the client that ran it",
    "StdinOnce": "a matter of the client that ran it",
    "ConsoleSize": "a matter of the client that ran it",
    "ContainerIDFile": "a matter of the client that ran it",
    "ArgsEscaped": "for Windows",
    "OnBuild": "for builds",
    "Shell": "for builds",
    "ExposedPorts": "says something only with published ports, which are kept",
    "Volumes": "each is a mount with a name by now",
    "VolumesFrom": "each is a mount by now",
    "VolumeDriver": "the volumes are there",
    "AutoRemove": "such a container is not adopted",
    "Image": "a field of its own",
    "Binds": "the mounts have a place of their own",
    "Mounts": "the mounts have a place of their own",
    "NetworkMode": "the networks have a place of their own",
    "MacAddress": "the networks have a place of their own",
}
"""Fields that mean nothing for a service, and why."""

COMPOSE = "com.docker.compose."
"""How the labels begin by which Docker Compose knows its containers, to start and to remove them."""

_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - it is compared with what was asked for
_NO_EFFECT = frozenset({"copy", "consistent", "cached", "delegated"})
"""Words of a mount that say what is so anyway on Linux."""
_SHM_BYTES = 64 << 20


def service_spec(spec: ContainerSpec, name: str, node: str) -> dict[str, Any]:
    """The service with one task on `node` (its id) that is what the container is, as far as Swarm has words for it."""
    said = {_CONFIG[key]: value for key, value in spec.config.items() if key in _CONFIG}
    labels = {key: value for key, value in said.get("Labels", {}).items() if not key.startswith(COMPOSE)}
    container = {
        "Image": spec.image.reference,
        **said,
        **({"Labels": labels} if "Labels" in said else {}),
        **({"Env": [_literal(each) for each in said["Env"]]} if "Env" in said else {}),
        **({"Hostname": _literal(said["Hostname"])} if "Hostname" in said else {}),
        **{_HOST_CONFIG[key]: value for key, value in spec.host_config.items() if key in _HOST_CONFIG},
        **_container_more(spec),
        "Mounts": [*map(_mount, spec.mounts), *_tmpfs(spec.host_config)],
    }
    template: dict[str, Any] = {
        "ContainerSpec": container,
        "Placement": {"Constraints": [f"node.id=={node}"]},
        "RestartPolicy": _restart(spec.host_config.get("RestartPolicy") or {}),
        "Resources": _resources(spec.host_config),
        "Networks": _networks(spec),
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


def not_kept(spec: ContainerSpec, daemon: Json) -> tuple[str, ...]:
    """What the container says and Swarm has no word for, for a person; no value is told, as it may be a secret.

    `daemon` is what the node's daemon says of itself: it tells what a service's containers have anyway.
    """
    lost = [
        f"its setting {key}"
        for document in (spec.config, spec.host_config)
        for key, value in document.items()
        if key not in CARRIED and key not in WITHOUT_MEANING and not _has_anyway(spec, daemon, key, value)
    ]
    lost += [each for port in spec.published_ports for each in _lost_of_port(port)]
    lost += [
        f"the option {word} of its mount {mount.target}"
        for mount in spec.mounts
        for word in mount.mode
        if word not in _NO_EFFECT and word != "nocopy" and not _is_propagation(mount, word)
    ]
    for path, options in (spec.host_config.get("Tmpfs") or {}).items():
        lost += [f"the option {word.partition('=')[0]} of its tmpfs {path}" for word in _tmpfs_options(options)[1]]
    lost += [each for item in spec.networks for each in _lost_of_network(spec, item)]
    if any(key.startswith(COMPOSE) for key in spec.config.get("Labels", {})):
        lost.append(f"that it belongs to Docker Compose (its labels {COMPOSE}*)")
    if spec.network_mode.startswith("container:"):
        lost.append("the network of another container")
    if spec.network_mode == "none":
        lost.append("that it has no network")
    return tuple(lost)


def dropped(asked: object, kept: object, where: str = "") -> Iterator[str]:
    """What Swarm did not take of a spec: older versions leave out what they do not know, without a word. Its places."""
    if isinstance(asked, Mapping) and isinstance(kept, Mapping):
        for key, value in asked.items():
            if key != "Networks":  # they come back by their ids
                yield from dropped(value, kept.get(key), f"{where}.{key}".removeprefix("."))
    elif isinstance(asked, list) and isinstance(kept, list) and len(asked) == len(kept):
        for number, (one, other) in enumerate(zip(asked, kept, strict=True)):
            yield from dropped(one, other, f"{where}[{number}]")
    elif asked and asked != kept:
        yield where


def _has_anyway(spec: ContainerSpec, daemon: Json, key: str, value: object) -> bool:
    """Whether a service's containers have that value, though nobody can ask for it."""
    usual = {
        "IpcMode": ("private", "shareable"),
        "CgroupnsMode": ("private" if daemon.get("CgroupVersion") == "2" else "host",),
        "Runtime": (daemon.get("DefaultRuntime", "runc"),),
        "ShmSize": (_SHM_BYTES,),
        "Isolation": ("default",),
        # where the kernel counts no swap, Docker says so of every container with a limit
        "MemorySwap": (2 * spec.host_config.get("Memory", 0), *(() if daemon.get("SwapLimit") else (-1,))),
    }
    return value in usual.get(key, ())


def _literal(text: str) -> str:
    """So that Swarm, which fills in templates there, leaves it as it is."""
    return text.replace("{{", '{{"{{"}}')


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
    options = {key: value for key, value in mount.options.items() if key != "Consistency"}
    source, target = _literal(mount.source), _literal(mount.target)
    made: dict[str, Any] = {"Type": mount.type, "Source": source, "Target": target, **options}
    if mount.read_only:
        made["ReadOnly"] = True
    spread = [word for word in mount.mode if _is_propagation(mount, word)]
    if spread:
        made["BindOptions"] = {"Propagation": spread[0]}
    if "nocopy" in mount.mode:
        made["VolumeOptions"] = {"NoCopy": True}
    return made


def _is_propagation(mount: Mount, word: str) -> bool:
    return mount.type == "bind" and word.removeprefix("r") in {"shared", "slave", "private"}


def _tmpfs(host: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"Type": "tmpfs", "Target": _literal(path), **({"TmpfsOptions": known} if known else {})}
        for path, options in (host.get("Tmpfs") or {}).items()
        for known in (_tmpfs_options(options)[0],)
    ]


def _tmpfs_options(text: str) -> tuple[dict[str, int], list[str]]:
    """The options of a tmpfs that a service has words for, and the others. Three are set for every one."""
    known: dict[str, int] = {}
    others = []
    for word in filter(None, text.split(",")):
        name, _, value = word.partition("=")
        size = _bytes(value) if name == "size" else None
        if size is not None:
            known["SizeBytes"] = size
        elif name == "mode" and value and set(value) <= set("01234567"):
            known["Mode"] = int(value, 8)
        elif word not in {"rw", "noexec", "nosuid", "nodev"}:
            others.append(word)
    return known, others


def _bytes(text: str) -> int | None:
    number, unit = (text[:-1], text[-1:].lower()) if text[-1:].isalpha() else (text, "")
    shift = {"": 0, "k": 10, "m": 20, "g": 30}.get(unit)
    return int(number) << shift if shift is not None and number.isdecimal() else None


def _restart(policy: Mapping[str, Any]) -> dict[str, Any]:
    condition = _CONDITIONS.get(policy.get("Name", ""), "none")
    tries = policy.get("MaximumRetryCount") or 0
    return {"Condition": condition, **({"MaxAttempts": tries} if tries else {})}


def _resources(host: Mapping[str, Any]) -> dict[str, Any]:
    limits = {word: host[key] for key, word in _LIMITS.items() if host.get(key, 0) > 0}
    return {"Limits": limits} if limits else {}


def _networks(spec: ContainerSpec) -> list[dict[str, Any]]:
    """Those that a service can join: the swarm's own, and the host's."""
    if spec.network_mode == "host":
        return [{"Target": "host"}]
    return [
        {
            "Target": item.network.name,
            **({"Aliases": list(item.aliases)} if item.aliases else {}),
            **({"DriverOpts": dict(item.driver_options)} if item.driver_options else {}),
        }
        for item in spec.networks
        if item.network.scope == "swarm"
    ]


def _lost_of_network(spec: ContainerSpec, item: NetworkAttachment) -> Iterator[str]:
    name = item.network.name
    if item.network.scope != "swarm":
        if name != "bridge":
            yield f"the network {name}, which is its host's own"
        elif _networks(spec):
            yield "the network bridge beside those of the swarm"
    if item.ipv4 or item.ipv6 or item.mac or item.link_local:
        # what Swarm has chosen looks like what somebody wanted
        yield f"the {'' if item.network.scope == 'swarm' else 'fixed '}address in {name}"
    if item.links:
        yield f"its links in {name}"
    if item.gateway_priority:
        yield f"its priority of {name} for the way out"


def _ports(spec: ContainerSpec) -> list[dict[str, Any]]:
    """On the node itself, as the container's were. A port that Docker chose, Swarm chooses, too."""
    ports = [
        {
            "Protocol": port.protocol,
            "TargetPort": port.port,
            "PublishMode": "host",
            **({"PublishedPort": int(port.host_port)} if port.host_port.isdecimal() else {}),
        }
        for port in spec.published_ports
    ]
    return [port for number, port in enumerate(ports) if port not in ports[:number]]


def _lost_of_port(port: PublishedPort) -> Iterator[str]:
    if port.host_address not in _EVERY_ADDRESS:
        yield f"that its port {port.port} is published at {port.host_address} only"
    if port.host_port and not port.host_port.isdecimal():
        yield f"the range {port.host_port} of its port {port.port}"
