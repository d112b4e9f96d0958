"""What a second try, or a way back, takes for its own on the target."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.custody import record
from tests.plan.observed import SEEN
from transship.beginning import Beginning, begin
from transship.errors import PreflightError
from transship.hosts.fake import FakeDocker, FakeHost
from transship.journal.store import Journal
from transship.plan.options import MoveOptions
from transship.plan.record import Made

HERE = replace(SEEN, state=replace(SEEN.state, container_id=record().container_id))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def target() -> FakeHost:
    docker = FakeDocker()
    docker.daemon = {"ID": record().target.daemon}
    docker.images.add([b""], name="web:1")
    return FakeHost("new", docker=docker)


def again(journal: Journal, target: FakeHost, made: Made) -> Beginning:
    """The beginning of a second try, after a first one that was cut off when it had `made` this."""
    journal.begin(record(made=made))
    return begin(journal, HERE, MoveOptions(), target, None)


def test_a_container_of_unknown_id_that_somebody_else_runs_is_not_taken_for_ours(
    journal: Journal, target: FakeHost
) -> None:
    target.docker.start(target.docker.create_container("web", {"Image": "web:1"}))
    found = again(journal, target, Made(creating=True))
    assert (found.base.container, found.made.container) == ("", "")
    assert (
        "web"
        in found.observed(
            replace(HERE, there=replace(HERE.there, containers=frozenset({"web"}))), MoveOptions()
        ).there.containers
    )


def test_a_container_of_unknown_id_that_never_ran_is_gone_on_from(journal: Journal, target: FakeHost) -> None:
    made = target.docker.create_container("web", {"Image": "web:1"})
    assert again(journal, target, Made(creating=True)).base.container == made


def test_nothing_is_written_below_a_container_that_somebody_has_started(journal: Journal, target: FakeHost) -> None:
    container = target.docker.create_container("web", {"Image": "web:1"})
    target.docker.start(container)
    with pytest.raises(PreflightError, match="somebody has started web on new"):
        again(journal, target, Made(creating=True, container=container))


@pytest.mark.parametrize(("made", "ours"), [("now", True), ("2020-01-01T00:00:00Z", False), ("", False)])
def test_only_the_volume_that_was_made_is_gone_on_from(
    journal: Journal, target: FakeHost, made: str, ours: bool
) -> None:
    target.docker.create_volume({"Name": "data"})
    known = target.docker.inspect_volume("data")["CreatedAt"] if made == "now" else made
    found = again(journal, target, Made(volumes={"data": known, "gone": "2020-01-01T00:00:00Z"}))
    assert found.base.volumes == ({"data"} if ours else set())


def use(docker: FakeDocker, name: str, *, runs: bool) -> str:
    """A container that mounts the volume `data`."""
    made = docker.create_container(name, {"Image": "web:1", "HostConfig": {"Binds": ["data:/data"]}})
    if runs:
        docker.start(made)
    return made


@pytest.mark.parametrize("runs", [True, False])
def test_the_old_copys_volumes_are_not_overwritten_below_another_container(
    journal: Journal, target: FakeHost, runs: bool
) -> None:
    """It shared the volume with one that stayed."""
    target.docker.create_volume({"Name": "data"})
    old = use(target.docker, "web.moved-to.new.0badcafe", runs=False)
    use(target.docker, "stayed", runs=runs)
    moved = record(container_id=old, stage="ended", outcome="moved")
    if runs:
        with pytest.raises(PreflightError, match="stayed on new uses the volume data"):
            begin(journal, HERE, MoveOptions(), target, moved)
    else:
        found = begin(journal, HERE, MoveOptions(), target, moved)
        assert (sorted(found.base.volumes), found.base.container) == (["data"], old)


def test_what_arrived_is_not_gone_on_from_below_another_container(journal: Journal, target: FakeHost) -> None:
    target.docker.create_volume({"Name": "data"})
    use(target.docker, "another", runs=True)
    with pytest.raises(PreflightError, match="another on new uses the volume data"):
        again(journal, target, Made(volumes={"data": target.docker.inspect_volume("data")["CreatedAt"]}))
