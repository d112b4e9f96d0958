import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import requests
from docker import APIClient

from transship.errors import DockerError, HostError, NotFoundError
from transship.hosts.base import Json
from transship.hosts.docker_errors import Way, refusal, translated

ANSWER_SECONDS = 60
"""How long an ordinary request may take; streams, and what may rightly take longer, have no limit."""

_CHUNK = 1 << 18


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


class DaemonRequests:
    """Requests to one daemon: bodies as its API has them, failures as our errors."""

    def __init__(self, way: ApiWay) -> None:
        self._way = way
        self._bodies: list[Mapping[str, Any]] = []
        """What was sent: a failure may quote a volume's options when a container is created that mounts it."""

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


def word(ref: str) -> str:
    """A name or id as one word of a path: no name can lead to another request."""
    if ref in {"", ".", ".."} or not ref.isprintable():
        raise NotFoundError(f"{ref!r} is no name or id")
    return quote(ref, safe=":@")
