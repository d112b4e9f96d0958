"""Tar archives: what `docker save` and `docker export` write, changed and cut."""

import io
import json
import tarfile
from random import Random
from typing import Any

from tests.fuzz.fuzz import fuzz, refused
from tests.fuzz.mutations import Documents, data, text
from transship.agent.faults import AgentError
from transship.agent.image_filter import Edit, contents, shorten
from transship.agent.tar_manifest import manifest
from transship.errors import TransferError, TransshipError
from transship.spec.model import ImageRef
from transship.transfer.layers import Contents, as_blobs

DIFF_IDS = tuple("sha256:" + digit * 64 for digit in "12")
MANIFEST: list[dict[str, Any]] = [
    {
        "Config": "blobs/sha256/" + "c" * 64,
        "RepoTags": ["x:1"],
        "Layers": ["blobs/sha256/" + each[7:] for each in DIFF_IDS],
    }
]
OLD: list[dict[str, Any]] = [
    {"Config": "c.json", "RepoTags": None, "Layers": [f"{digit * 64}/layer.tar" for digit in "12"]}
]


def written(members: dict[str, bytes], links: dict[str, str] | None = None, form: int = tarfile.PAX_FORMAT) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=form) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1_700_000_000.5
            entry.pax_headers = {"SCHILY.xattr.user.a": "b"} if form == tarfile.PAX_FORMAT else {}
            tar.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return archive.getvalue()


def saved(document: Any, form: int = tarfile.PAX_FORMAT) -> bytes:
    layers = [path for each in (MANIFEST, OLD) for path in (each[0]["Config"], *each[0]["Layers"])]
    members = dict.fromkeys(layers, b"\x1f\x8bgzipped") | {"n" * 150: b"", "index.json": b"{}"}
    members["manifest.json"] = json.dumps(document).encode()
    return written(members, {"link/layer.tar": "../x"}, form)


FORMATS = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)
ARCHIVES = [saved(document, form) for document in (MANIFEST, OLD) for form in FORMATS[:2]]
TREES = [
    written({"etc/hosts": b"x", "srv/data": bytes(700), "dev/x": b""}, {"srv/way": "data"}, form) for form in FORMATS
]
MANIFESTS = Documents(MANIFEST, OLD)
EDIT = Edit(frozenset({MANIFEST[0]["Layers"][0]}), {MANIFEST[0]["Config"]: "renamed"}, {"index.json": "{}"})


def spoiled(random: Random, archives: list[bytes]) -> bytes:
    """An archive that was changed somewhere: half of the time in a header, whose checksum is made right again."""
    archive = random.choice(archives)
    if random.random() < 0.5:
        return data(random, archives)
    at = 512 * random.randrange(len(archive) // 512)
    header = bytearray(data(random, (archive[at : at + 500],))[:500].ljust(512, b"\0"))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return archive[:at] + bytes(header) + archive[at + 512 :]


@fuzz(1_200)
def test_archives_of_images(random: Random) -> None:
    archive = saved(MANIFESTS.draw(random)) if random.random() < 0.3 else spoiled(random, ARCHIVES)
    with refused(AgentError):
        described = contents(io.BytesIO(archive))
        check_described(random, described)
    with refused(AgentError):
        shorten(io.BytesIO(archive), io.BytesIO(), EDIT)


def check_described(random: Random, described: dict[str, Any]) -> None:
    """What one host says of its archive, the coordinator can use or refuse."""
    image = ImageRef("x", "sha256:" + "c" * 64, "linux/amd64", DIFF_IDS, (), (), {})
    with refused(TransshipError, LookupError):
        read = Contents.from_json(json.loads(json.dumps(described)))
        as_blobs(image, read, read.blobs(DIFF_IDS[:1]) if random.random() < 0.5 else {})


@fuzz(2_500)
def test_archives_of_filesystems(random: Random) -> None:
    with refused(tarfile.TarError):
        assert all(len(digest) == 64 for digest in manifest(io.BytesIO(spoiled(random, TREES)), contents=True).values())


DESCRIBED = Documents(contents(io.BytesIO(ARCHIVES[0])), contents(io.BytesIO(ARCHIVES[2])))


@fuzz(5_000)
def test_what_a_host_says_of_an_archive(random: Random) -> None:
    described = DESCRIBED.draw(random)
    with refused(TransferError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        read = Contents.from_json(described)
        assert set(read.paths(DIFF_IDS).values()) <= set(DIFF_IDS)
        assert text(random, [read.config]) is not None
