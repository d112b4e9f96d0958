import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from transship.errors import ConflictError, NotFoundError, TransferError, UnhealthyError
from transship.hosts.base import Host, Json
from transship.metrics.downtime import Probe
from transship.observe import read_spec
from transship.plan.steps import Move
from transship.spec.compare import ALLOWED, ALLOWED_FLAT, differences
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec, NetworkAttachment, NetworkSpec, VolumeSpec
from transship.spec.networks import network_spec
from transship.spec.render import connections, create_body, network_body, volume_body

POLL_S = 0.02
SETTLE_S = 0.5
"""How long the target's container must stay up, as some fall over a moment after they have begun."""


@contextmanager
def _registered(made: set[str], thing: str) -> Iterator[None]:
    """Register `thing` for undo before it is made; unless the daemon says that somebody else has made it."""
    made.add(thing)
    try:
        yield
    except ConflictError:
        made.discard(thing)
        raise


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    """Create a network on the target as the source has it."""

    network: NetworkSpec
    phase: str = "prepare"
    guards: bool = False

    def describe(self) -> str:
        return f"create the network {self.network.name}"

    def run(self, move: Move) -> None:
        with _registered(move.made.networks, self.network.name):
            move.made.network_ids[self.network.name] = move.target.docker.create_network(network_body(self.network))

    def undo(self, move: Move) -> None:
        """Where no answer came, what is there of that name is ours if it is what was asked for."""
        if self.network.name in move.made.networks:
            move.target.docker.remove_network(move.made.network_ids.get(self.network.name) or self._found(move))

    def _found(self, move: Move) -> str:
        name = self.network.name
        try:
            found = move.target.docker.inspect_network(name)
        except NotFoundError:
            return name
        there = network_spec(name, found)
        if not self.network.ipam.get("Config"):
            there = replace(there, ipam=self.network.ipam)  # Docker has chosen
        if found.get("Containers") or there != self.network:
            raise ConflictError(f"{move.target.name} has a network {name} that may be somebody else's")
        return str(found["Id"])


@dataclass(frozen=True, slots=True)
class CreateVolume:
    """Create an empty volume on the target, with the driver, options and labels of the source's."""

    volume: VolumeSpec
    phase: str = "prepare"
    guards: bool = False

    def describe(self) -> str:
        return f"create the empty volume {self.volume.name}"

    def run(self, move: Move) -> None:
        """Raises `ConflictError` if somebody has made such a volume since the plan was made."""
        # Docker answers the same whether a volume is new or was there, so it is asked for right before.
        if _has_volume(move.target, self.volume.name):
            raise ConflictError(
                f"{move.target.name} has a volume {self.volume.name} by now, and had none when the plan was made",
                hint="find out who made it, then try again",
            )
        with _registered(move.made.volumes, self.volume.name):
            move.target.docker.create_volume(volume_body(self.volume))

    def undo(self, move: Move) -> None:
        if self.volume.name in move.made.volumes:
            move.target.docker.remove_volume(self.volume.name)


@dataclass(frozen=True, slots=True)
class CreateContainer:
    """Create the container on the target, not started, and prove that it is what the source is.

    Its restart policy comes with the start: a daemon that restarts meanwhile would obey it, and two copies would run.
    `flat_image` is the name of an image that was made from the container's filesystem, where that is the strategy.
    """

    spec: ContainerSpec
    api_version: ApiVersion
    flat_image: str = ""
    phase: str = "create"
    guards: bool = False

    def describe(self) -> str:
        return f"create the container {self.spec.name}"

    def run(self, move: Move) -> None:
        """Raises `TransferError` naming the fields in which the target's container differs from the source's."""
        docker = move.target.docker
        body = create_body(self.spec, image=self._image(move), api_version=self.api_version, flat=bool(self.flat_image))
        body["HostConfig"].pop("RestartPolicy", None)
        with _registered(move.made.containers, self.spec.name):
            move.made.container = docker.create_container(self.spec.name, body)
        for network, endpoint in connections(self.spec, self.api_version):
            docker.connect(network, move.made.container, endpoint)
        arrived = read_spec(docker, docker.inspect_container(move.made.container))
        allowed = ALLOWED_FLAT if self.flat_image else ALLOWED
        chosen_there = (f"networks.{item.network.name}.network.ipam" for item in self.spec.networks if _is_free(item))
        differing = differences(self.spec, arrived, ignore=(*allowed, "host_config.RestartPolicy", *chosen_there))
        if differing:
            raise TransferError(
                f"{move.target.name} did not create {self.spec.name} as it is on {move.source.name}: "
                + "; ".join(map(str, differing))
            )
        move.made.verified.append("spec")

    def undo(self, move: Move) -> None:
        """Where no answer came, what is there of that name is ours if it is of our image and was never started."""
        if self.spec.name in move.made.containers and (container := move.made.container or self._found(move)):
            move.target.docker.remove_container(container)

    def _found(self, move: Move) -> str:
        try:
            found = move.target.docker.inspect_container(self.spec.name)
        except NotFoundError:
            return ""
        ours = found["State"]["Status"] == "created" and found["Image"] == move.made.image
        return str(found["Id"]) if ours else ""

    def _image(self, move: Move) -> str:
        """The name that the user knows, where it stands for the verified image; else the image's id."""
        reference = self.flat_image or self.spec.image.reference
        try:
            named = move.target.docker.inspect_image(reference)["Id"] == move.made.image
        except NotFoundError:
            named = False
        return reference if named else move.made.image


