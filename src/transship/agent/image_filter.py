"""Which layers the archive of `docker save` holds, and the same archive without some of them.

Both of Docker's layouts are read: `ID/layer.tar` with symlinks for repeated layers (up to 24), and
`blobs/sha256/DIGEST`. Nothing is held in memory but the manifest and the names of the members.
"""

from __future__ import annotations

import copy
import io
import json
import tarfile
from typing import IO, Any, NamedTuple

from .faults import AgentError

MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}


class Edit(NamedTuple):
    """What becomes of an archive: members that are left out, that get another name, and texts that come at its end."""

    drop: frozenset[str]
    rename: dict[str, str]
    add: dict[str, str]


AS_IT_IS = Edit(frozenset(), {}, {})


class Report(NamedTuple):
    """What `shorten` did, in members and in bytes of content."""

    kept: int
    kept_bytes: int
    dropped: int
    dropped_bytes: int


def contents(stream: IO[bytes]) -> dict[str, Any]:
    """Read an archive to its end and say what it holds of its (first) image.

    `config` is the path of the config, `layers` are the paths of the layers, lowest first; `members` maps the path of
    every plain file to its size and how it is packed (``, `gzip`, `zstd`), so a layer that is a link is not among them.
    Raises `AgentError` for what is no whole archive.
    """
    members: dict[str, list[object]] = {}
    manifest = b""
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isfile() else None
                if content is None:
                    continue
                head = content.read() if entry.name == MANIFEST else content.read(2)
                members[entry.name] = [entry.size, _MAGIC.get(head[:2], "")]
                if entry.name == MANIFEST:
                    manifest = head
        _to_end(stream)
        image = json.loads(manifest)[0]
        return {"config": _path(image["Config"]), "layers": list(map(_path, image["Layers"] or [])), "members": members}
    except (tarfile.TarError, ValueError, LookupError, TypeError) as error:
        raise AgentError(f"what Docker saved is no whole image archive: {error}", "EARCHIVE") from error


def _path(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("its manifest names what is no file")
    return value


def shorten(stream: IO[bytes], out: IO[bytes], edit: Edit) -> Report:
    """Copy an archive and edit it on the way. A path that comes twice is copied once.

    Raises `AgentError` for what is no whole archive; what was written until then is none either.
    """
    seen: set[str] = set()
    kept = dropped = kept_bytes = dropped_bytes = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as archive, _writer(out) as short:
            for entry in archive:
                if entry.name in edit.drop or entry.name in seen:
                    dropped += 1
                    dropped_bytes += entry.size
                else:
                    kept += 1
                    kept_bytes += entry.size
                    short.addfile(_renamed(entry, edit), archive.extractfile(entry) if entry.isfile() else None)
                seen.add(entry.name)
            if MANIFEST not in seen:
                raise AgentError("what Docker saved ends too early", "EARCHIVE")
            _append(short, edit)
        _to_end(stream)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise AgentError(f"what Docker saved is no whole image archive: {error}", "EARCHIVE") from error
    return Report(kept, kept_bytes, dropped, dropped_bytes)


def _writer(out: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=out, mode="w|", bufsize=_CHUNK, format=tarfile.PAX_FORMAT)


def _renamed(entry: tarfile.TarInfo, edit: Edit) -> tarfile.TarInfo:
    renamed = copy.copy(entry)
    renamed.name = edit.rename.get(entry.name, entry.name)
    return renamed


def _append(short: tarfile.TarFile, edit: Edit) -> None:
    for path, text in edit.add.items():
        content = text.encode()
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode = len(content), 0o644
        short.addfile(entry, io.BytesIO(content))


def _to_end(stream: IO[bytes]) -> None:
    """Read what follows the archive's end mark: the daemon is done only then."""
    while stream.read(_CHUNK):
        pass
