"""A forwarder: a small container on the source that carries what still comes to the old address to the target.

It has the host's own Python and nothing else, publishes the ports that the moved container published, and stays until
it is told to end. Who comes by it is seen by the target as the source's host.
"""

import functools
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from threading import Event
from typing import Any

from transship.errors import CommandError, ConflictError, NotFoundError, UnhealthyError
from transship.hosts.agent import EMPTY_TAR, PYTHON_FOLDERS, existing
from transship.hosts.base import Docker, Host
from transship.plan.steps import Move
from transship.spec.model import PublishedPort

LABEL = "transship.forwarder"
"""On a forwarder, the id of the migration that it is for."""

_IMAGE = "transship-forwarder:empty"
_PYTHON = ("/usr/bin/python3", "-I", "-B", "-c")
_NANO = 1_000_000_000
_INTERVAL_S = 2
_ANSWER_S = 30.0
_POLL_S = 0.1
_MEMORY = 64 << 20
_PROCESSES = 32


@dataclass(frozen=True, slots=True)
class Forward:
    """Leave a forwarder on the source, called `name`."""

    name: str
    ports: tuple[PublishedPort, ...]
    phase: str = "forward"

    def describe(self) -> str:
        return f"forward {', '.join(sorted({_key(port) for port in self.ports}))} to the target"

    def run(self, move: Move) -> None:
        """Raises as `start_forwarder`."""
        start_forwarder(move.source, Forwarder(move.id, self.name, self.ports, move.target.network_address))


@dataclass(frozen=True, slots=True)
class Forwarder:
    """What is forwarded for a migration: `ports` of the source to the same ones of `address`."""

    migration: str
    name: str
    ports: tuple[PublishedPort, ...]
    address: str

    def words(self, what: str) -> list[str]:
        """The command that serves, or checks."""
        return [*_PYTHON, _program(), what, self.address, *sorted({_key(port) for port in self.ports})]

    def body(self, image: str, folders: Sequence[str]) -> dict[str, Any]:
        """The body that creates the container, with these folders of the host to read."""
        bindings: dict[str, list[dict[str, str]]] = {}
        for port in self.ports:
            bindings.setdefault(_key(port), []).append({"HostIp": port.host_address, "HostPort": port.host_port})
        return {
            "Image": image,
            "Entrypoint": self.words("serve"),
            "User": "65534:65534",
            "Labels": {LABEL: self.migration},
            "ExposedPorts": {key: {} for key in bindings},
            "Healthcheck": {
                "Test": ["CMD", *self.words("check")],
                "Interval": _INTERVAL_S * _NANO,
                "Timeout": 5 * _NANO,
                "Retries": 2,
            },
            "HostConfig": {
                "PortBindings": bindings,
                "Binds": [f"{folder}:{folder}:ro" for folder in folders],
                "RestartPolicy": {"Name": "unless-stopped"},
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
                "ReadonlyRootfs": True,
                "Memory": _MEMORY,
                "PidsLimit": _PROCESSES,
                "LogConfig": {"Type": "none"},
            },
        }


def start_forwarder(source: Host, forwarder: Forwarder) -> None:
    """Start a forwarder, and see that it reaches the target. One that the migration had before is replaced.

    Raises `UnhealthyError` where it does not reach it, and what Docker raises, where a port is taken for example; then
    none is left.
    """
    docker = source.docker
    stop_forwarder(docker, forwarder.migration)
    container = docker.create_container(forwarder.name, forwarder.body(_provide_image(docker), _python_folders(source)))
    try:
        docker.start(container)
        _prove(source, container, forwarder)
    except BaseException:
        stop_forwarder(docker, forwarder.migration)
        raise


def stop_forwarder(docker: Docker, migration: str) -> bool:
    """Remove the forwarder of a migration. Returns whether there was one."""
    mine = [each["Id"] for each in docker.containers() if (each.get("Labels") or {}).get(LABEL) == migration]
    for container in mine:
        docker.remove_container(container)
    with suppress(ConflictError):  # another forwarder has it
        docker.remove_image(_IMAGE)
    return bool(mine)


def _prove(source: Host, container: str, forwarder: Forwarder) -> None:
    """Wait until the container's own check says that it reaches the target."""
    deadline = time.monotonic() + _ANSWER_S
    while True:
        state = source.docker.inspect_container(container)["State"]
        health = state.get("Health") or {}
        if health.get("Status") == "healthy":
            return
        if health.get("Status") == "unhealthy" or not state["Running"] or time.monotonic() > deadline:
            said = [str(each.get("Output", "")).strip() for each in health.get("Log") or ()]
            raise UnhealthyError(
                f"a forwarder on {source.name} {said[-1][-200:] if said else 'does not run'}",
                hint=f"name an address that {source.name} reaches: "
                f"transship forward {forwarder.migration} --to-address ADDRESS",
            )
        Event().wait(_POLL_S)


def _provide_image(docker: Docker) -> str:
    try:
        docker.inspect_image(_IMAGE)
    except NotFoundError:
        docker.import_image([EMPTY_TAR], _IMAGE)
    return _IMAGE


def _python_folders(host: Host) -> list[str]:
    """Where the host's Python lies. Raises `CommandError` where there is none."""
    found = existing(host, (_PYTHON[0], *PYTHON_FOLDERS))
    if _PYTHON[0] not in found:
        raise CommandError(f"{host.name} has no {_PYTHON[0]}, which a forwarder needs", hint="install python3 there")
    return [each for each in found if each in PYTHON_FOLDERS]


def _key(port: PublishedPort) -> str:
    """The port in Docker's words; inside the container it has the same number as outside."""
    return f"{port.host_port}/{port.protocol}"


@functools.cache
def _program() -> str:
    return files("transship.forwarding").joinpath("program.py").read_text()
