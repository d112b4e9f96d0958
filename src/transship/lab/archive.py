"""Images as `docker save` writes them: layers that can be shared, a config, a manifest."""

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCH = "2026-01-01T00:00:00Z"
OPAQUE = "trusted.overlay.opaque"


@dataclass(frozen=True, slots=True)
class Layer:
    """One uncompressed layer in a file."""

    path: Path
    diff_id: str
    """`sha256:` and the digest of the tar."""

    @classmethod
    def of(cls, path: Path) -> "Layer":
        with path.open("rb") as handle:
            return cls(path, "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest())


def write_tree(path: Path, root: Path, *, left_out: Iterable[str] = ()) -> None:
    """Write what is below `root` as a layer; an overlay's upper directory with its deletions, too.

    `left_out` are files, and folders whose content is not taken along.
    """
    closed = set(left_out)
    with tarfile.open(path, "w") as tar:
        for folder, folders, files in os.walk(root):
            inside = Path(folder).relative_to(root)
            if str(inside) in closed:
                folders.clear()
                continue
            if OPAQUE in os.listxattr(folder):
                tar.addfile(tarfile.TarInfo(str(inside / ".wh..wh..opq")))
            for name in sorted([*folders, *(name for name in files if str(inside / name) not in closed)]):
                _add(tar, Path(folder, name), inside / name)


def _add(tar: tarfile.TarFile, source: Path, name: Path) -> None:
    status = source.lstat()
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        tar.addfile(tarfile.TarInfo(str(name.with_name(f".wh.{name.name}"))))
        return
    if stat.S_ISSOCK(status.st_mode):
        return
    tar.add(source, arcname=str(name), recursive=False, filter=_anonymous)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uname = entry.gname = ""  # the numbers count
    return entry


def write_files(path: Path, files: Mapping[str, str | bytes], links: Mapping[str, str]) -> None:
    """Write a layer of a few files that everyone may run, and symbolic links to their targets."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(entry)


def write_archive(
    path: Path, reference: str, layers: Sequence[Layer], config: Mapping[str, Any], *, architecture: str = "amd64"
) -> None:
    """Write the archive of one image; `config` is what a Dockerfile sets, in the API's words."""
    document = {
        "architecture": architecture,
        "os": "linux",
        "created": EPOCH,
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": EPOCH, "created_by": f"layer {number}"} for number in range(1, len(layers) + 1)],
    }
    body = json.dumps(document, sort_keys=True).encode()
    config_name = hashlib.sha256(body).hexdigest() + ".json"
    names = [f"{layer.diff_id.removeprefix('sha256:')}/layer.tar" for layer in layers]
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": names}]
    with tarfile.open(path, "w") as tar:
        for name, data in ((config_name, body), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        for name, layer in zip(names, layers, strict=True):
            tar.add(layer.path, arcname=name, filter=_anonymous)
