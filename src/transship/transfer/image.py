from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from transship.agent.image_filter import AS_IT_IS, Edit
from transship.errors import CommandError, DockerError, NoSpaceError, NotFoundError, TransferError
from transship.hosts.base import Docker
from transship.metrics.events import Recorder
from transship.plan.record import Loading, Made
from transship.plan.steps import Move
from transship.spec.compare import same_image
from transship.spec.extract import image_ref
from transship.spec.model import ImageRef
from transship.transfer import layers
from transship.transfer.archive import read_beside, read_contents, read_here
from transship.transfer.stream import as_generator, await_late, relay


@dataclass(frozen=True, slots=True)
class KeepImage:
    """Use the image that the target has already, found equal when the plan was made."""

    reference: str
    id: str
    phase: str = "prepare"

    def describe(self) -> str:
        return f"use the image {self.reference}, which is there already"

    def run(self, move: Move) -> None:
        move.made.image = self.id
        move.measured.verified.append("image")


@dataclass(frozen=True, slots=True)
class Ends:
    """How both hosts store images, and where a program can work beside them.

    `named_layers`: the source's archives name every layer by its diff id (the graphdriver store since Docker 25).
    """

    source: layers.ImageStore
    target: layers.ImageStore
    named_layers: bool
    source_python: bool
    target_python: bool


@dataclass(frozen=True, slots=True)
class _Shorter:
    """An edit of the archive that leaves out `layers`.

    `relied_on` are the target's images that have these, where the target itself does not look.
    """

    edit: Edit
    layers: frozenset[str]
    relied_on: Sequence[ImageRef] = ()


