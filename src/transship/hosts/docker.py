import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import docker.auth
import requests
from docker import APIClient
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.tls import TLSConfig
from docker.transport import UnixHTTPAdapter
from requests.adapters import HTTPAdapter

from transship.errors import ConflictError, DockerError, HostError, NotFoundError
from transship.hosts.base import Json
from transship.hosts.docker_errors import Way, refusal, translated

ANSWER_SECONDS = 60
"""How long an ordinary request may take; streams, and what may rightly take longer, have no limit."""

_CHUNK = 1 << 18

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


@dataclass(frozen=True, slots=True)
class Api:
    """An open way to one daemon. `version` is the highest that the daemon speaks, so that no field is hidden."""

    client: APIClient
    version: str


class ApiWay(Way, Protocol):
    """How the API of one daemon is reached."""

    def api(self) -> Api:
        """Return an open connection: the same until it is lost, then a new one. Raises `HostError`s."""
        ...


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


class ApiDocker:
    """The port `Docker` over Docker's own SDK: its transport and its credentials, with bodies as the API has them."""

    def __init__(self, way: ApiWay) -> None:
        self._way = way
        self._bodies: list[Mapping[str, Any]] = []
        """What was sent: a failure may quote a volume's options when a container is created that mounts it."""

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
        return self._json("GET", f"/containers/{_word(ref)}/json", what=f"inspect container {ref}")

    def changes(self, ref: str) -> list[Json]:
        return self._list(f"/containers/{_word(ref)}/changes", what=f"list changes in {ref}", timeout=None)

    def layer_size(self, ref: str) -> int:
        path, what = f"/containers/{_word(ref)}/json", f"measure container {ref}"
        return int(self._json("GET", path, params={"size": 1}, what=what, timeout=None).get("SizeRw") or 0)

    def create_container(self, name: str, body: Mapping[str, Any], *, platform: str = "") -> str:
        params = _given(name=name, platform=platform)
        return self._made("/containers/create", params=params, body=body, what=f"create container {name}")

    def start(self, ref: str, *, checkpoint: str = "") -> None:
        params = _given(checkpoint=checkpoint)
        self._done(
            "POST", f"/containers/{_word(ref)}/start", params=params, what=f"start container {ref}", timeout=None,
            about=lambda: self.inspect_container(ref),
        )  # fmt: skip

    def stop(self, ref: str, *, grace: int | None = None) -> None:
        params = {} if grace is None else {"t": grace}
        path = f"/containers/{_word(ref)}/stop"
        self._done("POST", path, params=params, what=f"stop container {ref}", timeout=None)

    def pause(self, ref: str) -> None:
        self._done("POST", f"/containers/{_word(ref)}/pause", what=f"freeze container {ref}", timeout=None)

    def unpause(self, ref: str) -> None:
        self._done("POST", f"/containers/{_word(ref)}/unpause", what=f"let container {ref} go on", timeout=None)

    def kill(self, ref: str) -> None:
        self._done("POST", f"/containers/{_word(ref)}/kill", what=f"kill container {ref}", timeout=None)

    def rename(self, ref: str, name: str) -> None:
        path = f"/containers/{_word(ref)}/rename"
        self._done("POST", path, params={"name": name}, what=f"rename container {ref} to {name}")

    def set_restart_policy(self, ref: str, policy: Mapping[str, Any]) -> None:
        path, body = f"/containers/{_word(ref)}/update", {"RestartPolicy": dict(policy)}
        self._done("POST", path, body=body, what=f"set the restart policy of {ref}")

    def remove_container(self, ref: str, *, volumes: bool = False) -> None:
        path, what = f"/containers/{_word(ref)}", f"remove container {ref}"
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
        return self._stream(f"/containers/{_word(ref)}/export", {}, f"export container {ref}")

    # images
    def list_images(self) -> list[Json]:
        return self._list("/images/json", what="list images")

    def inspect_image(self, ref: str) -> Json:
        return self._json("GET", f"/images/{_word(ref)}/json", what=f"inspect image {ref}")

    def history(self, ref: str) -> list[Json]:
        return self._list(f"/images/{_word(ref)}/history", what=f"tell how image {ref} was made")

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
        self._done("POST", f"/images/{_word(ref)}/tag", params=params, what=f"tag image {ref} as {name}")

    def remove_image(self, ref: str) -> None:
        self._absent(f"/images/{_word(ref)}", f"remove image {ref}")

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
        return self._json("GET", f"/networks/{_word(ref)}", what=f"inspect network {ref}")

    def create_network(self, body: Mapping[str, Any]) -> str:
        what = f"create network {body.get('Name', '')}"
        return self._made("/networks/create", body={"CheckDuplicate": True, **body}, what=what)

    def connect(self, network: str, container: str, endpoint: Mapping[str, Any]) -> None:
        body = {"Container": container, "EndpointConfig": dict(endpoint)}
        path = f"/networks/{_word(network)}/connect"
        self._done("POST", path, body=body, what=f"connect {container} to network {network}")

    def disconnect(self, network: str, container: str) -> None:
        path = f"/networks/{_word(network)}/disconnect"
        self._done("POST", path, body={"Container": container}, what=f"disconnect {container} from network {network}")

    def remove_network(self, ref: str) -> None:
        self._absent(f"/networks/{_word(ref)}", f"remove network {ref}")

    def inspect_volume(self, name: str) -> Json:
        return self._json("GET", f"/volumes/{_word(name)}", what=f"inspect volume {name}")

    def volume_sizes(self) -> dict[str, int]:
        used = self._json("GET", "/system/df", params={"type": "volume"}, what="measure the volumes", timeout=None)
        found = {each["Name"]: (each.get("UsageData") or {}).get("Size", -1) for each in used.get("Volumes") or ()}
        return {name: size for name, size in found.items() if size >= 0}

    def create_volume(self, body: Mapping[str, Any]) -> None:
        self._done("POST", "/volumes/create", body=body, what=f"create volume {body.get('Name', '')}")

    def remove_volume(self, name: str) -> None:
        self._absent(f"/volumes/{_word(name)}", f"remove volume {name}")

    # requests
    def _json(self, method: str, path: str, *, what: str, **words: Any) -> Json:
        with translated(self._way, what), closing(self._request(method, path, what=what, **words)) as answer:
            found = answer.json()
        if not isinstance(found, dict):
            raise self._odd(what)
        return found

    def _list(self, path: str, *, what: str, **words: Any) -> list[Json]:
        with translated(self._way, what), closing(self._request("GET", path, what=what, **words)) as answer:
            found = answer.json() or []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._odd(what)
        return found

    def _odd(self, what: str) -> DockerError:
        return DockerError(f"Docker on {self._way.name} answers what Docker would not when asked to {what}")

    def _made(self, path: str, *, what: str, **words: Any) -> str:
        """Have something made, and return its id."""
        found = self._json("POST", path, what=what, **words).get("Id")
        if not isinstance(found, str) or not found:
            raise self._odd(what)
        return found

    def _done(self, method: str, path: str, *, what: str, **words: Any) -> None:
        with translated(self._way, what), closing(self._request(method, path, what=what, **words)) as answer:
            answer.content  # noqa: B018 — read to its end, so that the connection can be used again

    def _absent(self, path: str, what: str) -> None:
        try:
            self._done("DELETE", path, what=what, timeout=None)
        except NotFoundError:
            return

    def _stream(self, path: str, params: Mapping[str, Any], what: str) -> Iterator[bytes]:
        """Yield what the daemon sends. Closing the iterator closes the connection, which ends the daemon's work."""
        with translated(self._way, what):
            answer = self._request("GET", path, what=what, params=params, timeout=None)
        with closing(answer):
            chunks = answer.iter_content(_CHUNK)
            while True:
                with translated(self._way, what):
                    chunk = next(chunks, b"")
                if not chunk:
                    return
                yield chunk

    def _sent(self, archive: Iterable[bytes], path: str, params: Mapping[str, Any], what: str) -> Iterator[Json]:
        """Send `archive` and yield what the daemon says of it. An error of `archive` itself comes out as it was."""
        broken: list[Exception] = []

        def chunks() -> Iterator[bytes]:
            try:
                yield from archive
            except Exception as error:
                broken.append(error)
                raise

        try:
            yield from self._events(path, params, what, data=chunks())
        except (HostError, DockerError):
            if broken:
                raise broken[0] from None
            raise

    def _events(self, path: str, params: Mapping[str, Any], what: str, **words: Any) -> Iterator[Json]:
        """Yield the objects of a JSON stream; one that tells an error is raised, whatever the status was."""
        with (
            translated(self._way, what),
            closing(self._request("POST", path, what=what, params=params, timeout=None, **words)) as answer,
        ):
            for line in answer.iter_lines(_CHUNK):
                event = json.loads(line) if line.strip() else {}
                if not isinstance(event, dict):
                    raise self._odd(what)
                if "error" in event or "errorDetail" in event:
                    detail = event.get("errorDetail")
                    said = event.get("error") or (detail.get("message") if isinstance(detail, dict) else detail)
                    raise refusal(what, self._way.name, str(said or ""))
                yield event

    def _request(
        self, method: str, path: str, *, what: str, body: Mapping[str, Any] | None = None,
        timeout: float | None = ANSWER_SECONDS, about: Callable[[], Json] | None = None, **words: Any,
    ) -> requests.Response:  # fmt: skip
        """Send one request; a status that tells a failure is raised. The answer's body is not read yet.

        `about` finds the object that a failure may quote, where it was not made here.
        """
        api = self._way.api()
        if body:
            self._bodies.append(body)
        answer = api.client.request(
            method, f"{api.client.base_url}/v{api.version}{path}", json=body, timeout=timeout, stream=True,
            allow_redirects=False, **words,
        )  # fmt: skip
        if answer.ok and not answer.is_redirect:  # the daemon sends a name such as `../x` elsewhere
            return answer
        with closing(answer):
            status = requests.codes.not_found if answer.is_redirect else answer.status_code
            message = _message(answer)
        raise refusal(what, self._way.name, message, status, {"sent": self._bodies, "there": about() if about else {}})


def _message(answer: requests.Response) -> str:
    try:
        content = answer.json()
    except (ValueError, RecursionError):
        return answer.text
    return str(content.get("message", "")) if isinstance(content, dict) else answer.text


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _word(ref: str) -> str:
    """A name or id as one word of a path: no name can lead to another request."""
    if ref in {"", ".", ".."} or not ref.isprintable():
        raise NotFoundError(f"{ref!r} is no name or id")
    return quote(ref, safe=":@")


def _given(**words: str) -> dict[str, str]:
    return {key: value for key, value in words.items() if value}


def _split(ref: str) -> tuple[str, str]:
    """`repository`, and the tag or digest, `latest` if there is none: the daemon would take that for all tags."""
    repository, at, digest = ref.partition("@")
    if at:
        return repository, digest
    head, colon, tag = ref.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (ref, "latest")
