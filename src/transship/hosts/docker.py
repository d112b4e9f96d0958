import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import docker.auth
import requests
from docker import APIClient
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.tls import TLSConfig
from docker.transport import UnixHTTPAdapter
from requests.adapters import HTTPAdapter

from transship.errors import ConflictError, DockerError, NotFoundError
from transship.hosts.base import Json
from transship.hosts.daemon_requests import ANSWER_SECONDS, Api, DaemonRequests, word
from transship.hosts.docker_errors import translated

# 15 seconds of silence; not every system that a coordinator runs on has all of these words.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, word), value)
        for word, value in {"TCP_NODELAY": 1, "TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}.items()
        if hasattr(socket, word)
    ),
]

# Connections that wait for the next request; over `dial-stdio` each is a session of sshd.
_KEPT = 2


class _OnePool(UnixHTTPAdapter):
    """The SDK's own keeps connections apart by URL, so that hardly any would be used again."""

    def get_connection(self, url: str | bytes, proxies: Any = None) -> Any:  # noqa: ARG002 — that is the point
        return super().get_connection("http+docker://localhost", proxies)


class _KeptAlive(HTTPAdapter):
    """Over the network a lost daemon is noticed also by a stream that has no timeout."""

    def init_poolmanager(self, *args: Any, **words: Any) -> None:
        super().init_poolmanager(*args, socket_options=_KEEPALIVE, **words)


def open_api(url: str, *, tls: TLSConfig | None = None) -> Api:
    """Connect to the daemon at `url` (`unix://…` or `tcp://…`). Raises what is in `docker_errors.FOREIGN`."""
    client = APIClient(base_url=url, version=MINIMUM_DOCKER_API_VERSION, timeout=ANSWER_SECONDS, tls=tls or False)
    client.trust_env = False
    if url.startswith("unix://"):
        client.mount("http+docker://", _OnePool(f"http+{url}", ANSWER_SECONDS, max_pool_size=_KEPT))
    else:
        client.mount("https://" if tls else "http://", _KeptAlive(pool_maxsize=_KEPT))
    try:
        return ping(client)
    except BaseException:
        client.close()
        raise


def ping(client: APIClient) -> Api:
    """Ask the daemon for its highest API version. Raises what requests raises."""
    answer = client.get(f"{client.base_url}/_ping", timeout=ANSWER_SECONDS)
    answer.raise_for_status()
    version = answer.headers.get("Api-Version", "")
    if not version:
        raise requests.exceptions.InvalidHeader("what answers is not Docker")
    return Api(client, version)