@dataclass(frozen=True, slots=True)
class ProvideImage:
    """Give the target the container's image: the layers that it lacks, or if those are refused the whole of it.

    With `pull` a registry is asked first, by digest. The image is taken by content: a tag may name another one by now.
    A tag that the target has already is not moved. On its way the image has no name at all, on neither host.
    """

    image: ImageRef
    size: int
    ends: Ends
    pull: bool = True
    phase: str = ""

    def describe(self) -> str:
        """Names the image as the user knows it."""
        return f"provide the image {self.image.reference}"

    def run(self, move: Move) -> None:
        """Raises `TransferError` if what arrived is not the image that the source has."""
        move.measured.bytes["image"] = 0
        move.measured.sizes["image"] = self.size
        if not (self.pull and self._pull(move)):
            self._provide(move)
        move.measured.verified.append("image")

    def _pull(self, move: Move) -> bool:
        """Whether a registry gave the image. That none does is no error: the source has it."""
        for digest in self.image.digests:
            with move.recorder.phase("pull", digest) as phase:
                if digest not in move.made.pulled:
                    move.made.pulled.append(digest)
                move.custody.save()
                try:
                    move.target.docker.pull(digest, platform=self.image.platform, progress=phase.reach)
                    arrived = move.target.docker.inspect_image(digest)
                    self._take(move, image_ref(arrived, reference=digest, id=arrived["Id"]))
                    move.measured.bytes["image"] = phase.bytes
                except (DockerError, TransferError) as error:
                    phase.detail = f"not pulled, the image comes from the source: {error}"
                else:
                    return True
        return False

    def _provide(self, move: Move) -> None:
        stored = layers.stored_images(move.target.docker)
        if there := layers.find_image(self.image, stored):
            self._take(move, there)
        elif not self._send_missing(move, stored):
            self._send_whole(move, stored)

    def _send_missing(self, move: Move, stored: Iterable[ImageRef]) -> bool:
        """Whether the image is there after only the missing layers were sent. That it is not is no error."""
        with move.recorder.phase("missing-layers") as phase:
            try:
                shorter = self._shorter(move, stored)
                if shorter is None:
                    phase.detail = "no layer is known to be there"
                    return False
                phase.detail = f"{len(shorter.layers)} of {len(set(self.image.diff_ids))} layers are there"
                arrived = self._load(move, self._read(move, shorter.edit), stored)
                self._prove_complete(move, shorter.relied_on)
                self._take(move, arrived)
            except NoSpaceError:
                raise
            except (DockerError, TransferError, CommandError) as error:
                phase.detail = f"the whole image is sent, because this failed: {error}"
                discard(move.target.docker, move.recorder, self._loading(stored))
                return False
        return True

    def _read(self, move: Move, edit: Edit) -> Iterator[bytes]:
        if self.ends.source_python:
            return read_beside(move.source, self.image.id, edit)
        return read_here(move.source.docker, self.image.id, edit)

    def _prove_complete(self, move: Move, relied_on: Iterable[ImageRef]) -> None:
        """The containerd store takes an image whose blobs are missing: those that have them must be there still."""
        for each in relied_on:
            if not _has(move.target.docker, each.id):
                raise TransferError(f"{move.target.name} no longer has layers that {self.image.reference} shares")

    def _send_whole(self, move: Move, stored: Iterable[ImageRef]) -> None:
        if self.ends.source_python:
            with move.recorder.phase("whole-image") as phase:
                try:
                    self._take(move, self._load(move, read_beside(move.source, self.image.id, AS_IT_IS), stored))
                except CommandError as error:
                    phase.detail = f"sent as Docker saves it, because this failed: {error}"
                else:
                    return
        self._take(move, self._load(move, move.source.docker.save([self.image.id]), stored))

    def _shorter(self, move: Move, stored: Iterable[ImageRef]) -> _Shorter | None:
        """What can be left out of the archive; None where nothing is known to be there."""
        if self.ends.target == "graphdriver":
            unneeded = layers.layers_there(self.image.diff_ids, stored)
            paths = self._paths(move).items() if unneeded else ()
            leaving = layers.without(path for path, diff_id in paths if diff_id in unneeded)
            return _Shorter(leaving, unneeded) if leaving.drop else None
        if not (self.ends.source_python and self.ends.target_python):
            return None
        sharing = layers.sharing(self.image.diff_ids, stored)
        there: dict[str, layers.Blob] = {}
        for each in sharing:
            there |= read_contents(move.target, each.id).blobs(each.diff_ids)
        there = {diff_id: blob for diff_id, blob in there.items() if diff_id in self.image.diff_ids}
        if not there:
            return None
        if self.ends.source == "containerd" or self._same_blobs(there):
            edit = layers.without(blob.path for blob in there.values())
        else:
            edit = layers.as_blobs(self.image, read_contents(move.source, self.image.id), there)
        return _Shorter(edit, frozenset(there), sharing)

    def _same_blobs(self, there: Mapping[str, layers.Blob]) -> bool:
        """Whether the source's archive calls these layers what the target does: plain tars by their diff ids."""
        return self.ends.named_layers and all(blob.digest == diff_id for diff_id, blob in there.items())

    def _paths(self, move: Move) -> dict[str, str]:
        """Where the layers are in the source's archive, by path; empty where that could be seen here only."""
        if self.ends.named_layers:
            return layers.named_paths(self.image.diff_ids)
        if self.ends.source_python:
            return read_contents(move.source, self.image.id).paths(self.image.diff_ids)
        return {}

    def _load(self, move: Move, archive: Iterator[bytes], stored: Iterable[ImageRef]) -> ImageRef:
        """Have the target load an archive and return what arrived. Raises `TransferError` if that is another image."""
        move.made.loading = self._loading(stored)
        move.custody.save()

        def counted() -> Iterator[bytes]:
            with closing(as_generator(archive)) as chunks:
                for chunk in chunks:
                    move.measured.bytes["image"] += len(chunk)
                    yield chunk

        relay(move.recorder, counted(), move.target.docker.load)
        new = layers.stored_images(move.target.docker, besides=[each.id for each in stored])
        arrived = layers.find_image(self.image, new)
        if arrived is None:
            raise TransferError(f"{move.target.name} received another image than {self.image.reference}")
        return arrived

    def _loading(self, stored: Iterable[ImageRef]) -> Loading:
        others = (each.id for each in stored if each.diff_ids == self.image.diff_ids and not each.tags)
        return Loading(tuple(self.image.diff_ids), tuple(sorted(others)))

    def _take(self, move: Move, arrived: ImageRef) -> None:
        """Accept what is there if it is the image, and give it the names that it has on the source."""
        if not same_image(self.image, arrived):
            raise TransferError(f"{move.target.name} received another image than {self.image.reference}")
        move.made.image = arrived.id
        for tag in self.image.tags:
            if not _has(move.target.docker, tag):
                move.made.tags.append(tag)
                move.custody.save()
                move.target.docker.tag(arrived.id, tag)


def remove_image(docker: Docker, recorder: Recorder, made: Made) -> None:
    """Take away the image that was brought, and every name that it was given.

    A name that means another image by now, and an image that somebody else uses, are left alone.
    """
    ours = [tag for tag in made.tags if _id(docker, tag) == made.image]
    for name in (*ours, *made.pulled):
        docker.remove_image(name)
    if made.loading.layers:
        discard(docker, recorder, made.loading)


def discard(docker: Docker, recorder: Recorder, loading: Loading) -> None:
    """Remove what arrived and has no name; with a name it is somebody else's."""

    def nameless() -> list[str]:
        stored = layers.stored_images(docker, besides=loading.others)
        return [each.id for each in stored if tuple(each.diff_ids) == loading.layers and not each.tags]

    await_late(recorder, lambda: bool(nameless()))
    for id_ in nameless():
        docker.remove_image(id_)


def _has(docker: Docker, name: str) -> bool:
    return bool(_id(docker, name))


def _id(docker: Docker, name: str) -> str:
    """The image that a host has under this name; empty if it has none."""
    try:
        return str(docker.inspect_image(name)["Id"])
    except NotFoundError:
        return ""
