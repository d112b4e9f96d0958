"""Writable layers: the upper directory of an overlay that is in use moves, and is seen through an overlay there."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.changes import CHANGES, Change, apply, listen
from tests.agent.local_pair import ROOT, attributes, local_pair, opened
from transship.errors import TransferError
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreeSync

PARAMETERS = Path("/sys/module/overlay/parameters")
pytestmark = [
    pytest.mark.skipif(not ROOT, reason="mounting needs root"),
    pytest.mark.skipif("overlay" not in Path("/proc/filesystems").read_text(), reason="overlayfs is not loaded"),
]
_numbers = count()


@pytest.fixture(scope="module")
def pair() -> Iterator[AgentPair]:
    with local_pair() as agents:
        yield agents


class Layers:
    """The same image on two hosts: a folder below, and one for what the container writes on each of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("image", "source", "target", "work", "merged"):
            (folder / name).mkdir(parents=True)
        self.image = folder / "image"
        self._mounted = ExitStack()

    def mount(self, upper: str, options: str = "index=off") -> Path:
        """Mount an overlay as Docker does and return where; one at a time."""
        below = f"lowerdir={self.image},upperdir={self.folder / upper},workdir={self.folder / 'work'}"
        merged = self.folder / "merged"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"{below},{options}", merged], check=True)
        self._mounted.callback(lambda: subprocess.run(["umount", merged], check=True))
        return merged

    def unmount(self) -> None:
        self._mounted.close()


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[Layers]:
    made = Layers(tmp_path / "layers")
    yield made
    made.unmount()


def moved(pair: AgentPair, layers: Layers) -> TreeSync:
    return opened(pair, layers.folder / "source", layers.folder / "target", next(_numbers))


def assert_seen_alike(layers: Layers) -> None:
    """What an overlay on the target shows is what the one on the source showed when it was left."""
    before = attributes(layers.folder / "merged")
    layers.unmount()
    assert attributes(layers.mount("target")) == before
    layers.unmount()


def fill(image: Path) -> None:
    for folder in ("replaced", "renamed/below", "kept"):
        (image / folder).mkdir(parents=True)
        (image / folder / "file").write_text(folder)
    (image / "large").write_bytes(os.urandom(300_000))


def test_deletions_and_replaced_folders_of_a_running_container_arrive(pair: AgentPair, layers: Layers) -> None:
    fill(layers.image)
    merged = layers.mount("source")
    tree = moved(pair, layers)
    (merged / "kept" / "file").unlink()
    tree.round(last=True)
    shutil.rmtree(merged / "replaced")
    (merged / "replaced").mkdir()
    (merged / "replaced" / "new").write_text("new")
    shutil.rmtree(merged / "renamed")
    (merged / "kept" / "file").write_text("is back")
    with (merged / "large").open("r+b") as file:
        file.write(b"changed")
    tree.round(last=True)
    tree.verify(full=True)
    assert_seen_alike(layers)


def test_a_renamed_folder_of_the_image_keeps_what_it_holds(pair: AgentPair, layers: Layers) -> None:
    fill(layers.image)
    merged = layers.mount("source", "index=off,redirect_dir=on")
    tree = moved(pair, layers)
    (merged / "renamed").rename(merged / "first")
    tree.round(last=True)
    (merged / "first").rename(merged / "kept" / "second")
    tree.round(last=True)
    assert (layers.folder / "target" / "kept" / "second").is_dir()
    assert not (layers.folder / "target" / "kept" / "second" / "file").exists()
    tree.verify(full=True)
    assert_seen_alike(layers)


def test_a_file_whose_content_stays_in_the_image_arrives_only_where_it_can_be_read(layers: Layers) -> None:
    """The kernel denies access to a metacopy, and to the folder around it, unless its own setting allows them."""
    fill(layers.image)
    merged = layers.mount("source", "index=off,redirect_dir=on,metacopy=on")
    (merged / "large").chmod(0o600)
    with local_pair() as own:
        tree = moved(own, layers)
        if (PARAMETERS / "metacopy").read_text().startswith("Y"):
            tree.round(last=True)
            assert_seen_alike(layers)
        else:
            with pytest.raises(TransferError, match=r"large: has trusted\.overlay\.metacopy"):
                tree.round(last=True)


def _is_seen(change: Change) -> bool:
    """All but sockets: they do not travel, so what they stand in front of comes to light."""
    return getattr(change, "func", None) is not listen


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    image=st.lists(CHANGES.filter(_is_seen), max_size=15),
    rounds=st.lists(st.lists(CHANGES.filter(_is_seen), max_size=15), min_size=1, max_size=3),
    redirect=st.sampled_from(["on", "follow"]),
)
def test_what_a_container_sees_arrives_whatever_it_did(
    pair: AgentPair, tmp_path: Path, image: list[Change], rounds: list[list[Change]], redirect: str
) -> None:
    layers = Layers(tmp_path / str(next(_numbers)))
    try:
        apply(image, layers.image)
        merged = layers.mount("source", f"index=off,redirect_dir={redirect}")
        tree = moved(pair, layers)
        for changes in rounds:
            apply(changes, merged)
            tree.round(last=True)
        tree.verify(full=True)
        assert_seen_alike(layers)
    finally:
        layers.unmount()
        shutil.rmtree(layers.folder)
