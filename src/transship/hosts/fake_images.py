import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from transship.errors import DockerError, NotFoundError
from transship.hosts.base import Json

Files = dict[str, bytes]
"""Contents by path, without a leading slash."""


@dataclass(frozen=True, slots=True)
class FakeImage:
    """An image by what makes its identity: the bytes of its config, which names its layers by their diff ids."""

    config: bytes

    @property
    def id(self) -> str:
        return digest(self.config)

    @property
    def document(self) -> Json:
        document: Json = json.loads(self.config)
        return document

    @property
    def diff_ids(self) -> list[str]:
        return list(self.document["rootfs"]["diff_ids"])


@dataclass
class FakeImages:
    """The images of one fake daemon: configs, names, and the layers that they share."""

    images: dict[str, FakeImage] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    layers: dict[str, bytes] = field(default_factory=dict)

    def add(
        self, layers: Sequence[bytes], config: Mapping[str, object] | None = None, *, name: str = "",
        platform: str = "linux/amd64",
    ) -> str:  # fmt: skip
        """Make an image of layer tars, lowest first, and return its id."""
        system, architecture = platform.split("/")[:2]
        self.layers.update({digest(layer): layer for layer in layers})
        document = {
            "architecture": architecture,
            "os": system,
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
        image = FakeImage(json.dumps(document, sort_keys=True).encode())
        self.images[image.id] = image
        if name:
            self.names[full_name(name)] = image.id
        return image.id

    def find(self, ref: str) -> FakeImage:
        """The image of that name, id or beginning of an id. Raises `NotFoundError`."""
        wanted = self.names.get(full_name(ref), ref)
        for image in self.images.values():
            if wanted == image.id or (len(wanted) >= 4 and image.id.removeprefix("sha256:").startswith(wanted)):  # noqa: PLR2004
                return image
        raise NotFoundError(f"no such image: {ref}")

    def files(self, image: FakeImage) -> Files:
        """What its layers show together."""
        files: Files = {}
        for diff_id in image.diff_ids:
            files.update(unpack(self.layers[diff_id]))
        return files

    def remove(self, ref: str) -> None:
        """Take a name away, and with the last name the image; with an id the image and all of its names."""
        image = self.find(ref)
        self.names.pop(full_name(ref), None)
        if full_name(ref) not in self.names and ref.startswith("sha256:"):
            self.names = {name: found for name, found in self.names.items() if found != image.id}
        if image.id not in self.names.values():
            del self.images[image.id]
            needed = {diff_id for each in self.images.values() for diff_id in each.diff_ids}
            self.layers = {diff_id: layer for diff_id, layer in self.layers.items() if diff_id in needed}

    def save(self, refs: Sequence[str]) -> bytes:
        """The archive of `docker save`: names are kept for images that are asked for by name."""
        members, manifest = {}, []
        for ref in refs:
            image = self.find(ref)
            paths = {diff_id: _blob(diff_id) for diff_id in image.diff_ids}
            members[_blob(image.id)] = image.config
            members.update({path: self.layers[diff_id] for diff_id, path in paths.items()})
            tags = [full_name(ref)] if full_name(ref) in self.names else []
            manifest.append({"Config": _blob(image.id), "RepoTags": tags, "Layers": list(paths.values())})
        return pack({**members, "manifest.json": json.dumps(manifest).encode()})

    def load(self, archive: bytes) -> None:
        """Take in what `save` gave. Layers that are here already may be missing from it. Raises `DockerError`."""
        try:
            members = unpack(archive)
            manifest = json.loads(members["manifest.json"])
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise DockerError("the archive is not one that docker save writes") from error
        for entry in manifest:
            self._load(entry, members)

    def _load(self, entry: Json, members: Files) -> None:
        image = FakeImage(members[entry["Config"]])
        for diff_id, path in zip(image.diff_ids, entry["Layers"], strict=True):
            layer = members.get(path) or self.layers.get(diff_id)
            if layer is None:
                raise DockerError(f"the archive lacks the layer {diff_id}, and it is not here")
            if digest(layer) != diff_id:
                raise DockerError(f"the layer {path} is not {diff_id}")
            self.layers[diff_id] = layer
        self.images[image.id] = image
        self.names.update({full_name(name): image.id for name in entry["RepoTags"] or ()})


def digest(content: bytes) -> str:
    """`sha256:…`, as Docker names contents."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def full_name(name: str) -> str:
    """`repository:tag`, with the tag that Docker takes where there is none."""
    return name if "@" in name or ":" in name.rpartition("/")[2] else f"{name}:latest"


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar of plain files that may be executed; equal files give equal bytes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def unpack(archive: bytes) -> Files:
    """The plain files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name.removeprefix("./"): _content(tar, member) for member in tar if member.isfile()}


def chunks(content: bytes, size: int = 1 << 16) -> Iterable[bytes]:
    """The same in pieces, as a daemon sends it."""
    return (content[at : at + size] for at in range(0, len(content), size))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    return stream.read() if stream else b""


def _blob(identity: str) -> str:
    return f"blobs/sha256/{identity.removeprefix('sha256:')}"
