import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from transship.errors import LabError
from transship.lab import rootfs
from transship.lab.rootfs import RootFilesystem
from transship.metrics.events import Recorder

pytestmark = pytest.mark.lab


def test_the_mirror_is_the_one_that_apt_uses() -> None:
    assert rootfs.apt_mirror().startswith(("http:", "https:", "file:"))


def test_a_build_that_fails_leaves_the_cache_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wanted = RootFilesystem("trixie", (), users=False)
    with pytest.raises(LabError, match="failed"):
        wanted.ready(f"file://{tmp_path}/no-mirror", Recorder())
    assert [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.endswith(".lock")] == []


def test_two_builders_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    both_wait = threading.Barrier(2)
    built: list[Path] = []

    def unpack(suite: str, packages: object, folder: Path, mirror: str) -> None:
        built.append(folder)
        for name in ("etc/ssh", "var/cache/apt/archives", "var/lib/apt/lists"):
            (folder / name).mkdir(parents=True)

    def build() -> Path:
        both_wait.wait(10)
        return RootFilesystem("trixie", (), users=False).ready("file:///none", Recorder())

    monkeypatch.setattr(rootfs, "debootstrap", unpack)
    with ThreadPoolExecutor() as pool:
        first, second = (builder.result() for builder in [pool.submit(build), pool.submit(build)])
    assert first == second
    assert first.is_dir()
    assert len(built) == 1


def test_a_full_disk_is_noticed_before_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(rootfs, "NEEDED_BYTES", 2**60)
    with pytest.raises(LabError, match="are free below"):
        RootFilesystem("trixie", ()).ready("file:///none", Recorder())


def test_what_decides_the_content_decides_the_folder() -> None:
    same, other = RootFilesystem.host("trixie"), RootFilesystem("trixie", ("tini",))
    assert RootFilesystem.host("trixie").folder == same.folder != other.folder


def test_newer_packages_belong_to_a_folder_of_their_own() -> None:
    plain, newer = RootFilesystem.host("trixie"), RootFilesystem.host("trixie+criu")
    assert newer.newer == ("criu",)
    assert newer.folder != plain.folder
    assert newer.folder.name.startswith("trixie-")


def test_a_cache_path_that_an_overlay_cannot_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a:b"))
    with pytest.raises(LabError, match="colon"):
        _ = RootFilesystem.host("trixie").folder


def test_hosts_share_no_key_and_no_name(tmp_path: Path) -> None:
    root = RootFilesystem.host("trixie").ready("", Recorder())
    assert list((root / "etc/ssh").glob("ssh_host_*")) == []
    assert not (root / "etc/resolv.conf").exists()
