"""What a tar says of a filesystem, as one digest for every top-level folder."""

import hashlib
import tarfile
from typing import IO, Dict, Optional  # noqa: UP035 - Python 3.8

# Docker makes these in every container, whatever its image says, and with them changes the times of their folders.
MADE_BY_DOCKER = {"", ".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hosts", "etc/hostname",
                  "etc/mtab", "etc/resolv.conf", "proc", "sys"}  # fmt: skip
CHUNK = 1 << 20
XATTR = "SCHILY.xattr."


def manifest(stream: IO[bytes], *, contents: bool) -> Dict[str, str]:  # noqa: UP006 - Python 3.8
    """Map every top-level name to a digest of all entries below it, in the order of the tar.

    An entry is its path, type, mode, owner and group (as numbers), size, time (whole seconds, as Docker 20.10 writes
    no finer ones), link target, device numbers and extended attributes; with `contents` also the bytes of a file.
    Memory does not grow with the number of entries. Raises `tarfile.TarError` for what is no tar or ends too early.
    """
    digests: Dict[str, "hashlib._Hash"] = {}  # noqa: UP006, UP037 - Python 3.8
    with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
        for entry in archive:
            archive.members = []  # type: ignore[attr-defined]  # tarfile remembers all entries otherwise
            path = entry.name.strip("/") if entry.name != "." else ""
            digest = digests.setdefault(path.partition("/")[0], hashlib.sha256())
            digest.update(_line(path, entry))
            if contents and entry.isfile():
                data = archive.extractfile(entry)
                while data is not None:
                    chunk = data.read(CHUNK)
                    digest.update(chunk)
                    if not chunk:
                        break
    while stream.read(CHUNK):
        pass
    return {name: digest.hexdigest() for name, digest in digests.items()}


def first_difference(one: Dict[str, str], other: Dict[str, str]) -> Optional[str]:  # noqa: UP006, UP045 - Python 3.8
    """The first top-level name, in alphabetical order, of which two manifests differ."""
    return min((name for name in one.keys() | other.keys() if one.get(name) != other.get(name)), default=None)


def _line(path: str, entry: tarfile.TarInfo) -> bytes:
    made_by_docker = path in MADE_BY_DOCKER
    device = (entry.devmajor, entry.devminor) if entry.isdev() else ()
    attributes = sorted(item for item in entry.pax_headers.items() if item[0].startswith(XATTR))
    fields = (path, entry.type, entry.mode, entry.uid, entry.gid, entry.size if entry.isfile() else 0,
              0 if made_by_docker else int(entry.mtime), entry.linkname, device, attributes)  # fmt: skip
    return repr(fields).encode("utf-8", "surrogateescape") + b"\n"
