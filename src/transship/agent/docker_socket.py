from __future__ import annotations

import http.client
import socket
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from .docker_api import socket_path
from .faults import AgentError

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(socket_path())


@contextmanager
def saved(image: str) -> Iterator[IO[bytes]]:
    """What `docker save` of an image gives, as the daemon sends it. Raises `AgentError` where it refuses."""
    with _answer(f"/images/{quote(image, safe=':@')}/get", f"save {image}") as stream:
        yield stream


@contextmanager
def exported(container: str) -> Iterator[IO[bytes]]:
    """What `docker export` of a container gives. Raises `AgentError` where the daemon refuses."""
    with _answer(f"/containers/{quote(container)}/export", f"export {container}") as stream:
        yield stream


@contextmanager
def _answer(path: str, wanted: str) -> Iterator[IO[bytes]]:
    connection = _Connection("docker")
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise AgentError(f"Docker does not {wanted}: it answers {response.status}", "EDOCKER")
        yield response
    except BrokenPipeError:
        raise  # whoever reads what the caller makes of it is gone
    except (OSError, http.client.HTTPException) as error:
        raise AgentError(f"Docker's answer was cut short: {error!r}", "EDOCKER") from error
    finally:
        connection.close()
