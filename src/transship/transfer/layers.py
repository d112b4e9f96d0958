"""Which layers of an image need not cross, and the archive that leaves them out.

Everything here but `stored_images` is without I/O. A *chain* is a layer with all that lie below it. What a target can
do without depends on how it stores images: the graphdriver store knows layers by their chain and never opens a member
of the archive for one that it has; the containerd store knows blobs by their digest, and the same layer may be another
blob there (compressed, because it was pulled).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Self

from transship.agent.image_filter import AS_IT_IS, Edit
from transship.errors import NotFoundError, TransferError
from transship.hosts.base import Docker
from transship.spec.compare import same_image
from transship.spec.extract import image_ref
from transship.spec.model import ImageRef

ImageStore = Literal["graphdriver", "containerd"]

_BLOBS = "blobs/sha256/"
_OCI = "application/vnd.oci.image."
_INSPECTING = 4


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer as a store keeps it. `packing` is empty for a plain tar, else `gzip` or `zstd`."""

    digest: str
    size: int
    packing: str

    @property
    def path(self) -> str:
        return _BLOBS + self.digest.removeprefix("sha256:")

    def descriptor(self) -> dict[str, object]:
        """The layer in the words of an OCI manifest."""
        kind = f"{_OCI}layer.v1.tar" + (f"+{self.packing}" if self.packing else "")
        return {"mediaType": kind, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class Contents:
    """What `docker save` of an image on some host gives: the paths of config and layers, and its plain files."""

    config: str
    layers: tuple[str, ...]
    members: Mapping[str, tuple[int, str]]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `agent.image_filter.contents` said."""
        members = {path: (int(size), str(packing)) for path, (size, packing) in value["members"].items()}
        return cls(str(value["config"]), tuple(value["layers"]), members)

    def paths(self, diff_ids: Sequence[str]) -> dict[str, str]:
        """The diff id by path. Raises `TransferError` if the layers are not the image's."""
        if len(diff_ids) != len(self.layers):
            raise TransferError(f"the archive has {len(self.layers)} layers, and the image {len(diff_ids)}")
        return dict(zip(self.layers, diff_ids, strict=True))

    def blobs(self, diff_ids: Sequence[str]) -> dict[str, Blob]:
        """The layers that are really there, by diff id. Raises `TransferError` if they are not the image's."""
        found = {}
        for path, diff_id in self.paths(diff_ids).items():
            if path in self.members:
                size, packing = self.members[path]
                digest = f"sha256:{path.removeprefix(_BLOBS)}" if path.startswith(_BLOBS) else diff_id
                found[diff_id] = Blob(digest, size, packing)
        return found


def stored_images(docker: Docker, *, besides: Iterable[str] = ()) -> tuple[ImageRef, ...]:
    """All that a host has, those without a name too, but for the ids `besides` and what is removed meanwhile."""
    ids = {str(each["Id"]) for each in docker.list_images()}.difference(besides)

    def look(id_: str) -> ImageRef | None:
        try:
            return image_ref(docker.inspect_image(id_), reference=id_, id=id_)
        except NotFoundError:
            return None

    with ThreadPoolExecutor(_INSPECTING) as pool:
        return tuple(each for each in pool.map(look, sorted(ids)) if each)


def find_image(image: ImageRef, stored: Iterable[ImageRef]) -> ImageRef | None:
    """The one with the same content."""
    return next((each for each in stored if same_image(image, each)), None)


def layers_there(diff_ids: Sequence[str], stored: Iterable[ImageRef]) -> frozenset[str]:
    """The layers that a graphdriver store can do without: those whose whole chain is there, wherever they occur."""
    common = max((_common(diff_ids, each.diff_ids) for each in stored), default=0)
    return frozenset(diff_ids[:common]) - frozenset(diff_ids[common:])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def sharing(diff_ids: Sequence[str], stored: Iterable[ImageRef]) -> list[ImageRef]:
    """Few and small images that have, together, all layers that any of them shares with the wanted image."""
    wanted, images, chosen = set(diff_ids), list(stored), []

    def use(image: ImageRef) -> tuple[int, int]:
        return len(wanted.intersection(image.diff_ids)), -len(image.diff_ids)

    while best := max(images, key=use, default=None):
        if not wanted.intersection(best.diff_ids):
            break
        chosen.append(best)
        wanted.difference_update(best.diff_ids)
    return chosen


def named_paths(diff_ids: Iterable[str]) -> dict[str, str]:
    """Where a graphdriver store since Docker 25 puts each layer in an archive: the diff id by path."""
    return {_BLOBS + diff_id.removeprefix("sha256:"): diff_id for diff_id in diff_ids}


def without(paths: Iterable[str]) -> Edit:
    """The archive without some members; nothing else is changed, so that the image id stays."""
    return AS_IT_IS._replace(drop=frozenset(paths))


def as_blobs(image: ImageRef, archive: Contents, there: Mapping[str, Blob]) -> Edit:
    """A graphdriver store's archive, written anew in the words of the target's blobs.

    Such a store's archive has no manifest that would be the image's own: config and layers are its identity. So the
    manifest may name the blobs that the target has, however they are packed. Nothing of the archive stays but the
    config and the layers that are missing. Raises `TransferError` for an archive that lacks what it names.
    """
    own = archive.blobs(image.diff_ids)
    if absent := {archive.config, *image.diff_ids} - {*archive.members, *own, *there}:
        raise TransferError(f"the archive of {image.reference} lacks {min(absent)}, which it names")
    needed = {diff_id: there.get(diff_id) or own[diff_id] for diff_id in image.diff_ids}
    config = Blob(image.id, archive.members[archive.config][0], "")
    missing = {path: each for path, each in archive.paths(image.diff_ids).items() if each not in there}
    rename = {path: own[diff_id].path for path, diff_id in missing.items() if path in archive.members}
    rename[archive.config] = config.path
    layers = [needed[diff_id] for diff_id in image.diff_ids]
    return Edit(
        drop=(frozenset(archive.members) | frozenset(archive.layers)) - frozenset(rename),
        rename=rename,
        add=_documents(config, layers),
    )


def _documents(config: Blob, layers: Sequence[Blob]) -> dict[str, str]:
    """The files of an OCI image layout, with Docker's own manifest, for an image without a name."""
    descriptor = {"mediaType": f"{_OCI}config.v1+json", "digest": config.digest, "size": config.size}
    kind = f"{_OCI}manifest.v1+json"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": descriptor,
            "layers": [each.descriptor() for each in layers],
        }
    )
    own = Blob(f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}", len(manifest), "")
    image = {"mediaType": kind, "digest": own.digest, "size": own.size}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [image]}
    return {
        own.path: manifest,
        "index.json": json.dumps(index),
        "manifest.json": json.dumps(
            [{"Config": config.path, "RepoTags": None, "Layers": [each.path for each in layers]}]
        ),
        "oci-layout": json.dumps({"imageLayoutVersion": "1.0.0"}),
    }