class ApiDocker(DaemonRequests):
    """The port `Docker` over Docker's own SDK: its transport and its credentials, with bodies as the API has them."""

    # the daemon
    def ping(self) -> None:
        self._done("GET", "/_ping", what="answer")

    def version(self) -> Json:
        return self._json("GET", "/version", what="tell its version")

    def info(self) -> Json:
        return self._json("GET", "/info", what="describe itself")

    def plugins(self) -> list[Json]:
        return self._list("/plugins", what="list plugins")

    # containers
    def containers(self) -> list[Json]:
        return self._list("/containers/json", params={"all": 1}, what="list containers")

    def inspect_container(self, ref: str) -> Json:
        return self._json("GET", f"/containers/{word(ref)}/json", what=f"inspect container {ref}")

    def changes(self, ref: str) -> list[Json]:
        return self._list(f"/containers/{word(ref)}/changes", what=f"list changes in {ref}", timeout=None)

    def layer_size(self, ref: str) -> int:
        path, what = f"/containers/{word(ref)}/json", f"measure container {ref}"
        return int(self._json("GET", path, params={"size": 1}, what=what, timeout=None).get("SizeRw") or 0)

    def create_container(self, name: str, body: Mapping[str, Any], *, platform: str = "") -> str:
        params = _given(name=name, platform=platform)
        return self._made("/containers/create", params=params, body=body, what=f"create container {name}")

    def start(self, ref: str, *, checkpoint: str = "") -> None:
        params = _given(checkpoint=checkpoint)
        self._done(
            "POST", f"/containers/{word(ref)}/start", params=params, what=f"start container {ref}", timeout=None,
            about=lambda: self.inspect_container(ref),
        )  # fmt: skip

    def stop(self, ref: str, *, grace: int | None = None) -> None:
        params = {} if grace is None else {"t": grace}
        path = f"/containers/{word(ref)}/stop"
        self._done("POST", path, params=params, what=f"stop container {ref}", timeout=None)

    def pause(self, ref: str) -> None:
        self._done("POST", f"/containers/{word(ref)}/pause", what=f"freeze container {ref}", timeout=None)

    def unpause(self, ref: str) -> None:
        self._done("POST", f"/containers/{word(ref)}/unpause", what=f"let container {ref} go on", timeout=None)

    def kill(self, ref: str) -> None:
        self._done("POST", f"/containers/{word(ref)}/kill", what=f"kill container {ref}", timeout=None)

    def rename(self, ref: str, name: str) -> None:
        path = f"/containers/{word(ref)}/rename"
        self._done("POST", path, params={"name": name}, what=f"rename container {ref} to {name}")

    def set_restart_policy(self, ref: str, policy: Mapping[str, Any]) -> None:
        path, body = f"/containers/{word(ref)}/update", {"RestartPolicy": dict(policy)}
        self._done("POST", path, body=body, what=f"set the restart policy of {ref}")

    def remove_container(self, ref: str, *, volumes: bool = False) -> None:
        path, what = f"/containers/{word(ref)}", f"remove container {ref}"
        try:
            self._done("DELETE", path, params={"force": 1, "v": int(volumes)}, what=what, timeout=None)
        except NotFoundError:
            return
        except ConflictError as error:
            if "already in progress" not in str(error):
                raise
            self._gone(path, what)

    def _gone(self, path: str, what: str) -> None:
        """Wait for a removal that somebody else began, such as the daemon's own for `--rm`."""
        try:
            self._done("POST", f"{path}/wait", params={"condition": "removed"}, what=what)
        except NotFoundError:
            return

    def export(self, ref: str) -> Iterator[bytes]:
        return self._stream(f"/containers/{word(ref)}/export", {}, f"export container {ref}")

    # images
    def list_images(self) -> list[Json]:
        return self._list("/images/json", what="list images")

    def inspect_image(self, ref: str) -> Json:
        return self._json("GET", f"/images/{word(ref)}/json", what=f"inspect image {ref}")

    def history(self, ref: str) -> list[Json]:
        return self._list(f"/images/{word(ref)}/history", what=f"tell how image {ref} was made")

    def pull(self, ref: str, *, platform: str = "", progress: Callable[[int, int], None] | None = None) -> None:
        repository, tag = _split(ref)
        params = _given(fromImage=repository, tag=tag, platform=platform)
        what = f"pull {ref}"
        with translated(self._way, what):
            registry = docker.auth.resolve_repository_name(repository)[0]
            auth = docker.auth.get_config_header(self._way.api().client, registry)
        headers = {"X-Registry-Auth": auth.decode()} if auth else {}
        layers: dict[str, tuple[int, int]] = {}
        for event in self._events("/images/create", params, what, headers=headers):
            detail = event.get("progressDetail")
            if progress and event.get("status") == "Downloading" and isinstance(detail, dict):
                layers[str(event.get("id"))] = _count(detail.get("current")), _count(detail.get("total"))
                progress(sum(done for done, _ in layers.values()), sum(total for _, total in layers.values()))

    def tag(self, ref: str, name: str) -> None:
        repository, tag = _split(name)
        params = _given(repo=repository, tag=tag)
        self._done("POST", f"/images/{word(ref)}/tag", params=params, what=f"tag image {ref} as {name}")

    def remove_image(self, ref: str) -> None:
        self._absent(f"/images/{word(ref)}", f"remove image {ref}")

    def save(self, refs: Sequence[str]) -> Iterator[bytes]:
        return self._stream("/images/get", {"names": list(refs)}, f"save {', '.join(refs)}")

    def load(self, archive: Iterable[bytes]) -> None:
        # Without quiet the daemon reports progress while we still send, and waits for ever for us to read it.
        for _ in self._sent(archive, "/images/load", {"quiet": 1}, "load an image"):
            pass

    def import_image(self, archive: Iterable[bytes], name: str, *, platform: str = "") -> str:
        repository, tag = _split(name)
        params = _given(fromSrc="-", repo=repository, tag=tag, platform=platform)
        image = ""
        for event in self._sent(archive, "/images/create", params, f"import image {name}"):
            image = str(event.get("status") or image)
        if not image.startswith("sha256:"):
            raise DockerError(f"Docker on {self._way.name} imported {name} without naming its id")
        return image

    # networks and volumes
    def networks(self) -> list[Json]:
        return self._list("/networks", what="list networks")

    def inspect_network(self, ref: str) -> Json:
        return self._json("GET", f"/networks/{word(ref)}", what=f"inspect network {ref}")

    def create_network(self, body: Mapping[str, Any]) -> str:
        what = f"create network {body.get('Name', '')}"
        return self._made("/networks/create", body={"CheckDuplicate": True, **body}, what=what)

    def connect(self, network: str, container: str, endpoint: Mapping[str, Any]) -> None:
        body = {"Container": container, "EndpointConfig": dict(endpoint)}
        path = f"/networks/{word(network)}/connect"
        self._done("POST", path, body=body, what=f"connect {container} to network {network}")

    def disconnect(self, network: str, container: str) -> None:
        path = f"/networks/{word(network)}/disconnect"
        self._done("POST", path, body={"Container": container}, what=f"disconnect {container} from network {network}")

    def remove_network(self, ref: str) -> None:
        self._absent(f"/networks/{word(ref)}", f"remove network {ref}")

    def inspect_volume(self, name: str) -> Json:
        return self._json("GET", f"/volumes/{word(name)}", what=f"inspect volume {name}")

    def volume_sizes(self) -> dict[str, int]:
        used = self._json("GET", "/system/df", params={"type": "volume"}, what="measure the volumes", timeout=None)
        found = {each["Name"]: (each.get("UsageData") or {}).get("Size", -1) for each in used.get("Volumes") or ()}
        return {name: size for name, size in found.items() if size >= 0}

    def create_volume(self, body: Mapping[str, Any]) -> None:
        self._done("POST", "/volumes/create", body=body, what=f"create volume {body.get('Name', '')}")

    def remove_volume(self, name: str) -> None:
        self._absent(f"/volumes/{word(name)}", f"remove volume {name}")


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _given(**words: str) -> dict[str, str]:
    return {key: value for key, value in words.items() if value}


def _split(ref: str) -> tuple[str, str]:
    """`repository`, and the tag or digest, `latest` if there is none: the daemon would take that for all tags."""
    repository, at, digest = ref.partition("@")
    if at:
        return repository, digest
    head, colon, tag = ref.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (ref, "latest")
