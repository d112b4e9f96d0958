import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

Json = dict[str, Any]
"""An object as Docker's API sends it."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ended on a host."""

    status: int
    stdout: bytes
    stderr: bytes


class Docker(Protocol):
    """Docker's API on one host, in the words of this project.

    Every method blocks. Each raises `NotFoundError`, `ConflictError`, `NoSpaceError` or, for any other refusal,
    `DockerError`; `UnreachableError`, `AccessDeniedError` or `DockerDownError` when the daemon cannot be spoken to
    (any more). After a failure nothing is known of the request's effect: ask. `ref` is a name or an id.
    Streams are read in chunks and never held in memory.
    """

    # the daemon
    def ping(self) -> None:
        """Do the cheapest request that there is: it tells that the daemon answers, and how fast."""
        ...

    def version(self) -> Json: ...
    def info(self) -> Json: ...

    def plugins(self) -> list[Json]:
        """The plugins that are installed, as the API lists them."""
        ...

    # containers
    def containers(self) -> list[Json]:
        """All containers, stopped ones too, as the API lists them."""
        ...

    def inspect_container(self, ref: str) -> Json: ...

    def changes(self, ref: str) -> list[Json]:
        """What the writable layer changed: objects with `Path` and `Kind` (0 changed, 1 added, 2 deleted)."""
        ...

    def layer_size(self, ref: str) -> int:
        """The bytes in a container's writable layer. The daemon looks at every file of it."""
        ...

    def create_container(self, name: str, body: Mapping[str, Any], *, platform: str = "") -> str:
        """Create a container from a raw create body and return its id. It is not started."""
        ...

    def start(self, ref: str, *, checkpoint: str = "") -> None:
        """Start a container; with `checkpoint`, one of its own by name, its processes go on from there."""
        ...

    def stop(self, ref: str, *, grace: int | None = None) -> None:
        """Stop with the container's own signal, and its own grace period unless `grace` (seconds) says otherwise."""
        ...

    def pause(self, ref: str) -> None:
        """Freeze every process of a running container. Frozen already, or not running: `ConflictError`."""
        ...

    def unpause(self, ref: str) -> None:
        """Let a frozen container go on. Not frozen: `DockerError`."""
        ...

    def kill(self, ref: str) -> None:
        """End a container at once, a frozen one too. Not running: `ConflictError`."""
        ...

    def rename(self, ref: str, name: str) -> None: ...
    def set_restart_policy(self, ref: str, policy: Mapping[str, Any]) -> None: ...

    def remove_container(self, ref: str, *, volumes: bool = False) -> None:
        """Remove a container, running or not; its anonymous volumes only if `volumes`. Not there (any more): fine."""
        ...

    def export(self, ref: str) -> Iterator[bytes]:
        """The container's filesystem as one tar, without its volumes."""
        ...

    # images
    def list_images(self) -> list[Json]:
        """All images, those without a name too, as the API lists them."""
        ...

    def inspect_image(self, ref: str) -> Json: ...

    def history(self, ref: str) -> list[Json]:
        """How an image was made, the newest step first; `Size` is what each brought, in bytes."""
        ...

    def pull(self, ref: str, *, platform: str = "", progress: Callable[[int, int], None] | None = None) -> None:
        """Pull `repository:tag` or `repository@digest`. `progress` hears the bytes done and the bytes known so far."""
        ...

    def tag(self, ref: str, name: str) -> None:
        """Give an image one more name, `repository:tag`."""
        ...

    def remove_image(self, ref: str) -> None:
        """Take away a name or, with an id, the image. Not there (any more): fine. In use: `ConflictError`."""
        ...

    def save(self, refs: Sequence[str]) -> Iterator[bytes]:
        """The archive of `docker save`."""
        ...

    def load(self, archive: Iterable[bytes]) -> None: ...

    def import_image(self, archive: Iterable[bytes], name: str, *, platform: str = "") -> str:
        """Make a flat image named `repository:tag` from a tar and return its id."""
        ...

    # networks and volumes
    def networks(self) -> list[Json]:
        """All networks, as the API lists them."""
        ...

    def inspect_network(self, ref: str) -> Json: ...
    def create_network(self, body: Mapping[str, Any]) -> str: ...
    def connect(self, network: str, container: str, endpoint: Mapping[str, Any]) -> None: ...

    def disconnect(self, network: str, container: str) -> None: ...

    def remove_network(self, ref: str) -> None:
        """Not there (any more): fine."""
        ...

    def inspect_volume(self, name: str) -> Json: ...

    def volume_sizes(self) -> dict[str, int]:
        """The bytes in each volume that lies on this host, by name. The daemon looks at every file of every one."""
        ...

    def create_volume(self, body: Mapping[str, Any]) -> None: ...

    def remove_volume(self, name: str) -> None:
        """Not there (any more): fine. In use: `ConflictError`."""
        ...


class Host(Protocol):
    """One Docker host: a daemon, and where the way there allows it, programs.

    Use it as a context manager; leaving it closes the connection. A connection that was lost is opened anew by the
    next call. May be used by several threads at once.
    """

    @property
    def name(self) -> str:
        """What the user calls it, for messages and the names of things."""
        ...

    @property
    def network_address(self) -> str:
        """The name or IP address under which published ports of this host are reached from the coordinator."""
        ...

    @property
    def docker(self) -> Docker: ...

    @property
    def can_run(self) -> bool:
        """Whether `run` works: false where only Docker's API is reachable."""
        ...

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run a program on the host and wait for its end.

        Any exit status is a result. Raises `UnreachableError` when the connection fails, `CommandError` when
        `timeout` seconds have passed or `can_run` is false. `argv` never holds a secret.
        """
        ...

    def popen(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program on the host with a pipe for each of stdin, stdout and stderr; the caller ends it.

        Killing it closes the program's pipes, which a program over there must take for its end. A lost connection
        shows as end of file and status 255. Raises as `run`.
        """
        ...

    def close(self) -> None:
        """Close the connection. Twice is fine; never raises."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
