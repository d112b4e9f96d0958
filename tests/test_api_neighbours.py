"""Moves between two hosts in memory, while somebody else works on the same hosts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_api import World
from transship import api, lifecycle
from transship.errors import DockerError, NotFoundError, RolledBackError, SourceNotRetiredError
from transship.hosts.fake_images import pack
from transship.metrics.events import Event
from transship.plan.options import MoveOptions, StrategyName

STRATEGIES: tuple[StrategyName, ...] = ("stop-start", "export-import")


@pytest.fixture(autouse=True)
def settled_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "SETTLE_S", 0.0)


def move(
    world: World, phase: str, act: Callable[[], object], *, strategy: StrategyName = "stop-start", **options: bool
) -> str:
    """Move `web`, let somebody act when `phase` begins, and return how the move ended."""

    def listener(event: Event) -> None:
        if (event.phase, event.kind) == (phase, "started"):
            act()

    hosts = {"old": world.source, "new": world.target}
    journey = api.Journey("web", "new", "old", opener=hosts.__getitem__)
    choice = MoveOptions(strategy=strategy, **options)  # type: ignore[arg-type]
    try:
        api.move(journey, choice, agreed=lambda _: True, listener=listener)
    except RolledBackError as error:
        return str(error)
    return "moved"


def policy(world: World) -> str:
    return str(world.source.docker.inspect_container("web")["HostConfig"]["RestartPolicy"]["Name"])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("phase", ["start", "settle"])
def test_a_source_that_somebody_starts_again_keeps_the_container(strategy: StrategyName, phase: str) -> None:
    world = World.new()
    said = move(world, phase, lambda: world.source.docker.start("web"), strategy=strategy)
    assert "somebody started the source on old again" in said
    world.assert_untouched()


def test_of_two_moves_of_one_container_only_the_first_succeeds(tmp_path: Path) -> None:
    """From two machines, to hosts where nothing can be locked."""
    first, second = World.new(), World.new()
    first.state = tmp_path / "another machine"
    second.source = first.source
    second.target.docker.daemon = {"ID": "another"}
    said = move(second, "fence", lambda: first.move("stop-start"))
    assert "since the plan was made" in said
    first.assert_moved("stop-start")
    assert second.target.docker.containers() == []
    (kept,) = first.source.docker.containers()
    assert first.source.docker.inspect_container(kept["Id"])["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_a_container_that_somebody_else_made_meanwhile_is_not_removed() -> None:
    world = World.new()
    docker = world.target.docker

    def other() -> None:
        docker.start(docker.create_container("web", {"Image": "web:1"}))
        docker.fail("create_container", DockerError("bind source path does not exist"))

    assert "bind source path" in move(world, "create", other)
    assert world.running(world.target) == ["/web"]
    assert world.running(world.source) == ["/web"]
    assert policy(world) == "always"


def test_a_volume_that_somebody_else_made_meanwhile_is_not_removed() -> None:
    world = World.new()
    source, target = world.source.docker, world.target.docker
    source.create_volume({"Name": "data"})
    source.remove_container("web")
    host_config = {"RestartPolicy": {"Name": "always"}, "NetworkMode": "back", "Binds": ["data:/data"]}
    source.start(source.create_container("web", {"Image": "web:1", "HostConfig": host_config}))
    said = move(world, "prepare", lambda: target.create_volume({"Name": "data"}), without_volumes=True)
    assert "has a volume data by now" in said
    assert target.inspect_volume("data")["Name"] == "data"


def test_a_tag_that_somebody_else_moved_meanwhile_is_not_removed() -> None:
    world = World.new()
    target = world.target.docker

    def other() -> None:
        target.images.add([pack({"bin/web": b"a later build"})], {"Cmd": ["/bin/web"]}, name="web:1")
        target.fail("start", DockerError("a device is missing"))

    assert "a device is missing" in move(world, "stop", other)
    (kept,) = target.list_images()
    assert target.inspect_image("web:1")["Id"] == kept["Id"]


def test_a_network_that_cannot_be_made_leaves_another_of_its_name_alone() -> None:
    world = World.new()
    target = world.target.docker

    def other() -> None:
        target.create_network({"Name": "back", "Driver": "bridge", "Labels": {"of": "somebody else"}})
        target.fail("create_network", DockerError("no address pool is left"))

    assert "no address pool is left" in move(world, "prepare", other)
    assert target.inspect_network("back")["Labels"] == {"of": "somebody else"}


def test_a_stopped_container_keeps_its_restart_policy() -> None:
    world = World.new()
    world.source.docker.stop("web")
    world.move("stop-start")
    arrived = world.target.docker.inspect_container("web")
    assert arrived["State"]["Status"] == "created"
    assert arrived["HostConfig"]["RestartPolicy"]["Name"] == "always"


def test_a_source_that_somebody_removes_meanwhile_leaves_the_copy_that_serves() -> None:
    world = World.new()
    with pytest.raises(SourceNotRetiredError, match="could not be retired"):
        move(world, "settle", lambda: world.source.docker.remove_container("web"))
    assert world.running(world.target) == ["/web"]
    with pytest.raises(NotFoundError):
        world.source.docker.inspect_container("web")
