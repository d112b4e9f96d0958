"""Where the words of Docker, requests, urllib3 and the system become ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

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


class Way(Protocol):
    """How a daemon is reached, as far as a failure has to know it."""

    @property
    def name(self) -> str: ...

    def trouble(self) -> HostError | None:
        """Find out why the daemon cannot be spoken to; None if it can."""
        ...


def refusal(what: str, where: str, message: str, status: int = 0) -> DockerError:
    """Make an error of what the daemon answered. `what` completes "Docker cannot …"."""
    text = f"Docker on {where} cannot {what}: {_sentence(message) or f'status {status}, no reason given'}."
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
