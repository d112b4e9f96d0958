import ast
import io
import tarfile
from collections.abc import Callable
from importlib import resources

import pytest

from transship.agent.tar_manifest import first_difference, manifest


def archive(
    change: Callable[[tarfile.TarInfo], None] | None = None, *, data: bytes = b"hello", name: str = "srv/file"
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo("srv")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        entry.mtime = 1_700_000_000
        if change:
            change(entry)
        tar.addfile(entry, io.BytesIO(data))
        other = tarfile.TarInfo("usr")
        other.type = tarfile.DIRTYPE
        tar.addfile(other)
    return buffer.getvalue()


def read(data: bytes, *, contents: bool = False) -> dict[str, str]:
    return manifest(io.BytesIO(data), contents=contents)


def changed(field: str, value: object) -> Callable[[tarfile.TarInfo], None]:
    return lambda entry: setattr(entry, field, value)


def test_equal_archives_have_equal_manifests() -> None:
    assert read(archive()) == read(archive())
    assert set(read(archive())) == {"srv", "usr"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", 0o4755),
        ("uid", 7),
        ("gid", 7),
        ("mtime", 1_700_000_001),
        ("pax_headers", {"SCHILY.xattr.security.capability": "x"}),
        ("type", tarfile.FIFOTYPE),
    ],
)
def test_every_attribute_counts(field: str, value: object) -> None:
    assert first_difference(read(archive()), read(archive(changed(field, value)))) == "srv"


def test_contents_count_only_when_they_are_asked_for() -> None:
    one, other = archive(data=b"hello"), archive(data=b"jello")
    assert read(one) == read(other)
    assert first_difference(read(one, contents=True), read(other, contents=True)) == "srv"


def test_a_missing_folder_is_a_difference() -> None:
    some = read(archive())
    assert first_difference(some, {"srv": some["srv"]}) == "usr"
    assert first_difference(some, some) is None


def test_names_that_are_not_text_are_names() -> None:
    name = b"srv/\xff\xfe\n".decode("utf-8", "surrogateescape")
    assert "srv" in read(archive(name=name))


def test_a_cut_archive_is_refused() -> None:
    with pytest.raises(tarfile.TarError):
        read(archive(data=b"x" * 5000)[:3000])


def test_it_runs_on_an_old_python() -> None:
    source = resources.files("transship.agent").joinpath("tar_manifest.py").read_text()
    ast.parse(source, feature_version=(3, 8))
