"""Taking a move back, whatever was begun and whatever answers were lost."""

from dataclasses import replace

import pytest

from tests.custody import Told, moving, record
from tests.test_engine import hosts
from transship import undo
from transship.errors import ConflictError, NotFoundError, UnreachableError
from transship.hosts.fake import FakeHost, Moment
from transship.lender import retire_lender
from transship.lifecycle import FreezeSource, StopSource
from transship.plan.record import Stage
from transship.plan.steps import Move
from transship.sandbox.whole import LABEL
from transship.transfer.frozen import kill_frozen

ID = "a" * 64


class NoAgent:
    """An agent that must not be asked."""

    host = "old"

    def call(self, do: str, **_: object) -> dict[str, object]:
        raise AssertionError(do)


def under_way(stage: Stage, *, freeze: bool = False) -> Move:
    source, target = hosts()
    source.docker.start("web")
    move = moving(source, target, custody=Told(record(stage=stage, freeze=freeze)))
    target.docker.images.add([b""], name="web:1")
    move.made.container = target.docker.create_container("web", {"Image": "web:1"})
    source.docker.calls.clear()
    return move


def clean_up(move: Move) -> list[str]:
    return undo.clean_up(move.custody.record, move.target, move.target_root, move.recorder)


def status(move: Move, side: str = "source") -> str:
    host = getattr(move, side)
    return str(host.docker.container("web").status)


def log(move: Move) -> list[str]:
    assert isinstance(move.custody, Told)
    return move.custody.log


