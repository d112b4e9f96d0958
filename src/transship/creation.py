"""What is made on the target while the source serves."""

from dataclasses import dataclass

from transship.errors import ConflictError, DockerError, NotFoundError, TransferError
from transship.hosts.base import Host
from transship.observe import read_spec
from transship.plan.steps import Move
from transship.spec.compare import ALLOWED, ALLOWED_FLAT, Difference, differences
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec, NetworkAttachment, NetworkSpec, VolumeSpec
from transship.spec.render import connections, create_body, network_body, volume_body

_LONGEST_TIME = 64


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    """Create a network on the target as the source has it."""

    network: NetworkSpec
    phase: str = "prepare"

    def describe(self) -> str:
        return f"create the network {self.network.name}"

    def run(self, move: Move) -> None:
        networks, name = move.made.networks, self.network.name
        networks[name] = ""
        move.custody.save()
        try:
            networks[name] = move.target.docker.create_network(network_body(self.network))
        except DockerError:  # refused: what is there of that name, somebody else has made
            del networks[name]
            raise
        move.custody.save()


@dataclass(frozen=True, slots=True)
class CreateVolume:
    """Create an empty volume on the target, with the driver, options and labels of the source's."""

    volume: VolumeSpec
    phase: str = "prepare"

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
        volumes, docker = move.made.volumes, move.target.docker
        volumes[self.volume.name] = ""
        move.custody.save()
        docker.create_volume(volume_body(self.volume))
        made = str(docker.inspect_volume(self.volume.name).get("CreatedAt", ""))
        volumes[self.volume.name] = made if made.isprintable() and len(made) <= _LONGEST_TIME else ""
        move.custody.save()


@dataclass(frozen=True, slots=True)
class ReviveContainer:
    """Take the container that an earlier migration has left stopped on the target, and give it its name back."""

    spec: ContainerSpec
    container_id: str
    retired_name: str
    phase: str = "create"

    def describe(self) -> str:
        return f"take {self.retired_name} for {self.spec.name} again"

    def run(self, move: Move) -> None:
        """Raises `TransferError` where it is not what the source's container is."""
        move.made.container, move.made.revived = self.container_id, self.retired_name
        move.custody.save()
        move.target.docker.rename(self.container_id, self.spec.name)
        if differing := _differing(move, self.spec):
            raise TransferError(
                f"{self.retired_name} on {move.target.name} is no longer what {self.spec.name} is: "
                + "; ".join(map(str, differing)),
                hint="transship move makes a new container there",
            )
        move.measured.verified.append("spec")


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

    def describe(self) -> str:
        return f"create the container {self.spec.name}"

    def run(self, move: Move) -> None:
        """Raises `TransferError` naming the fields in which the target's container differs from the source's."""
        flat = bool(self.flat_image)
        if not move.made.container:
            self._create(move)
        elif _differing(move, self.spec, flat=flat):  # from an earlier try, and the source was changed since
            move.target.docker.remove_container(move.made.container)
            self._create(move)
        if differing := _differing(move, self.spec, flat=flat):
            raise TransferError(
                f"{move.target.name} did not create {self.spec.name} as it is on {move.source.name}: "
                + "; ".join(map(str, differing))
            )
        move.measured.verified.append("spec")

    def _create(self, move: Move) -> None:
        docker, made = move.target.docker, move.made
        body = create_body(self.spec, image=self._image(move), api_version=self.api_version, flat=bool(self.flat_image))
        body["HostConfig"].pop("RestartPolicy", None)
        made.creating, made.container = True, ""
        move.custody.save()
        try:
            made.container = docker.create_container(self.spec.name, body)
        except DockerError:  # refused: what is there of that name, somebody else has made
            made.creating = False
            raise
        move.custody.save()
        for network, endpoint in connections(self.spec, self.api_version):
            docker.connect(network, made.container, endpoint)

    def _image(self, move: Move) -> str:
        """The name that the user knows, where it stands for the verified image; else the image's id."""
        reference = self.flat_image or self.spec.image.reference
        try:
            named = move.target.docker.inspect_image(reference)["Id"] == move.made.image
        except NotFoundError:
            named = False
        return reference if named else move.made.image


def _differing(move: Move, spec: ContainerSpec, *, flat: bool = False) -> tuple[Difference, ...]:
    """In what the target's container differs from what it shall be. Its restart policy comes with the start."""
    docker = move.target.docker
    neighbours = docker.containers() if spec.network_mode.startswith("container:") else ()
    arrived = read_spec(docker, docker.inspect_container(move.made.container), neighbours)
    chosen_there = (f"networks.{item.network.name}.network.ipam" for item in spec.networks if _is_free(item))
    allowed = ALLOWED_FLAT if flat else ALLOWED
    return differences(spec, arrived, ignore=(*allowed, "host_config.RestartPolicy", *chosen_there))


def _is_free(attachment: NetworkAttachment) -> bool:
    """Whether Docker may choose the network's addresses."""
    return not attachment.network.ipam.get("Config")


def _has_volume(host: Host, name: str) -> bool:
    try:
        host.docker.inspect_volume(name)
    except NotFoundError:
        return False
    return True
