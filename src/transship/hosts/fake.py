import functools
import secrets
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar

from transship.errors import CommandError, ConflictError, DockerError, NotFoundError
from transship.hosts.base import Completed, Json
from transship.hosts.fake_images import FakeImages, chunks, full_name, pack, unpack
from transship.hosts.fake_inspect import FakeContainer, inspected, new_container, summary

_Words = ParamSpec("_Words")
_Answer = TypeVar("_Answer")


_KILLED = 137
"""The exit code of what was ended by SIGKILL."""

Moment = Literal["before", "middle", "after"]
"""When a request fails: without effect; in the middle of what it streams; done, but its answer is lost."""


@dataclass
class _Failure:
    method: str
    error: BaseException
    when: Moment
    skip: int

    def hits(self, method: str, when: Moment) -> bool:
        if self.when != when or self.method not in {method, "*"}:
            return False
        self.skip -= 1
        return self.skip < 0


def _request(
    method: Callable[Concatenate["FakeDocker", _Words], _Answer],
) -> Callable[Concatenate["FakeDocker", _Words], _Answer]:
    """Note the call, and let it fail where the test wants that."""

    @functools.wraps(method)
    def call(self: "FakeDocker", /, *args: _Words.args, **words: _Words.kwargs) -> _Answer:
        self.calls.append(method.__name__)
        self._interrupt(method.__name__, "before")
        answer = method(self, *args, **words)
        self._interrupt(method.__name__, "after")
        return answer

    return call


