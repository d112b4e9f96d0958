import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from transship.hosts.base import Json
from transship.hosts.fake_images import FakeImage

NEVER = "0001-01-01T00:00:00Z"

_HOST_CONFIG: Json = {
    "Binds": None, "LogConfig": {"Type": "json-file", "Config": {}}, "NetworkMode": "bridge", "PortBindings": {},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": False, "VolumesFrom": None, "CapAdd": None,
    "CapDrop": None, "CgroupnsMode": "private", "Dns": None, "DnsOptions": None, "DnsSearch": None, "ExtraHosts": None,
    "GroupAdd": None, "IpcMode": "private", "Links": None, "OomScoreAdj": 0, "PidMode": "", "Privileged": False,
    "PublishAllPorts": False, "ReadonlyRootfs": False, "SecurityOpt": None, "UTSMode": "", "UsernsMode": "",
    "ShmSize": 67108864, "Runtime": "runc", "Memory": 0, "NanoCpus": 0, "Devices": None, "Ulimits": None,
}  # fmt: skip

_CONFIG: Json = {
    "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False, "Tty": False,
    "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Volumes": None, "WorkingDir": "",
    "Entrypoint": None, "OnBuild": None, "Labels": {},
}  # fmt: skip


@dataclass
class FakeContainer:
    """A container of a fake daemon. `files` is its writable layer; None stands for a path that was deleted."""

    id: str
    name: str
    image: str
    config: Json
    host_config: Json
    endpoints: dict[str, Json]
    mounts: list[Json]
    status: str = "created"
    exit_code: int = 0
    health: str = ""
    started_at: str = NEVER
    finished_at: str = NEVER
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    files: dict[str, bytes | None] = field(default_factory=dict)

    @property
    def published(self) -> set[str]:
        """The host's ports that it takes while it runs: `8080/tcp`."""
        bindings = self.host_config.get("PortBindings") or {}
        return {
            f"{bound['HostPort']}/{port.partition('/')[2] or 'tcp'}"
            for port, hosts in bindings.items() for bound in hosts or () if bound.get("HostPort")
        }  # fmt: skip


def new_container(name: str, image: FakeImage, body: Mapping[str, Any]) -> FakeContainer:
    """What a create body makes of an image, filled up as the daemon does."""
    identity = secrets.token_hex(32)
    given = {key: value for key, value in body.items() if key not in {"HostConfig", "NetworkingConfig"}}
    config = {"Hostname": identity[:12], **_CONFIG, **_merged(given, image.document.get("config") or {})}
    host_config = {**_HOST_CONFIG, **(body.get("HostConfig") or {})}
    if host_config["NetworkMode"] in {"", "default"}:
        host_config["NetworkMode"] = "bridge"
    endpoints = dict((body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {})
    mode = str(host_config["NetworkMode"])
    if not mode.startswith("container:"):
        endpoints.setdefault(mode, {})
    health = "starting" if config.get("Healthcheck") else ""
    mounts = [*_asked(host_config), *_anonymous(config, host_config)]
    return FakeContainer(identity, name, image.id, config, host_config, endpoints, mounts, health=health)


def _merged(given: Json, image: Json) -> Json:
    """The container's words with the image's where it says nothing, as the daemon merges them at create."""
    merged = {**image, **{key: value for key, value in given.items() if value is not None}}
    for key in ("Labels", "ExposedPorts", "Volumes"):
        if image.get(key) or given.get(key):
            merged[key] = {**(image.get(key) or {}), **(given.get(key) or {})}
    env = list(given.get("Env") or ())
    names = {item.partition("=")[0] for item in env}
    merged["Env"] = [*env, *(item for item in image.get("Env") or () if item.partition("=")[0] not in names)]
    if given.get("Entrypoint") and not given.get("Cmd"):
        merged["Cmd"] = None
    return merged


def _asked(host_config: Json) -> list[Json]:
    binds = [_bind(*bind.split(":")) for bind in host_config.get("Binds") or ()]
    mounts = [
        _mount(
            each.get("Type", "volume"), each.get("Source", ""), each["Target"], read_only=each.get("ReadOnly", False)
        )
        for each in host_config.get("Mounts") or ()
    ]
    return [*binds, *mounts]


def _anonymous(config: Json, host_config: Json) -> list[Json]:
    taken = {mount["Destination"] for mount in _asked(host_config)}
    return [_mount("volume", "", path) for path in config.get("Volumes") or () if path not in taken]


def _bind(source: str, target: str, mode: str = "") -> Json:
    kind = "bind" if source.startswith("/") else "volume"
    return _mount(kind, source, target, read_only="ro" in mode.split(","))


def _mount(kind: str, source: str, target: str, *, read_only: bool = False) -> Json:
    mount: Json = {"Type": kind, "Source": source, "Destination": target, "Mode": "", "RW": not read_only}
    if kind == "volume":
        name = source or secrets.token_hex(32)
        mount.update(Name=name, Driver="local", Source=f"/var/lib/docker/volumes/{name}/_data", Propagation="")
    return mount


def inspected(container: FakeContainer, networks: Mapping[str, Json]) -> Json:
    """What `inspect` says of it; `networks` are the daemon's, by name."""
    command = [*(container.config.get("Entrypoint") or ()), *(container.config.get("Cmd") or ())]
    return {
        "Id": container.id, "Name": f"/{container.name}", "Image": container.image, "Created": container.created,
        "Path": command[0] if command else "", "Args": command[1:], "State": _state(container), "RestartCount": 0,
        "Driver": "overlay2", "Platform": "linux", "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": "",
        "ExecIDs": None, "HostConfig": container.host_config, "Config": container.config,
        "Mounts": container.mounts,
        "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": f"/var/lib/docker/overlay2/{container.id}/diff"}},
        "NetworkSettings": {
            "Ports": _ports(container),
            "Networks": {name: _endpoint(container, each, networks.get(name, {})) for name, each in
                         container.endpoints.items()},
        },
    }  # fmt: skip


