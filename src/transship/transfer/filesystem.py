import hashlib
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from transship.agent.tar_manifest import first_difference, manifest
from transship.errors import CommandError, TransferError
from transship.hosts.base import Docker
from transship.metrics.events import Recorder
from transship.plan.steps import Move
from transship.transfer.beside import output
from transship.transfer.stream import await_late, relay


@dataclass(frozen=True, slots=True)
class CopyFilesystem:
    """Stream the stopped container's filesystem into a flat image on the target.

    What arrived is proven twice: the image's one layer has the digest of the bytes that left, and `VerifyFilesystem`
    compares what Docker made of them.
    """

    container: str
    image: str
    platform: str
    size: int
    verify: Literal["meta", "full"]
    phase: str = ""

    def describe(self) -> str:
        """Names the image that is made."""
        return f"copy the filesystem into the image {self.image}"

    def run(self, move: Move) -> None:
        """Raises `TransferError` if the target's layer is not what the source sent."""
        move.made.flat = self.image
        move.custody.save()
        reader = _TarReader(move.source.docker.export(self.container), contents=self.verify == "full")
        target = move.target.docker

        def consume(chunks: Iterator[bytes]) -> str:
            return target.import_image(chunks, self.image, platform=self.platform)

        move.made.image, move.measured.bytes["layer"] = relay(move.recorder, reader.chunks(), consume, total=self.size)
        layers = target.inspect_image(move.made.image)["RootFS"]["Layers"]
        if layers != [reader.digest]:
            raise TransferError(f"{move.target.name} stored {layers}, but {move.source.name} sent {reader.digest}")
        move.work.manifest.update(reader.manifest)
        move.measured.verified.append("archive")


@dataclass(frozen=True, slots=True)
class VerifyFilesystem:
    """Compare the created container's filesystem with what left the source: owners, modes, sizes, times, attributes.

    It is read on the target by the target's own Python and goes nowhere.
    """

    verify: Literal["meta", "full"]
    phase: str = ""

    def describe(self) -> str:
        """Says how deep it looks."""
        return f"compare every file's owner, mode and size{' and contents' if self.verify == 'full' else ''}"

    def run(self, move: Move) -> None:
        """Raises `TransferError` naming the first top-level folder that differs.

        A Python there that lacks what is needed (Debian's python3-minimal does) is no failure, unless contents were to
        be compared: the archive's digest stands.
        """
        with move.recorder.phase("verify", self.describe()) as phase:
            try:
                arrived = json.loads(b"".join(output(move.target, ["manifest", move.made.container, self.verify])))
            except (CommandError, ValueError) as error:
                if self.verify == "full":
                    raise TransferError(f"the filesystem that arrived cannot be compared: {error}") from error
                phase.detail = f"not compared: {error}"
                return
        folder = first_difference(move.work.manifest, arrived)
        if folder is not None:
            raise TransferError(f"/{folder} on {move.target.name} is not as it was on {move.source.name}")
        move.measured.verified.append(f"filesystem ({self.verify})")


def remove_flat(docker: Docker, recorder: Recorder, name: str) -> None:
    """Remove the image that was made of the filesystem, if it came to that."""
    await_late(recorder, lambda: any(name in (each["RepoTags"] or ()) for each in docker.list_images()))
    docker.remove_image(name)


class _TarReader:
    """Passes a tar on, and reads on the way what it says.

    `digest` (as Docker writes it) and `manifest` are there once `chunks` has ended.
    """

    def __init__(self, source: Iterator[bytes], *, contents: bool) -> None:
        self._source = source
        self._contents = contents
        self._problem: Exception | None = None
        self.digest = ""
        self.manifest: dict[str, str] = {}

    def chunks(self) -> Iterator[bytes]:
        """Raises `TransferError` if what passed by is no whole tar."""
        sha256 = hashlib.sha256()
        read_end, write_end = os.pipe()
        reader = threading.Thread(target=self._read, args=(read_end,), daemon=True)
        reader.start()
        try:
            with os.fdopen(write_end, "wb") as pipe:
                for chunk in self._source:
                    sha256.update(chunk)
                    pipe.write(chunk)
                    yield chunk
        finally:
            reader.join()
        if self._problem is not None:
            raise TransferError("the exported filesystem is no whole tar archive") from self._problem
        self.digest = f"sha256:{sha256.hexdigest()}"

    def _read(self, read_end: int) -> None:
        with open(read_end, "rb") as stream:
            try:
                self.manifest = manifest(stream, contents=self._contents)
            except (tarfile.TarError, OSError) as error:
                self._problem = error
                while stream.read(1 << 20):
                    """The writer must be able to go on; what is wrong is said at its end."""
