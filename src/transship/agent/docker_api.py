"""Requests to this host's Docker, as far as a keeper needs them. By hand: a minimal Python has no `http`."""

from __future__ import annotations

import os
import re
import socket
from typing import Any

from . import control
from .faults import AgentError, ProtocolError

_USUAL = "/var/run/docker.sock"
_ROOTLESS = "/run/user"
_PATIENCE_S = 60.0
_LONGEST = 8 << 20
_REDIRECTED, _SO_ALREADY, _CONFLICT, _SERVER_FAILS = 300, 304, 409, 500
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")


class UnavailableError(AgentError):
    """Docker does not answer, or fails by its own word: it may do so again."""


def socket_path() -> str:
    """Where this host's daemon listens: where the user says, at the usual place, or where a rootless one does."""
    url = os.environ.get("DOCKER_HOST", "")
    if url.startswith("unix://"):
        return url[len("unix://") :]
    return _USUAL if os.path.exists(_USUAL) else os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/"), "docker.sock")


class Docker:
    """The daemon behind one socket. Every call is one connection, so that a daemon that was restarted is the same."""

    def __init__(self, path: str) -> None:
        self.path = path

    def inspect(self, container: str) -> dict[str, Any]:
        return self._object("GET", f"/containers/{container}/json")

    def stop(self, container: str, patience: float) -> None:
        """Stop with the container's own signal and grace, and wait for its end, also that of a stop under way."""
        self._call("POST", f"/containers/{container}/stop", patience=patience)

    def start(self, container: str) -> None:
        """Running already: fine."""
        self._call("POST", f"/containers/{container}/start")

    def pause(self, container: str) -> None:
        """Freeze. Frozen already, or not running: fine."""
        self._call("POST", f"/containers/{container}/pause", accepted=(_CONFLICT,))

    def unpause(self, container: str) -> None:
        self._call("POST", f"/containers/{container}/unpause")

    def rename(self, container: str, name: str) -> None:
        """`name` holds no character that means something in an address."""
        self._call("POST", f"/containers/{container}/rename?name={name}")

    def set_restart_policy(self, container: str, policy: dict[str, Any]) -> None:
        self._call("POST", f"/containers/{container}/update", {"RestartPolicy": policy})

    def root(self) -> str:
        """Where it keeps its data."""
        return str(self._object("GET", "/info").get("DockerRootDir", ""))

    def daemon(self) -> str:
        """The daemon's own id."""
        return str(self._object("GET", "/info").get("ID", ""))

    def _object(self, method: str, path: str) -> dict[str, Any]:
        try:
            return control.loads(self._call(method, path))
        except ProtocolError as error:
            raise UnavailableError(f"Docker answers {method} {path} with what is no JSON", "EDOCKER") from error

    def _call(
        self, method: str, path: str, body: Any = None, *, patience: float = _PATIENCE_S, accepted: tuple[int, ...] = ()
    ) -> bytes:
        """The body of the answer. Raises `UnavailableError` where trying again makes sense, else `AgentError`."""
        content = b"" if body is None else control.dumps(body).encode("ascii")
        lines = [f"{method} {path} HTTP/1.0", "Host: docker", f"Content-Length: {len(content)}"]
        lines += ["Content-Type: application/json"] if content else []
        request = "\r\n".join([*lines, "", ""]).encode("ascii") + content
        try:
            head, end, found = _exchange(self.path, request, patience).partition(b"\r\n\r\n")
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnavailableError(f"Docker does not answer at {self.path}: {reason}", "EDOCKER") from error
        status = _STATUS.match(head)
        if not end or not status:
            raise UnavailableError(f"Docker's answer at {self.path} was cut short", "EDOCKER")
        code = int(status[1])
        if code < _REDIRECTED or code == _SO_ALREADY or code in accepted:
            return found
        fault = UnavailableError if code >= _SERVER_FAILS else AgentError
        # Its own words may repeat what the container is told on its command line: they are in its log.
        raise fault(f"Docker answers {code} to {method} {path}", "EDOCKER")


def _exchange(path: str, request: bytes, patience: float) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patience)
        connection.connect(path)
        connection.sendall(request)
        parts: list[bytes] = []
        left = _LONGEST
        while left > 0:
            part = connection.recv(min(left, 1 << 16))
            if not part:
                return b"".join(parts)
            parts.append(part)
            left -= len(part)
    raise OSError(f"an answer of more than {_LONGEST} bytes")


def find(daemon: str) -> Docker:
    """The daemon on this host that has this id; where that is empty, the usual one. Raises `AgentError`.

    Root may have been reached from a user who has a rootless daemon of their own.
    """
    paths = [socket_path()]
    if not daemon:
        return Docker(paths[0])
    users = sorted(os.listdir(_ROOTLESS)) if os.path.isdir(_ROOTLESS) else []
    paths += [f"{_ROOTLESS}/{user}/docker.sock" for user in users]
    reason = "another one answers"
    for path in paths:
        try:
            if os.path.exists(path) and Docker(path).daemon() == daemon:
                return Docker(path)
        except UnavailableError as error:
            reason = str(error)
    raise AgentError(f"the Docker of this move is not found at {', '.join(paths)}: {reason}", "EDOCKER")
