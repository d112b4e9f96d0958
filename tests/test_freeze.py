"""The steps that freeze and kill a source, whatever of the daemon's answers is lost."""

import pytest

from transship.errors import ConflictError, UnreachableError
from transship.hosts.fake import FakeHost, Moment
from transship.hosts.fake_images import pack
from transship.lifecycle import FreezeSource
from transship.metrics.events import Recorder
from transship.plan.steps import Move
from transship.transfer.frozen import KillSource


@pytest.fixture
def source() -> FakeHost:
    host = FakeHost("old")
    host.docker.images.add([pack({"bin/web": b""})], name="web:1")
    host.docker.create_container("web", {"Image": "web:1"})
    host.docker.start("web")
    return host


def moving(source: FakeHost) -> Move:
    return Move("0badcafe", source, FakeHost("new"), Recorder())


def status(source: FakeHost) -> str:
    return source.docker.container("web").status


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_freeze_whose_answer_is_lost_is_undone(source: FakeHost, when: Moment) -> None:
    step, move = FreezeSource("web"), moving(source)
    source.docker.fail("pause", UnreachableError("the line is cut"), when=when)
    with pytest.raises(UnreachableError):
        step.run(move)
    for _ in range(2):
        step.undo(move)
        assert status(source) == "running"


def test_a_source_that_ended_before_it_was_frozen_runs_after_the_undo(source: FakeHost) -> None:
    step, move = FreezeSource("web"), moving(source)
    source.docker.stop("web")
    with pytest.raises(ConflictError):
        step.run(move)
    step.undo(move)
    assert status(source) == "running"


def test_a_source_that_has_ended_stays_so(source: FakeHost) -> None:
    source.docker.stop("web")
    KillSource("web").run(moving(source))
    assert status(source) == "exited"