class FakeDocker:
    """A daemon in memory, for tests: it passes the same contract suite as the real one.

    A container's writable layer is `container(ref).files`. `taken` holds ports (`8080/tcp`) that something outside of
    Docker listens on; `registry` what can be pulled: layers and config by name.
    """

    def __init__(self, *, platform: str = "linux/amd64") -> None:
        self.images = FakeImages()
        self.registry: dict[str, tuple[Sequence[bytes], Mapping[str, object]]] = {}
        self.taken: set[str] = set()
        self.calls: list[str] = []
        self.platform = platform
        self.daemon: Json = {}
        self._containers: dict[str, FakeContainer] = {}
        self._networks: dict[str, Json] = {}
        self._volumes: dict[str, Json] = {}
        self._failures: list[_Failure] = []
        for name, driver in (("bridge", "bridge"), ("host", "host"), ("none", "null")):
            self._add_network({"Name": name, "Driver": driver})

    def fail(self, method: str, error: BaseException, *, when: Moment = "before", skip: int = 0) -> None:
        """Let a call of `method` (`*`: of any) raise `error` once, after letting `skip` calls through."""
        self._failures.append(_Failure(method, error, when, skip))

    def _interrupt(self, method: str, when: Moment) -> None:
        for failure in self._failures:
            if failure.hits(method, when):
                self._failures.remove(failure)
                raise failure.error

    def container(self, ref: str) -> FakeContainer:
        """The container itself, to look at and to change. Raises `NotFoundError`."""
        for each in self._containers.values():
            if ref.removeprefix("/") == each.name or (ref and each.id.startswith(ref)):
                return each
        raise NotFoundError(f"no such container: {ref}")

    # the daemon
    @_request
    def ping(self) -> None:
        return

    @_request
    def version(self) -> Json:
        system, architecture = self.platform.split("/")[:2]
        return {"Version": "28.5.2", "ApiVersion": "1.51", "Os": system, "Arch": architecture, "Components": []}

    @_request
    def info(self) -> Json:
        return {
            "Name": "fake", "ID": "fake", "OperatingSystem": "Fake", "OSType": "linux", "Architecture": "x86_64",
            "KernelVersion": "6.1.0", "Driver": "overlay2", "DriverStatus": [], "DockerRootDir": "/var/lib/docker",
            "CgroupVersion": "2", "CgroupDriver": "systemd", "SecurityOptions": [], "MemTotal": 1 << 33, "NCPU": 4,
            "DefaultRuntime": "runc", "Runtimes": {"runc": {}}, "LoggingDriver": "json-file",
            "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Log": ["json-file", "local"]},
            "Swarm": {"LocalNodeState": "inactive"}, "SystemTime": datetime.now(UTC).isoformat(),
            **self.daemon,
        }  # fmt: skip

    @_request
    def plugins(self) -> list[Json]:
        return []

    # containers
    @_request
    def containers(self) -> list[Json]:
        return [summary(each) for each in self._containers.values()]

    @_request
    def inspect_container(self, ref: str) -> Json:
        return deepcopy(inspected(self.container(ref), self._networks))

    @_request
    def changes(self, ref: str) -> list[Json]:
        container = self.container(ref)
        below = self.images.files(self.images.find(container.image))
        kinds = {path: 2 if new is None else int(path not in below) for path, new in container.files.items()}
        return [{"Path": f"/{path}", "Kind": kind} for path, kind in sorted(kinds.items())]

    @_request
    def layer_size(self, ref: str) -> int:
        return sum(len(content or b"") for content in self.container(ref).files.values())

    @_request
    def create_container(self, name: str, body: Mapping[str, Any], *, platform: str = "") -> str:
        image = self.images.find(body["Image"])
        if platform and platform.split("/")[:2] != [image.document["os"], image.document["architecture"]]:
            raise NotFoundError(f"the image {body['Image']} is not for {platform}")
        container = new_container(name or secrets.token_hex(6), image, deepcopy(dict(body)))
        self._free_name(container.name)
        for mount in container.mounts:
            if mount["Type"] == "volume":
                self._volumes.setdefault(mount["Name"], _volume({"Name": mount["Name"]}))
        self._containers[container.id] = container
        return container.id

    @_request
    def start(self, ref: str, *, checkpoint: str = "") -> None:  # noqa: ARG002 — it has no memory to go on from
        container = self.container(ref)
        if container.status == "running":
            return
        taken = self.taken.union(*(each.published for each in self._containers.values() if each.status == "running"))
        if both := taken & container.published:
            raise ConflictError(f"the port {min(both)} is already allocated")
        if missing := container.endpoints.keys() - self._networks.keys():
            raise NotFoundError(f"no such network: {min(missing)}")
        container.status, container.exit_code, container.started_at = "running", 0, _now()

    @_request
    def stop(self, ref: str, *, grace: int | None = None) -> None:  # noqa: ARG002 — it stops at once
        container = self.container(ref)
        if container.status not in {"running", "paused"}:
            return
        self._end(container)

    def _end(self, container: FakeContainer) -> None:
        container.status, container.finished_at = "exited", _now()
        if container.host_config["AutoRemove"]:
            self._remove(container, volumes=True)

    @_request
    def pause(self, ref: str) -> None:
        container = self.container(ref)
        if container.status != "running":
            raise ConflictError(f"the container {ref} is {container.status}")
        container.status = "paused"

    @_request
    def unpause(self, ref: str) -> None:
        container = self.container(ref)
        if container.status != "paused":
            raise DockerError(f"the container {ref} is not paused")
        container.status = "running"

    @_request
    def kill(self, ref: str) -> None:
        container = self.container(ref)
        if container.status not in {"running", "paused"}:
            raise ConflictError(f"the container {ref} is not running")
        self._end(container)
        container.exit_code = _KILLED

    @_request
    def rename(self, ref: str, name: str) -> None:
        container = self.container(ref)
        self._free_name(name)
        container.name = name

    @_request
    def set_restart_policy(self, ref: str, policy: Mapping[str, Any]) -> None:
        self.container(ref).host_config["RestartPolicy"] = {"MaximumRetryCount": 0, **policy}

    @_request
    def remove_container(self, ref: str, *, volumes: bool = False) -> None:
        with suppress(NotFoundError):
            self._remove(self.container(ref), volumes=volumes)

    def _remove(self, container: FakeContainer, *, volumes: bool) -> None:
        del self._containers[container.id]
        if volumes:
            named = {str(bind).partition(":")[0] for bind in container.host_config.get("Binds") or ()}
            named |= {str(mount.get("Source")) for mount in container.host_config.get("Mounts") or ()}
            for name in {mount["Name"] for mount in container.mounts if mount["Type"] == "volume"} - named:
                self._volumes.pop(name, None)

    def _free_name(self, name: str) -> None:
        if any(each.name == name for each in self._containers.values()):
            raise ConflictError(f"the container name {name!r} is already in use")

    @_request
    def export(self, ref: str) -> Iterator[bytes]:
        container = self.container(ref)
        files = self.images.files(self.images.find(container.image))
        present = {path: content for path, content in {**files, **container.files}.items() if content is not None}
        return self._stream("export", pack(present))

    def _stream(self, method: str, content: bytes) -> Iterator[bytes]:
        """Yield the content; a failure that comes after the request comes in its middle."""
        pieces = list(chunks(content))
        yield from pieces[: len(pieces) // 2]
        self._interrupt(method, "middle")
        yield from pieces[len(pieces) // 2 :]

    # images
    @_request
    def list_images(self) -> list[Json]:
        named = self.images.names.items()
        return [{"Id": each, "RepoTags": [name for name, id_ in named if id_ == each]} for each in self.images.images]

    @_request
    def inspect_image(self, ref: str) -> Json:
        image = self.images.find(ref)
        document = image.document
        names = [name for name, found in self.images.names.items() if found == image.id]
        return {
            "Id": image.id, "RepoTags": [each for each in names if "@" not in each],
            "RepoDigests": [each for each in names if "@" in each], "Architecture": document["architecture"],
            "Os": document["os"], "Config": document["config"], "Created": "2024-01-01T00:00:00Z",
            "Size": sum(len(self.images.layers[each]) for each in image.diff_ids),
            "RootFS": {"Type": "layers", "Layers": image.diff_ids},
        }  # fmt: skip

    @_request
    def history(self, ref: str) -> list[Json]:
        return [{"Size": len(self.images.layers[each])} for each in reversed(self.images.find(ref).diff_ids)]

    @_request
    def pull(self, ref: str, *, platform: str = "", progress: Callable[[int, int], None] | None = None) -> None:
        if ref not in self.registry:
            raise NotFoundError(f"the registry has no {ref}", hint="log in to the registry: docker login")
        layers, config = self.registry[ref]
        self.images.add(layers, config, name=ref, platform=platform or self.platform)
        if progress:
            size = sum(map(len, layers))
            progress(size, size)

    @_request
    def tag(self, ref: str, name: str) -> None:
        self.images.names[full_name(name)] = self.images.find(ref).id

    @_request
    def remove_image(self, ref: str) -> None:
        try:
            image = self.images.find(ref)
        except NotFoundError:
            return
        used = any(each.image == image.id for each in self._containers.values())
        if used and (ref.startswith("sha256:") or list(self.images.names.values()).count(image.id) <= 1):
            raise ConflictError(f"the image {ref} is in use")
        self.images.remove(ref)

    @_request
    def save(self, refs: Sequence[str]) -> Iterator[bytes]:
        return self._stream("save", self.images.save(refs))

    @_request
    def load(self, archive: Iterable[bytes]) -> None:
        self.images.load(b"".join(archive))

    @_request
    def import_image(self, archive: Iterable[bytes], name: str, *, platform: str = "") -> str:
        layer = b"".join(archive)
        try:
            unpack(layer)
        except tarfile.TarError as error:
            raise DockerError(f"what was to become {name} is no tar") from error
        return self.images.add([layer], name=name, platform=platform or self.platform)

    # networks and volumes
    @_request
    def networks(self) -> list[Json]:
        return deepcopy(list(self._networks.values()))

    @_request
    def inspect_network(self, ref: str) -> Json:
        network = self._network(ref)
        users = {each.id: {"Name": each.name} for each in self._users(network["Name"])}
        return deepcopy({**network, "Containers": users})

    @_request
    def create_network(self, body: Mapping[str, Any]) -> str:
        if body["Name"] in self._networks:
            raise ConflictError(f"a network {body['Name']} already exists")
        wanted = _subnets(body)
        for each in self._networks.values():
            if wanted & _subnets(each):
                raise ConflictError(f"the pool of {body['Name']} overlaps with {each['Name']}")
        return self._add_network(body)

    def _add_network(self, body: Mapping[str, Any]) -> str:
        identity = secrets.token_hex(32)
        default: Json = {
            "Scope": "local", "Driver": "bridge", "EnableIPv6": False, "Internal": False, "Attachable": False,
            "Ingress": False, "ConfigFrom": {"Network": ""}, "ConfigOnly": False, "Options": {}, "Labels": {},
            "IPAM": {"Driver": "default", "Options": None, "Config": []}, "Created": _now(),
        }  # fmt: skip
        self._networks[body["Name"]] = {**default, **deepcopy(dict(body)), "Id": identity}
        return identity

    @_request
    def connect(self, network: str, container: str, endpoint: Mapping[str, Any]) -> None:
        name, joined = self._network(network)["Name"], self.container(container)
        if name in joined.endpoints:
            raise ConflictError(f"the container {joined.name} is in the network {name} already")
        joined.endpoints[name] = deepcopy(dict(endpoint))

    @_request
    def disconnect(self, network: str, container: str) -> None:
        name, joined = self._network(network)["Name"], self.container(container)
        if joined.endpoints.pop(name, None) is None:
            raise NotFoundError(f"the container {joined.name} is not in the network {name}")

    @_request
    def remove_network(self, ref: str) -> None:
        try:
            network = self._network(ref)
        except NotFoundError:
            return
        if any(each.status == "running" for each in self._users(network["Name"])):
            raise ConflictError(f"the network {ref} has active endpoints")
        del self._networks[network["Name"]]

    def _network(self, ref: str) -> Json:
        for each in self._networks.values():
            if ref in {each["Name"], each["Id"]}:
                return each
        raise NotFoundError(f"no such network: {ref}")

    def _users(self, network: str) -> list[FakeContainer]:
        return [each for each in self._containers.values() if network in each.endpoints]

    @_request
    def inspect_volume(self, name: str) -> Json:
        if name not in self._volumes:
            raise NotFoundError(f"no such volume: {name}")
        return deepcopy(self._volumes[name])

    @_request
    def volume_sizes(self) -> dict[str, int]:
        return dict.fromkeys(self._volumes, 0)

    @_request
    def create_volume(self, body: Mapping[str, Any]) -> None:
        self._volumes.setdefault(body["Name"], _volume(body))

    @_request
    def remove_volume(self, name: str) -> None:
        if any(mount.get("Name") == name for each in self._containers.values() for mount in each.mounts):
            raise ConflictError(f"the volume {name} is in use")
        self._volumes.pop(name, None)


def _volume(body: Mapping[str, Any]) -> Json:
    return {
        "Name": body["Name"], "Driver": body.get("Driver") or "local", "Options": body.get("DriverOpts"),
        "Labels": body.get("Labels"), "Scope": "local", "Mountpoint": f"/var/lib/docker/volumes/{body['Name']}/_data",
        "CreatedAt": _now(),
    }  # fmt: skip


def _subnets(network: Mapping[str, Any]) -> set[str]:
    return {pool["Subnet"] for pool in (network.get("IPAM") or {}).get("Config") or () if pool.get("Subnet")}


def _now() -> str:
    return datetime.now(UTC).isoformat()


class FakeHost:
    """A host in memory. `programs` answers `run`; without it the host is one that only Docker's API is reachable of."""

    def __init__(
        self, name: str = "fake", *, docker: FakeDocker | None = None,
        programs: Callable[[Sequence[str], bytes], Completed] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.network_address = "127.0.0.1"
        self.docker = docker or FakeDocker()
        self._programs = programs

    @property
    def can_run(self) -> bool:
        return self._programs is not None

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:  # noqa: ARG002 — answers at once
        if self._programs is None:
            raise CommandError(f"{self.name} is reached by Docker's API alone: no program can be run there")
        return self._programs(argv, stdin)

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        raise CommandError(f"{argv[0]} cannot be started on {self.name}, which is no real host")

    def close(self) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
