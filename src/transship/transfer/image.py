from dataclasses import dataclass

from transship.errors import DockerError, NotFoundError, TransferError
from transship.hosts.base import Docker
from transship.plan.steps import Move
from transship.spec.compare import same_image
from transship.spec.extract import image_ref
from transship.spec.model import ImageRef
from transship.transfer.stream import relay


@dataclass(frozen=True, slots=True)
class KeepImage:
    """Use the image that the target has already, found equal when the plan was made."""

    reference: str
    id: str
    phase: str = "prepare"
    guards: bool = False

    def describe(self) -> str:
        return f"use the image {self.reference}, which is there already"

    def run(self, move: Move) -> None:
        move.made.image = self.id
        move.made.verified.append("image")

    def undo(self, move: Move) -> None:
        """Nothing was made."""


@dataclass(frozen=True, slots=True)
class ProvideImage:
    """Give the target the container's image: from its registry by digest, else over SSH as `docker save` writes it.

    The image is taken by content: a tag may name another one by now. A tag that the target has already is not moved.
    """

    image: ImageRef
    size: int
    phase: str = ""
    guards: bool = False

    def describe(self) -> str:
        """Names the image as the user knows it."""
        return f"provide the image {self.image.reference}"

    def run(self, move: Move) -> None:
        """Raises `TransferError` if what arrived is not the image that the source has."""
        if not self._pull(move):
            self._copy(move)
        move.made.verified.append("image")

    def undo(self, move: Move) -> None:
        """Remove the image and every name that it was given."""
        move.source.docker.remove_image(_temporary_tag(move))
        for name in (_temporary_tag(move), *move.made.tags, *move.made.pulled):
            move.target.docker.remove_image(name)

    def _pull(self, move: Move) -> bool:
        """Whether a registry gave the image. That none does is no error: the source has it."""
        for digest in self.image.digests:
            with move.recorder.phase("pull", digest) as phase:
                move.made.pulled.add(digest)
                try:
                    move.target.docker.pull(digest, platform=self.image.platform, progress=phase.reach)
                    self._take(move, digest)
                    move.made.bytes["image"] = phase.bytes
                except (DockerError, TransferError) as error:
                    phase.detail = f"not pulled, the image comes from the source: {error}"
                else:
                    return True
        return False

    def _copy(self, move: Move) -> None:
        name = _temporary_tag(move)
        move.source.docker.tag(self.image.id, name)
        archive = move.source.docker.save([name])
        _, move.made.bytes["image"] = relay(move.recorder, archive, move.target.docker.load, total=self.size)
        self._take(move, name)
        move.source.docker.remove_image(name)

    def _take(self, move: Move, name: str) -> None:
        """Accept what arrived under `name` if it is the image, and give it the names that it has on the source."""
        target = move.target.docker
        arrived = target.inspect_image(name)
        if not same_image(self.image, image_ref(arrived, reference=name, id=arrived["Id"])):
            raise TransferError(f"{move.target.name} received another image than {self.image.reference}")
        move.made.image = str(arrived["Id"])
        for tag in self.image.tags:
            if not _has(target, tag):
                move.made.tags.add(tag)
                target.tag(move.made.image, tag)
        if move.made.tags:
            target.remove_image(_temporary_tag(move))


def _temporary_tag(move: Move) -> str:
    return f"transship/move:{move.id}"


def _has(docker: Docker, name: str) -> bool:
    try:
        docker.inspect_image(name)
    except NotFoundError:
        return False
    return True
