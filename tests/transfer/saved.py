"""Image archives in both of Docker's layouts, small and made in memory."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(name: str, content: bytes) -> bytes:
    """A layer's tar with one file."""
    return tar({name: content})


def tar(files: dict[str, bytes], links: dict[str, str] | None = None, order: Sequence[str] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in order or sorted({*files, *(links or {})}):
            entry = tarfile.TarInfo(path)
            if path in files:
                entry.size, entry.mode = len(files[path]), 0o755
                archive.addfile(entry, io.BytesIO(files[path]))
            else:
                entry.type, entry.linkname = tarfile.SYMTYPE, (links or {})[path]
                archive.addfile(entry)
    return out.getvalue()


def config_of(layers: Sequence[bytes]) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in layers]},
        }
    ).encode()  # fmt: skip


def old_layout(layers: Sequence[bytes]) -> bytes:
    """As Docker 20.10 saves it: a folder a layer, a link where a layer repeats."""
    config, files, links, paths = config_of(layers), {}, {}, []
    first: dict[bytes, str] = {}
    for number, each in enumerate(layers):
        path = f"{number:064x}/layer.tar"
        paths.append(path)
        files[f"{number:064x}/VERSION"] = b"1.0"
        if each in first:
            links[path] = f"../{first[each]}"
        else:
            files[path] = each
            first[each] = path
    name = digest(config).removeprefix("sha256:") + ".json"
    manifest = [{"Config": name, "RepoTags": None, "Layers": paths}]
    return tar({**files, name: config, "manifest.json": json.dumps(manifest).encode()}, links)


def blobs(layers: Sequence[bytes], *, packed: bool = False, reference: str = "") -> bytes:
    """As the containerd store saves it; `packed`: with the gzip blobs of an image that was pulled."""
    config = config_of(layers)
    kept = [gzip.compress(each, mtime=0) if packed else each for each in layers]
    kind = "application/vnd.oci.image.{}".format
    of = "layer.v1.tar+gzip" if packed else "layer.v1.tar"
    manifest = json.dumps(
        {
            "schemaVersion": 2, "mediaType": kind("manifest.v1+json"),
            "config": {"mediaType": kind("config.v1+json"), "digest": digest(config), "size": len(config)},
            "layers": [{"mediaType": kind(of), "digest": digest(each), "size": len(each)} for each in kept],
        }
    ).encode()  # fmt: skip
    named = {"annotations": {"io.containerd.image.name": f"docker.io/library/{reference}"}} if reference else {}
    image = {"mediaType": kind("manifest.v1+json"), "digest": digest(manifest), "size": len(manifest), **named}
    docker = {
        "Config": blob(config), "RepoTags": [reference] if reference else None, "Layers": [blob(each) for each in kept],
    }  # fmt: skip
    return tar(
        {
            **{blob(each): each for each in (config, manifest, *kept)},
            "index.json": json.dumps({"schemaVersion": 2, "manifests": [image]}).encode(),
            "manifest.json": json.dumps([docker]).encode(),
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        }
    )


def blob(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