@pytest.mark.parametrize("stage", ["fenced", "stopping", "released"])
def test_the_source_is_what_it_was_and_that_may_be_said_twice(stage: Stage) -> None:
    move = under_way(stage)
    move.source.docker.set_restart_policy(ID, {"Name": "no"})
    if stage != "fenced":
        move.source.docker.stop(ID)
    if stage == "released":
        move.target.docker.start(move.made.container)
    for _ in range(2):
        undo.bring_back(move)
        assert (status(move), status(move, "target") == "running") == ("running", False)
        found = move.source.docker.inspect_container(ID)
        assert found["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert log(move)[:2] == (["revoke", "reclaim"] if stage == "released" else ["reclaim", "settle"])


def test_a_source_that_was_not_told_to_stop_goes_on_without_a_pause() -> None:
    move = under_way("fenced")
    undo.bring_back(move)
    assert isinstance(move.source, FakeHost)
    assert not {"stop", "start"} & set(move.source.docker.calls)


def test_a_source_that_ended_while_its_policy_was_off_is_started() -> None:
    move = under_way("fenced")
    move.source.docker.stop(ID)
    undo.bring_back(move)
    assert status(move) == "running"


def test_a_name_that_a_keeper_gave_is_taken_back() -> None:
    move = under_way("released")
    move.source.docker.stop(ID)
    move.source.docker.rename(ID, move.custody.record.retired_name)
    undo.bring_back(move)
    assert move.source.docker.inspect_container(ID)["Name"] == "/web"


def test_a_source_that_its_keeper_has_brought_back_is_left_alone() -> None:
    move = under_way("stopping")
    move.custody.reclaim = lambda: True  # type: ignore[method-assign]
    undo.bring_back(move)
    assert isinstance(move.source, FakeHost)
    assert not {"stop", "start"} & set(move.source.docker.calls)
    assert move.custody.record.stage == "restored"


@pytest.mark.parametrize("late", ["policy", "stop", "pause"])
def test_a_request_that_arrives_after_the_keeper_has_brought_the_source_back_is_undone(late: str) -> None:
    move = under_way("released", freeze=late == "pause")
    docker = move.source.docker
    requests = {
        "policy": lambda: docker.set_restart_policy(ID, {"Name": "no"}),
        "stop": lambda: docker.stop(ID),
        "pause": lambda: docker.pause(ID),
    }
    requests[late]()
    move.custody.reclaim = lambda: True  # type: ignore[method-assign]
    undo.bring_back(move)
    assert status(move) == "running"
    assert docker.inspect_container(ID)["HostConfig"]["RestartPolicy"]["Name"] == "always"


@pytest.mark.parametrize("stage", ["fenced", "stopping", "released"])
def test_a_source_that_another_migration_has_moved_away_since_is_not_started(stage: Stage) -> None:
    move = under_way(stage)
    move.source.docker.stop(ID)
    move.source.docker.rename(ID, "web.moved-to.elsewhere.deadbeef")
    with pytest.raises(ConflictError, match="another migration has moved web away from old since"):
        undo.bring_back(move)
    assert move.source.docker.inspect_container(ID)["State"]["Status"] == "exited"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_freeze_whose_answer_is_lost_is_undone(when: Moment) -> None:
    move = under_way("fenced", freeze=True)
    assert isinstance(move.source, FakeHost)
    move.source.docker.fail("pause", UnreachableError("the line is cut"), when=when)
    with pytest.raises(UnreachableError):
        FreezeSource(ID).run(move)
    for _ in range(2):
        undo.bring_back(move)
        assert status(move) == "running"


def test_a_source_that_ended_before_it_was_frozen_runs_after_the_undo() -> None:
    move = under_way("fenced", freeze=True)
    move.source.docker.stop(ID)
    with pytest.raises(ConflictError):
        FreezeSource(ID).run(move)
    undo.bring_back(move)
    assert status(move) == "running"


def test_a_source_that_has_ended_is_not_killed() -> None:
    move = under_way("committed")
    move.source.docker.stop(ID)
    kill_frozen(move.source.docker, NoAgent, ID)
    assert status(move) == "exited"


def test_a_container_of_unknown_id_is_ours_if_it_is_new_and_never_ran() -> None:
    move = under_way("preparing")
    made, target = move.made, move.target.docker
    made.container, made.creating = "", True
    target.start("web")
    assert clean_up(move) == []
    assert status(move, "target") == "running"
    target.stop("web")
    target.remove_container("web")
    target.create_container("web", {"Image": "web:1"})
    assert clean_up(move) == []
    with pytest.raises(NotFoundError):
        target.inspect_container("web")


@pytest.mark.parametrize(("labels", "stays"), [({LABEL: "web"}, False), ({}, True)])
def test_a_sandbox_of_unknown_id_is_ours_if_it_is_new_and_says_that_it_is_one(
    labels: dict[str, str], *, stays: bool
) -> None:
    move = under_way("preparing")
    move.made.sandboxing = True
    move.target.docker.create_container("web-sandbox", {"Image": "web:1", "Labels": labels})
    for _ in range(2):
        assert clean_up(move) == []
    names = [each["Names"][0] for each in move.target.docker.containers()]
    assert names == (["/web-sandbox"] if stays else [])


def test_a_sandbox_that_has_the_address_is_stopped_before_the_source_serves_again() -> None:
    move = under_way("stopping")
    docker = move.target.docker
    move.made.sandbox = docker.create_container("web-sandbox", {"Image": "web:1"})
    docker.start("web-sandbox")
    undo.bring_back(move)
    assert not docker.inspect_container("web-sandbox")["State"]["Running"]
    assert status(move) == "running"


@pytest.mark.parametrize("since", ["2020-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"])
def test_a_network_of_unknown_id_is_ours_if_it_is_new(since: str) -> None:
    source, target = hosts()
    move = moving(source, target, custody=Told(record(since=since)))
    move.made.networks["back"] = ""
    target.docker.create_network({"Name": "back"})
    left = clean_up(move)
    if since.startswith("2020"):
        assert left == []
        with pytest.raises(NotFoundError):
            target.docker.inspect_network("back")
    else:
        assert "may be somebody else's" in left[0]
        assert target.docker.inspect_network("back")


def test_times_of_docker_are_compared_whatever_their_precision() -> None:
    since = "2026-01-01T00:00:00.500000+00:00"
    assert undo.is_since("2026-01-01T00:00:00.500000001Z", since)
    assert undo.is_since("2026-01-01T02:00:01+02:00", since)
    assert not undo.is_since("2026-01-01T00:00:00Z", since)


def test_a_copy_of_an_earlier_migration_is_left_as_that_left_it() -> None:
    move = under_way("fenced")
    made, target = move.made, move.target.docker
    made.revived = "web.moved-to.old.deadbeef"
    target.set_restart_policy(made.container, {"Name": "always"})
    for _ in range(2):
        assert clean_up(move) == []
        found = target.inspect_container(made.container)
        assert (found["Name"], found["HostConfig"]["RestartPolicy"]["Name"]) == (f"/{made.revived}", "no")


@pytest.mark.parametrize("answered", [True, False])
def test_a_volume_that_was_made_is_removed_also_where_the_answer_was_lost(answered: bool) -> None:
    move = under_way("preparing")
    docker = move.target.docker
    docker.create_volume({"Name": "data"})
    move.made.volumes["data"] = docker.inspect_volume("data")["CreatedAt"] if answered else ""
    assert clean_up(move) == []
    with pytest.raises(NotFoundError):
        docker.inspect_volume("data")


def test_a_later_volume_of_the_name_is_somebody_elses() -> None:
    move = under_way("preparing")
    move.target.docker.create_volume({"Name": "data"})
    move.made.volumes["data"] = "2026-01-01T00:00:01Z"
    assert clean_up(move) == []
    assert move.target.docker.inspect_volume("data")


@pytest.mark.parametrize("since", ["2020-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"])
def test_a_volume_that_nobody_knows_the_age_of_stays_if_it_holds_data_or_is_older(
    since: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = hosts()
    move = moving(source, target, custody=Told(record(since=since)))
    move.made.volumes["data"] = ""
    target.docker.create_volume({"Name": "data"})
    if since.startswith("2020"):
        monkeypatch.setattr(target.docker, "volume_sizes", lambda: {"data": 1})
    (left,) = clean_up(move)
    assert "a volume data that may be somebody else's" in left
    assert target.docker.inspect_volume("data")


def test_what_lends_the_source_its_network_goes_where_the_source_goes() -> None:
    move = under_way("stopping")
    docker = move.source.docker
    lender = docker.create_container("web-sandbox", {"Image": "web:1"})
    docker.start(lender)
    assert isinstance(move.custody, Told)
    move.custody.record = replace(move.custody.record, lender=lender)
    StopSource(ID).run(move)
    assert not docker.inspect_container(lender)["State"]["Running"]
    for _ in range(2):
        undo.bring_back(move)
    found = docker.inspect_container(lender)
    assert found["State"]["StartedAt"] < docker.inspect_container(ID)["State"]["StartedAt"]
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "always"
    for _ in range(2):
        retire_lender(docker, move.custody.record)
    found = docker.inspect_container(lender)
    assert found["Name"] == f"/{move.custody.record.retired_name}-sandbox"
    assert not found["State"]["Running"]
    for _ in range(2):
        retire_lender(docker, replace(move.custody.record, retire="remove"))
    with pytest.raises(NotFoundError):
        docker.inspect_container(lender)