def summary(container: FakeContainer) -> Json:
    """What the list of containers says of it."""
    return {
        "Id": container.id, "Names": [f"/{container.name}"], "Image": container.config["Image"],
        "ImageID": container.image, "State": container.status, "Status": container.status,
        "Labels": container.config.get("Labels") or {}, "Ports": _listed_ports(container), "Mounts": container.mounts,
        "HostConfig": {"NetworkMode": container.host_config["NetworkMode"]},
        "NetworkSettings": {"Networks": container.endpoints},
    }  # fmt: skip


def _state(container: FakeContainer) -> Json:
    running = container.status in {"running", "paused"}
    state: Json = {
        "Status": container.status, "Running": running, "Paused": container.status == "paused", "Restarting": False,
        "OOMKilled": False, "Dead": False, "Pid": 1000 if running else 0, "ExitCode": container.exit_code, "Error": "",
        "StartedAt": container.started_at, "FinishedAt": container.finished_at,
    }  # fmt: skip
    if container.health:
        state["Health"] = {"Status": container.health, "FailingStreak": 0, "Log": []}
    return state


def _ports(container: FakeContainer) -> Json:
    bindings = container.host_config.get("PortBindings") or {}
    if container.status != "running":
        return {}
    return {port: bindings.get(port) for port in (container.config.get("ExposedPorts") or bindings)}


def _listed_ports(container: FakeContainer) -> Iterable[Json]:
    ports = []
    for port, bound in _ports(container).items():
        number, _, protocol = port.partition("/")
        for each in bound or ():
            public = int(each.get("HostPort") or 0)
            address = each.get("HostIp") or "0.0.0.0"  # noqa: S104 — what Docker says of a port on all addresses
            ports.append({"IP": address, "PrivatePort": int(number), "PublicPort": public, "Type": protocol or "tcp"})
    return ports


def _endpoint(container: FakeContainer, asked: Json, network: Json) -> Json:
    names = [container.name, *(asked.get("Aliases") or ()), container.id[:12]]
    return {
        "IPAMConfig": None, "Links": None, "Aliases": None, "MacAddress": "", "DriverOpts": None, "IPAddress": "",
        **asked, "NetworkID": network.get("Id", ""), "DNSNames": names if network.get("Name") != "bridge" else None,
    }  # fmt: skip
