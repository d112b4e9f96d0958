"""A container with as many options as run together, made again from its spec on hosts of other versions."""

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.spec import everything
from tests.spec.daemon import Daemon, Document
from transship.spec.compare import differences
from transship.spec.extract import unknown_fields
from transship.spec.render import lost_fields

pytestmark = pytest.mark.lab

MOVES = [("trixie", "sid"), ("sid", "trixie"), ("bookworm", "sid")]
MANUAL = Path(__file__).parents[2] / "docs/spec.md"
MAY_COINCIDE = {"State.Pid", "NetworkSettings.Ports.*"}
"""Numbers that two hosts may happen to choose alike."""


@pytest.fixture(autouse=True)
def _same_image(daemons: dict[str, Daemon]) -> None:
    for daemon in daemons.values():
        daemon.load_image("everything", everything.IMAGE_CONFIG)


def start_original(daemon: Daemon) -> str:
    for network in everything.NETWORKS:
        daemon.network(network)
    for volume in everything.VOLUMES:
        daemon.volume(volume)
    if daemon.api_version < (1, 44):
        container = daemon.container("everything", everything.old_body("everything"))
        daemon.connect(container, "back", everything.BACK)
    else:
        container = daemon.container("everything", everything.body("everything"))
    daemon.api.start(container)
    return container


def by_target(document: Document) -> Document:
    """The document with its mounts, whose order means nothing, under the place where they are mounted."""
    host_config = {
        **document["HostConfig"],
        "Binds": {text.split(":")[1]: text for text in document["HostConfig"]["Binds"]},
        "Mounts": {mount["Target"]: mount for mount in document["HostConfig"]["Mounts"]},
    }
    return {
        **document,
        "HostConfig": host_config,
        "Mounts": {point["Destination"]: point for point in document["Mounts"]},
    }


def leaves(value: Any, path: str = "") -> Document:
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {
        place: leaf
        for key, child in value.items()
        for place, leaf in leaves(child, f"{path}.{key}" if path else key).items()
    }


def changed(before: Document, after: Document) -> set[str]:
    old, new = leaves(by_target(before)), leaves(by_target(after))
    return {path for path in old.keys() | new.keys() if old.get(path, ...) != new.get(path, ...)}


def documented() -> list[str]:
    """The paths in the manual's table of what `docker inspect` shows differently after a move."""
    table = MANUAL.read_text().partition("## What `docker inspect` shows differently")[2].partition("\n## ")[0]
    return [path for row in re.findall(r"^\| (`.*?) \|", table, re.M) for path in re.findall(r"`([^`]+)`", row)]


def test_the_container_uses_many_options() -> None:
    settings = [*everything.CONFIG, *everything.HOST_CONFIG, *everything.FRONT, *everything.BACK]
    assert len(settings) >= 45


def test_made_again_elsewhere_it_differs_only_in_what_the_manual_lists(daemons: dict[str, Daemon]) -> None:
    seen: set[str] = set()
    for here, there in MOVES:
        source, target = daemons[here], daemons[there]
        original = start_original(source)
        before, spec = source.inspect(original), source.spec_of(original)
        assert unknown_fields(before) == ()
        assert lost_fields(spec, target.api_version) == ()
        copy = target.recreate(spec)
        target.api.start(copy)
        assert [str(difference) for difference in differences(spec, target.spec_of(copy))] == []
        seen |= changed(before, target.inspect(copy))
        source.clear()
        target.clear()
    patterns = documented()
    assert {path for path in seen if not any(fnmatchcase(path, pattern) for pattern in patterns)} == set()
    unseen = {pattern for pattern in patterns if not any(fnmatchcase(path, pattern) for path in seen)}
    assert unseen <= MAY_COINCIDE


def test_a_flat_image_gives_the_same_container(daemons: dict[str, Daemon]) -> None:
    source, target = daemons["trixie"], daemons["sid"]
    spec = source.spec_of(start_original(source))
    target.load_image("flat", {})
    copy = target.recreate(spec, flat=True)
    assert [str(difference) for difference in differences(spec, target.spec_of(copy))] == []


def test_a_container_at_rest_is_described_like_a_running_one(daemons: dict[str, Daemon]) -> None:
    for daemon in daemons.values():
        container = start_original(daemon)
        running = daemon.spec_of(container)
        daemon.api.stop(container, timeout=0)
        assert daemon.spec_of(container) == running
        daemon.clear()


def test_an_old_daemon_gets_what_it_knows_and_the_rest_is_named(daemons: dict[str, Daemon]) -> None:
    source, target = daemons["sid"], daemons["bookworm"]
    spec = source.spec_of(start_original(source))
    copy = target.recreate(spec)
    assert {item.field for item in differences(spec, target.spec_of(copy))} == {"host_config.Annotations"}
    assert lost_fields(spec, target.api_version) == ("HostConfig.Annotations",)
