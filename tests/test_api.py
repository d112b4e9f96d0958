"""Moves between two hosts in memory: every call to every daemon fails once, and the rules hold all the same."""

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from transship import api, engine, lifecycle, undo
from transship.errors import (
    DockerError,
    NeedsRecoveryError,
    RefusedError,
    RolledBackError,
    SourceNotRetiredError,
    TransshipError,
    UnreachableError,
)
from transship.hosts.fake import FakeDocker, FakeHost, Moment
from transship.hosts.fake_images import pack
from transship.metrics.events import Event
from transship.plan.options import MoveOptions, StrategyName
from transship.result import MoveResult

pytestmark = pytest.mark.usefixtures("settled_soon")
STRATEGIES: tuple[StrategyName, ...] = ("stop-start", "export-import")
WRITTEN = {"srv/data": b"what the container wrote"}


@pytest.fixture
def settled_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory no container falls over by itself and no host comes back: there is nothing to wait for."""
    monkeypatch.setattr(undo, "PATIENCE_S", 0.0)
    for module in (engine, undo):
        monkeypatch.setattr(module, "CLEANING_S", 0.0)
    monkeypatch.setattr(lifecycle, "SETTLE_S", 0.0)


@dataclass
class World:
    """Two hosts, and a container `web` on the first that runs and has written something."""

    source: FakeHost
    target: FakeHost
    state: Path | None = None

    @classmethod
    def new(cls) -> "World":
        source, target = FakeDocker(), FakeDocker()
        source.daemon, target.daemon = {"ID": "old"}, {"ID": "new"}
        source.images.add([pack({"bin/web": b"program"})], {"Cmd": ["/bin/web"]}, name="web:1")
        source.create_network({"Name": "back", "Driver": "bridge"})
        body = {"Image": "web:1", "HostConfig": {"RestartPolicy": {"Name": "always"}, "NetworkMode": "back"}}
        source.start(source.create_container("web", body))
        source.container("web").files.update(WRITTEN)
        source.calls.clear()
        target.calls.clear()
        return cls(FakeHost("old", docker=source), FakeHost("new", docker=target))

    def move(self, strategy: StrategyName, *, heard: list[Event] | None = None) -> MoveResult:
        hosts = {"old": self.source, "new": self.target}
        journey = api.Journey("web", "new", "old", opener=hosts.__getitem__, state=self.state)
        listener = None if heard is None else heard.append
        return api.move(journey, MoveOptions(strategy=strategy), agreed=lambda _: True, listener=listener)

    def running(self, host: FakeHost) -> list[str]:
        return [each["Names"][0] for each in host.docker.containers() if each["State"] == "running"]

    def assert_untouched(self) -> None:
        """The source runs under its own name and policy, and the target has nothing."""
        assert self.running(self.source) == ["/web"]
        assert self.source.docker.inspect_container("web")["HostConfig"]["RestartPolicy"]["Name"] == "always"
        assert self.source.docker.container("web").files == WRITTEN
        assert self.target.docker.containers() == []
        assert self.target.docker.images.images == {}
        with pytest.raises(DockerError):
            self.target.docker.inspect_network("back")

    def assert_moved(self, strategy: StrategyName) -> None:
        assert self.running(self.target) == ["/web"]
        assert self.running(self.source) == []
        policy = self.target.docker.inspect_container("web")["HostConfig"]["RestartPolicy"]["Name"]
        assert policy == "always"
        if strategy == "export-import":
            files = self.target.docker.images.files(
                self.target.docker.images.find(self.target.docker.container("web").image)
            )
            assert files["srv/data"] == WRITTEN["srv/data"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_move_between_two_hosts_in_memory(strategy: StrategyName) -> None:
    world = World.new()
    heard: list[Event] = []
    result = world.move(strategy, heard=heard)
    world.assert_moved(strategy)
    assert result.outcome == "moved"
    assert (result.source.state, result.target.state) == ("exited", "running")
    assert 0 < result.downtime_s < result.total_s
    assert {"connect", "observe", "plan", "fence", "stop", "start", "healthy", "retire"} <= {
        each.phase for each in heard
    }
    assert result.to_json()["phases"][0]["name"] == "connect"


def failures() -> Iterator[tuple[StrategyName, str, int, Moment]]:
    """Every call that a move makes on either host, lost before it has an effect and after."""
    for strategy in STRATEGIES:
        world = World.new()
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as state:
            patch.setenv("XDG_STATE_HOME", state)
            patch.setattr(lifecycle, "SETTLE_S", 0.0)
            world.move(strategy)
        for side in ("source", "target"):
            calls = len(getattr(world, side).docker.calls)
            for number in range(calls):
                for moment in ("before", "after"):
                    yield strategy, side, number, moment


@pytest.mark.parametrize(("strategy", "side", "number", "moment"), list(failures()))
def test_every_call_may_fail_once(strategy: StrategyName, side: str, number: int, moment: Moment) -> None:
    world = World.new()
    getattr(world, side).docker.fail("*", UnreachableError("the line went dead"), when=moment, skip=number)
    failure: TransshipError | None = None
    try:
        outcome = world.move(strategy).outcome
    except TransshipError as error:
        failure = error
        outcome = error.result.outcome if isinstance(error.result, MoveResult) else "refused"
    getattr(world, side).docker._failures.clear()  # a move may have ended before its number was up
    assert outcome != "needs-recovery", "a single lost call must not need a person"
    if outcome in {"moved", "moved-source-not-retired"}:
        world.assert_moved(strategy)
    else:
        world.assert_untouched()
    expected = {"moved": type(None), "refused": RefusedError, "rolled-back": RolledBackError}
    assert isinstance(failure, expected.get(outcome, SourceNotRetiredError))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_source_that_stays_away_after_the_start_takes_nobody_from_the_target(strategy: StrategyName) -> None:
    world = World.new()

    def lose_the_source(event: Event) -> None:
        if (event.kind, event.phase) == ("completed", "start"):
            for _ in range(100):
                world.source.docker.fail("*", UnreachableError("gone"))

    hosts = {"old": world.source, "new": world.target}
    journey = api.Journey("web", "new", "old", opener=hosts.__getitem__, state=world.state)
    with pytest.raises(SourceNotRetiredError, match="could not be retired: gone"):
        api.move(journey, MoveOptions(strategy=strategy), agreed=lambda _: True, listener=lose_the_source)
    world.source.docker._failures.clear()
    world.assert_moved(strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_target_that_stays_away_after_the_start_leaves_the_source_stopped(strategy: StrategyName) -> None:
    world = World.new()
    docker = world.target.docker
    docker.fail("start", UnreachableError("gone"), when="after")
    docker.fail("set_restart_policy", UnreachableError("gone"))
    with pytest.raises(NeedsRecoveryError) as caught:
        world.move(strategy)
    assert world.running(world.source) == [], "two copies would run"
    assert world.running(world.target) == ["/web"]
    assert isinstance(caught.value.result, MoveResult)
    assert caught.value.result.outcome == "needs-recovery"


def test_whoever_does_not_agree_has_not_touched_anything() -> None:
    world = World.new()
    hosts = {"old": world.source, "new": world.target}
    with pytest.raises(RefusedError, match="nobody agreed"):
        api.move(api.Journey("web", "new", "old", opener=hosts.__getitem__), MoveOptions(strategy="stop-start"))
    world.assert_untouched()


def test_a_host_that_cannot_be_reached_is_refused_and_the_other_is_closed() -> None:
    world = World.new()
    closed: list[str] = []

    class Noticing(FakeHost):
        def close(self) -> None:
            closed.append(self.name)

    def opener(address: str) -> FakeHost:
        if address == "new":
            raise UnreachableError("no route to new")
        return Noticing("old", docker=world.source.docker)

    with pytest.raises(TransshipError, match="no route to new"):
        api.move(api.Journey("web", "new", "old", opener=opener))
    assert closed == ["old"]


def test_an_interrupt_before_anything_is_touched_is_said_so() -> None:
    world = World.new()
    world.target.docker.fail("inspect_image", KeyboardInterrupt())
    with pytest.raises(RefusedError, match="interrupted; nothing was touched"):
        world.move("stop-start")
    world.assert_untouched()


@pytest.mark.parametrize("line", ["good", "dead"])
def test_an_interrupt_while_the_result_is_gathered_changes_nothing(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.new()
    gather = api._result

    def interrupted(*words: Any) -> MoveResult:
        os.kill(os.getpid(), signal.SIGINT)
        return gather(*words)

    monkeypatch.setattr(api, "_result", interrupted)
    if line == "good":
        assert world.move("stop-start").outcome == "moved"
        return
    world.target.docker.fail("start", UnreachableError("the line went dead"))
    with pytest.raises(RolledBackError) as caught:
        world.move("stop-start")
    assert isinstance(caught.value.result, MoveResult)
    world.assert_untouched()


def test_a_bug_after_the_point_of_no_return_does_not_hide_that_it_has_moved() -> None:
    world = World.new()
    world.source.docker.fail("rename", KeyError("a bug"))
    with pytest.raises(SourceNotRetiredError, match="a bug of transship"):
        world.move("stop-start")
    world.assert_moved("stop-start")


@pytest.mark.parametrize("changes", [False, True])
def test_what_changed_while_somebody_thought_about_the_plan_was_not_agreed_to(
    changes: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api, "_STALE_S", -1.0)
    world = World.new()

    def agreed(_: object) -> bool:
        if changes:
            world.target.docker.images.add([pack({"bin/other": b""})], name="other:1")
            world.target.docker.create_container("web", {"Image": "other:1"})
        return True

    hosts = {"old": world.source, "new": world.target}
    journey = api.Journey("web", "new", "old", opener=hosts.__getitem__)
    options = MoveOptions(strategy="stop-start")
    if not changes:
        assert api.move(journey, options, agreed=agreed).outcome == "moved"
        return
    with pytest.raises(RefusedError, match=r"changed since the plan was shown: .* has a container named web"):
        api.move(journey, options, agreed=agreed)
    assert world.running(world.source) == ["/web"]