@dataclass(frozen=True, slots=True)
class Fence:
    """See to it that the source does not come back by itself, and that nobody else has begun to change it.

    A second move of the same container would find it renamed, fenced or stopped by the first.
    """

    container_id: str
    name: str
    running: bool
    restart_policy: Json
    phase: str = "fence"
    guards: bool = True

    def describe(self) -> str:
        return "keep the source from restarting by itself"

    def run(self, move: Move) -> None:
        """Raises `ConflictError` if the source is not as it was when the plan was made."""
        inspected = move.source.docker.inspect_container(self.container_id)
        policy = inspected["HostConfig"].get("RestartPolicy") or {}
        found = inspected["Name"], inspected["State"]["Running"], policy.get("Name") or "no"
        if found != (f"/{self.name}", self.running, self.restart_policy.get("Name") or "no"):
            raise ConflictError(
                f"somebody has stopped, started, renamed or updated {self.name} on {move.source.name} "
                "since the plan was made",
                hint="see whether another move of it is under way, then try again",
            )
        move.made.fenced = True
        move.source.docker.set_restart_policy(self.container_id, {"Name": "no"})

    def undo(self, move: Move) -> None:
        if move.made.fenced:
            move.source.docker.set_restart_policy(self.container_id, self.restart_policy)


@dataclass(frozen=True, slots=True)
class StopSource:
    """Stop the source, with its own signal and grace period."""

    container_id: str
    phase: str = "stop"
    guards: bool = True

    def describe(self) -> str:
        return "stop the source"

    def run(self, move: Move) -> None:
        move.source.docker.stop(self.container_id)

    def undo(self, move: Move) -> None:
        """The source serves again. A stop that was cut off may still be under way: let it end first."""
        with move.recorder.phase("restart", "start the source again"):
            move.source.docker.stop(self.container_id)
            move.source.docker.start(self.container_id)


@dataclass(frozen=True, slots=True)
class FreezeSource:
    """Freeze the source where it stands. It stays so until it is killed, after the point of no return, or undone.

    A host that reboots meanwhile ends it, and the fence keeps it from starting again.
    """

    container_id: str
    phase: str = "freeze"
    guards: bool = True

    def describe(self) -> str:
        return "freeze the source"

    def run(self, move: Move) -> None:
        move.source.docker.pause(self.container_id)

    def undo(self, move: Move) -> None:
        """The source goes on. A freeze that was cut off may still be under way: let it end first."""
        docker = move.source.docker
        with move.recorder.phase("restart", "let the source go on"):
            with suppress(ConflictError):  # it is frozen already, or has ended
                docker.pause(self.container_id)
            if docker.inspect_container(self.container_id)["State"]["Paused"]:
                docker.unpause(self.container_id)
            else:
                docker.start(self.container_id)


@dataclass(frozen=True, slots=True)
class ProveStopped:
    """See that nobody has started the source again: a systemd unit, an updater or a colleague may want it to run."""

    container_id: str
    phase: str = ""
    guards: bool = False

    def describe(self) -> str:
        return "see that the source does not run"

    def run(self, move: Move) -> None:
        """Raises `ConflictError` if it runs. One that was removed does not."""
        try:
            state = move.source.docker.inspect_container(self.container_id)["State"]
        except NotFoundError:
            return
        if state["Running"] and not state["Paused"]:
            raise ConflictError(
                f"somebody started the source on {move.source.name} again while it was being moved",
                hint="find out who: a systemd unit, an updater, docker compose; then try again",
            )

    def undo(self, move: Move) -> None:
        """Looking changes nothing."""


