"""What is made on the target while the source serves, and taken back by id if the move fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from transship.errors import ConflictError, NotFoundError, TransferError
from transship.hosts.base import Host
from transship.observe import read_spec
from transship.plan.steps import Move
from transship.spec.compare import ALLOWED, ALLOWED_FLAT, differences
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec, NetworkAttachment, NetworkSpec, VolumeSpec
from transship.spec.networks import network_spec
from transship.spec.render import connections, create_body, network_body, volume_body


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


def _is_free(attachment: NetworkAttachment) -> bool:
    """Whether Docker may choose the network's addresses."""
    return not attachment.network.ipam.get("Config")


def _has_volume(host: Host, name: str) -> bool:
    try:
        host.docker.inspect_volume(name)
    except NotFoundError:
        return False
    return True
