"""Where the words of Docker, requests, urllib3 and the system become ours."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Protocol

import docker.errors
import requests
import urllib3.exceptions

from transship.errors import ConflictError, DockerDownError, DockerError, HostError, NoSpaceError, NotFoundError

FOREIGN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    docker.errors.DockerException,
    OSError,
    ValueError,
    RecursionError,
)
"""All that can come out of a request to the daemon."""

_LOGIN_HINT = "log in to the registry on this machine: docker login REGISTRY"

# The first that fits counts; what fits none is judged by its status.
_WORDS: tuple[tuple[str, type[DockerError], str], ...] = (
    (r"no space left on device|disk quota exceeded|not enough space", NoSpaceError,
     "free some: docker system df shows what Docker holds"),
    (r"unauthorized|no basic auth credentials|authentication required|denied: requested access|incorrect username",
     DockerError, _LOGIN_HINT),
    (r"pull access denied", NotFoundError, f"check the name; if it is private, {_LOGIN_HINT}"),
    (r"manifest unknown|no matching manifest|repository .* not found|name unknown", NotFoundError,
     "the registry has no such image for this platform"),
    (r"port is already allocated|address already in use|failed to bind (?:host )?port|ports are not available",
     ConflictError, "something else listens on this port there"),
    (r"pool overlaps|overlaps with (?:other|existing)|has active endpoints|in use|already exists|is being used",
     ConflictError, ""),
)  # fmt: skip

_BY_STATUS: dict[int, type[DockerError]] = {404: NotFoundError, 409: ConflictError}


_TOLD_WHOLE = ("Cmd", "Entrypoint", "Test")
"""What the daemon repeats word by word: the program that it cannot run."""
_TOLD_IN_PART = ("Env", "Labels", "LogConfig", "Options", "DriverOpts", "Annotations", "StorageOpt", "SecurityOpt")
"""Of these it may repeat a part: the host in an address, the value of a variable."""
# A shorter word would be found in the middle of any other.
_SHORTEST_SECRET = 4
_SHORTEST_PART = 6


def hidden(message: str, document: Mapping[str, Any]) -> str:
    """The daemon's `message` without what may be a secret in the `document` that it is about, an object of its API.

    Those are the values of environment, labels and options, and the words of commands and health checks.
    """
    secrets = {word for word in _secrets(document) if len(word) >= _SHORTEST_SECRET}
    quoted = {json.dumps(word, ensure_ascii=False)[1:-1] for word in secrets}
    for secret in sorted(secrets | quoted, key=len, reverse=True):
        message = message.replace(secret, "***")
    return message


def _secrets(value: object) -> Iterator[str]:
    for name, each in value.items() if isinstance(value, Mapping) else ():
        if name in _TOLD_WHOLE or name in _TOLD_IN_PART:
            kept = each.get("Config") if name == "LogConfig" and isinstance(each, Mapping) else each
            for text in _texts(kept):
                yield text
                yield from _parts(text) if name in _TOLD_IN_PART else ()
        if isinstance(each, list):
            for member in each:
                yield from _secrets(member)
        else:
            yield from _secrets(each)


def _texts(value: object) -> Iterator[str]:
    """Every text in a value of any shape, but for the names in its objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _parts(text: str) -> Iterator[str]:
    """The value of `NAME=value`, and the words that it consists of."""
    value = text.partition("=")[2]
    yield value
    yield from (part for part in re.split(r"[^\w.+-]+", value or text) if len(part) >= _SHORTEST_PART)


class Way(Protocol):
    """How a daemon is reached, as far as a failure has to know it."""

    @property
    def name(self) -> str: ...

    def trouble(self) -> HostError | None:
        """Find out why the daemon cannot be spoken to; None if it can."""
        ...


def refusal(
    what: str, where: str, message: str, status: int = 0, about: Mapping[str, Any] = MappingProxyType({})
) -> DockerError:
    """Make an error of what the daemon answered. `what` completes "Docker cannot …".

    `about` is the object of Docker's API that it was asked to work on: of its secrets the error repeats none.
    """
    reason = _sentence(hidden(message, about)) or f"status {status}, no reason given"
    text = f"Docker on {where} cannot {what}: {reason}."
    for pattern, kind, hint in _WORDS:
        if re.search(pattern, message, re.IGNORECASE):
            return kind(text, hint=hint)
    return _BY_STATUS.get(status, DockerError)(text)


@contextmanager
def translated(way: Way, what: str) -> Iterator[None]:
    """Let nothing foreign out of the block: `way` explains a connection that broke, the rest is `DockerError`."""
    try:
        yield
    except requests.ReadTimeout as error:
        raise (way.trouble() or _silent(way, what)) from error
    except FOREIGN as error:
        raise (way.trouble() or refusal(what, way.name, _cause(error))) from error


def _silent(way: Way, what: str) -> DockerDownError:
    return DockerDownError(
        f"Docker on {way.name} does not answer when asked to {what}",
        hint="look at the daemon's log: journalctl -u docker",
    )


def _cause(error: BaseException) -> str:
    """What broke, without the layers of wrapping and object addresses that requests puts around it."""
    inner: object = error
    while isinstance(inner, requests.ConnectionError | urllib3.exceptions.ProtocolError) and inner.args:
        last = inner.args[-1]
        if not isinstance(last, BaseException):
            break
        inner = last
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the daemon ended the stream early"
    return f"the connection broke ({inner})"


def _sentence(message: str) -> str:
    words = " ".join(message.split())
    return "".join(each for each in words if each.isprintable())[:500].rstrip(".")