@dataclass(frozen=True, slots=True)
class StartTarget:
    """Start the target's container, and let it restart by itself from now on if the source did.

    Its undo proves that it does not run, before the source may start again. It is removed when the source serves: until
    then both hosts have a complete copy.
    """

    restart_policy: Json
    phase: str = "start"
    guards: bool = True

    def describe(self) -> str:
        return "start the container on the target"

    def run(self, move: Move) -> None:
        move.target.docker.start(move.made.container)
        move.target.docker.set_restart_policy(move.made.container, self.restart_policy)

    def undo(self, move: Move) -> None:
        if not move.made.container:
            return
        with suppress(NotFoundError):  # gone, so it does not run
            move.target.docker.set_restart_policy(move.made.container, {"Name": "no"})
            move.target.docker.stop(move.made.container, grace=0)


@dataclass(frozen=True, slots=True)
class LetRestart:
    """Give the target's container, which stays stopped, the restart policy that the source had."""

    restart_policy: Json
    phase: str = "create"
    guards: bool = False

    def describe(self) -> str:
        return "give the container its restart policy"

    def run(self, move: Move) -> None:
        # Docker starts nothing by itself that never ran: this holds from its first start on.
        move.target.docker.set_restart_policy(move.made.container, self.restart_policy)

    def undo(self, move: Move) -> None:
        """It goes with the container."""


@dataclass(frozen=True, slots=True)
class ProveHealthy:
    """Wait until the container serves on the target: its health check says so, and the probe answers."""

    probe: Probe | None
    timeout_s: float
    phase: str = ""
    guards: bool = False

    def describe(self) -> str:
        return f"wait until {self.probe or 'the container'} answers"

    def run(self, move: Move) -> None:
        """Raises `UnhealthyError` when the container ends, is found unhealthy, or does not answer in time."""
        deadline = time.monotonic() + self.timeout_s
        with move.recorder.phase("healthy"):
            while not self._serves(move.target, move.made.container):
                if time.monotonic() > deadline:
                    raise UnhealthyError(
                        f"{self._awaited(move)} within {self.timeout_s:g} s",
                        hint="a longer --health-timeout may help",
                    )
                threading.Event().wait(POLL_S)
        with move.recorder.phase("settle"):
            settled = time.monotonic() + SETTLE_S
            while time.monotonic() < settled:
                _state_of_running(move.target, move.made.container)
                threading.Event().wait(POLL_S)

    def undo(self, move: Move) -> None:
        """Looking changes nothing."""

    def _serves(self, target: Host, container: str) -> bool:
        state = _state_of_running(target, container)
        health = (state.get("Health") or {}).get("Status", "none")
        if health == "unhealthy":
            raise UnhealthyError(f"the health check of the container fails on {target.name}")
        return health in {"healthy", "none"} and (self.probe is None or self.probe.answers(target.network_address))

    def _awaited(self, move: Move) -> str:
        if self.probe is None:
            return f"the container's health check did not pass on {move.target.name}"
        return f"{self.probe} did not answer on {move.target.name} ({move.target.network_address})"


@dataclass(frozen=True, slots=True)
class Retire:
    """After the point of no return: the source stays, stopped and under a name that says where it went, or is removed.

    Its volumes stay in both cases.
    """

    container_id: str
    name: str
    how: Literal["keep", "remove"]
    phase: str = "retire"
    guards: bool = False

    def describe(self) -> str:
        return f"rename the source to {self.name}" if self.how == "keep" else "remove the source"

    def run(self, move: Move) -> None:
        if self.how == "keep":
            move.source.docker.rename(self.container_id, self.name)
        else:
            move.source.docker.remove_container(self.container_id)

    def undo(self, move: Move) -> None:
        """The point of no return lies behind."""


def _is_free(attachment: NetworkAttachment) -> bool:
    """Whether Docker may choose the network's addresses."""
    return not attachment.network.ipam.get("Config")


def _has_volume(host: Host, name: str) -> bool:
    try:
        host.docker.inspect_volume(name)
    except NotFoundError:
        return False
    return True


def _state_of_running(host: Host, container: str) -> Json:
    """The container's state. Raises `UnhealthyError` if it has ended or restarts."""
    inspected = host.docker.inspect_container(container)
    state: Json = inspected["State"]
    if not state.get("Running") or state.get("Restarting") or inspected.get("RestartCount"):
        raise UnhealthyError(
            f"the container ended on {host.name} soon after its start, with exit code {state.get('ExitCode')}",
            hint="it may miss something there: a device, a file, a neighbour; its logs on the source may tell",
        )
    return state
