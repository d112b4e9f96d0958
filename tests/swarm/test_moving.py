"""A service's move on a swarm in memory: what ends it, and what is there afterwards."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.swarm.conftest import wait_for
from tests.swarm.told import host_seen, service_told
from transship.engine import Interrupts
from transship.errors import (
    ConflictError,
    DockerDownError,
    DockerError,
    NeedsRecoveryError,
    PreflightError,
    RolledBackError,
    TransshipError,
    UnhealthyError,
)
from transship.hosts.fake import FakeHost
from transship.hosts.fake_images import pack
from transship.metrics.events import Event, Recorder
from transship.plan.findings import Agreement
from transship.plan.record import Made
from transship.swarm import beat as beats
from transship.swarm import settle
from transship.swarm.beat import end_beat, is_beating
from transship.swarm.change import claim, edit_service
from transship.swarm.checks import check
from transship.swarm.edits import constrained, labelled, scaled
from transship.swarm.fake import FakeSwarm
from transship.swarm.journal import SwarmJournal
from transship.swarm.model import Node, Service, Task
from transship.swarm.move import ServiceMoving
from transship.swarm.observe import see_swarm
from transship.swarm.options import SwarmOptions
from transship.swarm.plan import new_record, plan_move
from transship.swarm.record import CLAIM, PIN, ServiceMove
from transship.swarm.route import find_route
from transship.swarm.settle import go_back
from transship.undo import Patience

WITH_VOLUME = {"Image": "web:1", "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}]}
NODES = {"h1": "h1-id", "h2": "h2-id", "h3": "h3-id"}


@dataclass
class Scene:
    """A swarm with one service, and the journal of who moves it. `at` is called when a phase begins."""

    swarm: FakeSwarm
    journal: SwarmJournal
    service: str

    def moving(self, at: dict[str, Callable[[], object]] | None = None, **options: Any) -> ServiceMoving:
        chosen = SwarmOptions(image="pull", **{"timeout_s": 5.0, **options})
        seen = see_swarm(self.swarm, "ssh://h1", "web", "h3")
        made = plan_move(seen, find_route(seen, chosen), chosen)
        assert not [each for each in check(seen, made.route, chosen) if each.severity == "error"]
        begins = dict(at or {})

        def heard(event: Event) -> None:
            if event.kind == "started":
                begins.pop(event.phase, lambda: None)()

        recorder = Recorder(listeners=[heard])
        return ServiceMoving(self.swarm, {}, self.journal, recorder, made, new_record(made))

    def move(self, at: dict[str, Callable[[], object]] | None = None, **options: Any) -> ServiceMove:
        moving = self.moving(at, **options)
        moving.run(lambda _: True, Interrupts())
        return moving.record

    def fail(self, at: dict[str, Callable[[], object]] | None = None, **options: Any) -> TransshipError:
        with pytest.raises(TransshipError) as caught:
            self.move(at, **options)
        return caught.value

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.swarm.service(self.service)["Spec"]
        return spec

    @property
    def nodes(self) -> list[str]:
        tasks = map(Task.read, self.swarm.tasks(self.service))
        return sorted(task.node for task in tasks if task.wanted and task.running)

    @property
    def labels(self) -> dict[str, str]:
        """Of all nodes."""
        return {key: value for each in self.swarm.nodes() for key, value in each["Spec"]["Labels"].items()}

    def change(self, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """What somebody else does to the service."""
        now = self.swarm.service(self.service)
        self.swarm.update_service(self.service, now["Version"]["Index"], edit(now["Spec"]))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    swarm = FakeSwarm(NODES)
    told = service_told(constraints=("node.role==worker", "node.hostname==h2"))["Spec"]
    with SwarmJournal.open(tmp_path) as journal:
        yield Scene(swarm, journal, swarm.create_service(told))


def interrupt() -> None:
    raise KeyboardInterrupt


def test_it_moves_and_leaves_nothing_but_the_constraint(scene: Scene) -> None:
    before = scene.spec
    record = scene.move()
    assert scene.nodes == ["h3-id"]
    assert scene.spec["TaskTemplate"]["Placement"]["Constraints"] == ["node.role==worker", "node.id==h3-id"]
    assert scene.spec["Labels"].keys() == {PIN}
    assert {**scene.spec, "TaskTemplate": None, "Labels": {}} == {**before, "TaskTemplate": None}
    assert scene.labels == {}, "nobody is at work any more"
    assert (record.stage, record.outcome) == ("ended", "moved")


@pytest.mark.parametrize("phase", ["change", "arrive", "monitor"])
def test_ctrl_c_leads_back_at_any_time_before_it_has_arrived(scene: Scene, phase: str) -> None:
    before = scene.spec
    error = scene.fail({phase: interrupt})
    assert isinstance(error, RolledBackError)
    assert "interrupted; web runs as before" in str(error)
    assert (scene.spec, scene.nodes, scene.labels) == (before, ["h2-id"], {})
    assert scene.journal.moves.open() == []


def test_a_signal_counts_no_more_once_it_leads_back_or_has_arrived(scene: Scene) -> None:
    heeded: list[bool] = []
    interrupts = Interrupts()
    moving = scene.moving({"finish": lambda: heeded.append(interrupts.armed)})
    moving.run(lambda _: True, interrupts)
    assert heeded == [False]
    scene.change(lambda spec: constrained(spec, ["node.hostname==h2"]))
    back, moving = Interrupts(), scene.moving({"undo": lambda: heeded.append(back.armed)})
    scene.swarm.failing = {"h3-id"}
    with pytest.raises(RolledBackError):
        moving.run(lambda _: True, back)
    assert heeded == [False, False]


def test_a_task_that_fails_leads_back(scene: Scene) -> None:
    before = scene.spec
    scene.swarm.failing = {"h3-id"}
    error = scene.fail()
    assert isinstance(error, RolledBackError)
    assert "failed on its new node" in str(error)
    assert (scene.spec, scene.nodes) == (before, ["h2-id"])


def test_a_target_that_is_lost_on_the_way_leads_back(scene: Scene) -> None:
    before = scene.spec
    error = scene.fail({"arrive": lambda: scene.swarm.lose("h3-id")})
    assert isinstance(error, RolledBackError)
    assert "finds no node" in str(error)
    assert (scene.spec, scene.nodes) == (before, ["h2-id"]), "what still seems to run on h3 is waited for by nobody"


def test_a_source_that_is_lost_on_the_way_does_not_keep_it_from_arriving(scene: Scene) -> None:
    scene.move({"change": lambda: scene.swarm.lose("h2-id")})
    assert scene.nodes == ["h3-id"]


@pytest.mark.parametrize(
    ("away", "where"), [("lose", "h2, which is down"), ("remove_node", "a node that has left the swarm")]
)
def test_where_its_old_node_is_gone_nothing_is_changed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, away: str, where: str
) -> None:
    monkeypatch.setattr(settle, "HOME_S", 0.1)

    def then() -> None:
        seen.append(scene.spec)
        getattr(scene.swarm, away)("h2-id")

    seen: list[dict[str, Any]] = []
    scene.swarm.failing = {"h3-id"}
    error = scene.fail({"undo": then})
    assert isinstance(error, NeedsRecoveryError)
    assert f"web ran on {where}; it was left as it is" in str(error)
    assert f"--label-rm {CLAIM} web" in error.hint
    assert [scene.spec] == seen
    assert [each.record.stage for each in scene.journal.moves.open()] == ["changed"]


def test_a_drain_of_a_node_that_has_left_the_swarm_is_none(scene: Scene) -> None:
    scene.change(lambda spec: constrained(spec, ["node.role==worker"]))
    scene.move({"finish": lambda: scene.swarm.remove_node("h2-id")}, method="drain")
    assert scene.nodes == ["h3-id"]
    assert CLAIM not in scene.spec["Labels"]


def test_a_drained_node_is_given_back_when_somebody_removes_the_service(scene: Scene) -> None:
    scene.change(lambda spec: constrained(spec, ["node.role==worker"]))
    error = scene.fail({"arrive": lambda: scene.swarm.remove_service(scene.service)}, method="drain")
    assert isinstance(error, NeedsRecoveryError)
    assert Node.read(scene.swarm.node("h2-id")).availability == "active"
    assert scene.labels == {}


def test_a_claim_that_swarm_refuses_touches_nothing(scene: Scene) -> None:
    before = scene.spec
    scene.swarm.errors = [DockerError("labels are too large")]
    error = scene.fail()
    assert isinstance(error, PreflightError)
    assert "labels are too large; nothing was touched" in str(error)
    assert scene.spec == before
    assert scene.journal.moves.open() == []


def test_what_somebody_changes_meanwhile_stays_and_ends_the_move(scene: Scene) -> None:
    for edit in (partial(scaled, replicas=3), partial(constrained, constraints=["node.hostname!=h3"])):
        before, moving = scene.spec, scene.moving()
        began = moving._prepare

        def prepare(agreed: Any, began: Any = began, edit: Any = edit) -> None:
            scene.change(edit)
            began(agreed)

        moving._prepare = prepare  # type: ignore[method-assign]
        with pytest.raises(RolledBackError, match="somebody has changed web"):
            moving.run(lambda _: True, Interrupts())
        assert scene.spec == edit(before)


def test_tasks_that_have_moved_since_the_plan_end_it(scene: Scene) -> None:
    scene.change(lambda spec: constrained(spec, ["node.hostname!=h1"]))
    moving = scene.moving()
    scene.swarm.lose("h2-id")
    with pytest.raises(RolledBackError, match="no longer where they were"):
        moving.run(lambda _: True, Interrupts())
    assert scene.spec["Labels"] == {}
    assert scene.nodes == ["h3-id"], "they are left where Swarm has put them"


def test_who_scales_it_after_the_change_keeps_the_number_when_it_is_led_back(scene: Scene) -> None:
    moving = scene.moving()
    record = replace(moving.record, stage="changed")
    claim(scene.swarm, record, Service.read(scene.swarm.service(scene.service)), Patience())
    edit_service(scene.swarm, record, lambda spec: constrained(spec, record.pins))
    scene.change(partial(scaled, replicas=2))
    go_back(scene.swarm, record, 5.0)
    assert scene.spec["Mode"] == {"Replicated": {"Replicas": 2}}
    assert scene.nodes == ["h2-id", "h2-id"]


def test_who_scales_it_while_its_data_is_copied_ends_the_move_and_a_lost_answer_does_not(scene: Scene) -> None:
    moving = scene.moving()
    down = scaled(scene.spec, 0)
    up = moving._restarted(down)
    assert moving._restarted(up) == up
    with pytest.raises(ConflictError, match="somebody has scaled web"):
        moving._restarted(scaled(down, 3))


def with_data(scene: Scene) -> tuple[ServiceMoving, FakeHost, FakeHost]:
    """A move of the service with a volume `data`, from h2 to h3, and the hosts of these."""
    scene.change(lambda spec: {**spec, "TaskTemplate": {**spec["TaskTemplate"], "ContainerSpec": WITH_VOLUME}})
    h2, h3 = FakeHost("h2"), FakeHost("h3")
    seen = see_swarm(scene.swarm, "ssh://h1", "web", "h3")
    looked = {"h2-id": host_seen(volumes={"data": {"Name": "data"}}), "h3-id": host_seen()}
    options = SwarmOptions(image="pull", timeout_s=5.0)
    made = plan_move(replace(seen, hosts=looked), find_route(seen, options), options)
    hosts = {"h2-id": h2, "h3-id": h3}
    return ServiceMoving(scene.swarm, hosts, scene.journal, Recorder(), made, new_record(made)), h2, h3


@pytest.mark.parametrize("number", [0, 1])
def test_who_begins_to_use_its_volume_meanwhile_ends_the_move_before_anything_is_stopped(
    scene: Scene, number: int
) -> None:
    moving, *hosts = with_data(scene)
    before, docker = scene.spec, hosts[number].docker
    docker.images.add([pack({})], name="web:1")
    mounts = {"Mounts": [{"Type": "volume", "Source": "data", "Target": "/d"}]}
    labels = {"com.docker.swarm.service.id": scene.service}
    own = {"Image": "web:1", "HostConfig": mounts, "Labels": labels}
    docker.start(docker.create_container("web.1.again", own))

    def prepare(agreed: Agreement) -> None:
        docker.start(docker.create_container("backup", {"Image": "web:1", "HostConfig": mounts}))

    moving._prepare = prepare  # type: ignore[method-assign]
    with pytest.raises(RolledBackError, match=f"^backup on h{number + 2} has begun to use the volume data"):
        moving.run(lambda _: True, Interrupts())
    assert (scene.spec, scene.nodes) == (before, ["h2-id"])


@pytest.mark.parametrize("began", [False, True])
def test_a_volume_in_which_it_may_have_written_there_stays_and_is_named(scene: Scene, *, began: bool) -> None:
    moving, _, h3 = with_data(scene)
    h3.docker.create_volume({"Name": "data"})

    def prepare(agreed: Agreement) -> None:
        moving._note_made(Made(volumes={"data": h3.docker.inspect_volume("data")["CreatedAt"]}))

    def fail() -> None:
        if began:
            moving._change(lambda: moving._edit(moving._with_pins))
        raise UnhealthyError("it fails")

    moving._prepare, moving._cut_over = prepare, fail  # type: ignore[method-assign]
    with pytest.raises(RolledBackError) as caught:
        moving.run(lambda _: True, Interrupts())
    named = "the volume data on h3, in which it may have written there, stays" in str(caught.value)
    assert (named, "data" in h3.docker.volume_sizes()) == (began, began)
    assert scene.nodes == ["h2-id"]
    assert scene.journal.moves.open() == []


def test_ctrl_c_while_it_is_claimed_leaves_no_label(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before, update = scene.spec, scene.swarm.update_service

    def interrupted(ref: str, version: int, spec: dict[str, Any]) -> None:
        update(ref, version, spec)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(scene.swarm, "update_service", interrupted)
    assert isinstance(scene.fail(), RolledBackError)
    assert scene.spec == before


def test_the_limit_of_a_move_follows_what_the_service_asks_for(scene: Scene) -> None:
    def slow(spec: dict[str, Any]) -> dict[str, Any]:
        container = {**spec["TaskTemplate"]["ContainerSpec"], "StopGracePeriod": 60 * 10**9}
        update = {"Parallelism": 1, "Delay": 30 * 10**9}
        return {**spec, "TaskTemplate": {**spec["TaskTemplate"], "ContainerSpec": container}, "UpdateConfig": update}

    scene.change(lambda spec: scaled(constrained(slow(spec), ["node.role==worker"]), 1))
    assert scene.moving()._limit_s() == 60 + 30 + 5
    assert scene.moving(method="drain")._limit_s() == 60 + 5
    scene.change(lambda spec: scaled(constrained(spec, ["node.hostname==h2"]), 3))
    assert scene.moving()._limit_s() == 3 * (60 + 30 + 5)
    assert scene.moving(fast=True)._limit_s() == 60 + 5


def test_all_tasks_move_to_one_node(scene: Scene) -> None:
    scene.change(lambda spec: scaled(constrained(spec, []), 3))
    assert scene.nodes == ["h1-id", "h2-id", "h3-id"]
    scene.move(everything=True)
    assert scene.nodes == ["h3-id"] * 3


def test_a_second_move_forgets_nothing_of_the_first_and_the_way_back_restores_all(scene: Scene) -> None:
    before = scene.spec
    scene.move()
    seen = see_swarm(scene.swarm, "ssh://h1", "web", "h2")
    options = SwarmOptions(image="pull", unpin=True)
    made = plan_move(seen, find_route(seen, options), options)
    ServiceMoving(scene.swarm, {}, scene.journal, Recorder(), made, new_record(made)).run(lambda _: True, Interrupts())
    assert scene.nodes == ["h2-id"]
    assert scene.spec == before


def test_constraints_of_two_moves_go_together(scene: Scene) -> None:
    scene.change(lambda spec: scaled(constrained(spec, []), 2))
    assert scene.nodes == ["h1-id", "h2-id"]
    scene.move(source="h1")
    assert scene.nodes == ["h2-id", "h3-id"]
    assert scene.spec["TaskTemplate"]["Placement"]["Constraints"] == ["node.id!=h1-id"]
    record = scene.move(source="h2", unpin=False)
    assert record.outcome == "moved"
    assert scene.spec["TaskTemplate"]["Placement"]["Constraints"] == ["node.id!=h1-id", "node.id==h3-id"]
    assert '"node.id!=h1-id"' in scene.spec["Labels"][PIN]


def test_a_manager_without_a_leader_is_waited_for_when_it_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, refused = scene.swarm.update_service, {"claim": 2, "change": 2, "end": 2}

    def undecided(ref: str, version: int, spec: dict[str, Any]) -> None:
        pinned = "node.id==h3-id" in spec["TaskTemplate"]["Placement"]["Constraints"]
        step = "end" if PIN in spec["Labels"] else "change" if pinned else "claim"
        if refused[step]:
            refused[step] -= 1
            raise DockerDownError("the swarm does not have a leader")
        update(ref, version, spec)

    monkeypatch.setattr(scene.swarm, "update_service", undecided)
    assert scene.move().outcome == "moved"
    assert not any(refused.values())


def test_a_claim_whose_answer_was_lost_is_a_claim(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    update, lost = scene.swarm.update_service, [DockerDownError("the connection broke")]

    def unheard(ref: str, version: int, spec: dict[str, Any]) -> None:
        update(ref, version, spec)
        if lost:
            raise lost.pop()

    monkeypatch.setattr(scene.swarm, "update_service", unheard)
    assert scene.move().outcome == "moved"


def test_who_looks_on_sees_that_somebody_is_at_work(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "BEAT_S", 0.05)
    monkeypatch.setattr(beats, "_AGAIN_S", 0.05)
    moving = scene.moving()
    alive: list[bool] = []
    moving.recorder.listeners.append(
        lambda event: (
            alive.append(is_beating(scene.swarm, moving.record, silence_s=60.0))
            if (event.kind, event.phase) == ("started", "arrive")
            else None
        )
    )
    moving.run(lambda _: True, Interrupts())
    assert alive == [True]
    assert not is_beating(scene.swarm, moving.record, silence_s=0.3)


def test_a_manager_that_is_gone_for_a_moment_leaves_no_sign_of_work_behind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, refused = scene.swarm.update_node, [DockerDownError("it restarts"), DockerDownError("it restarts")]

    def gone(ref: str, version: int, spec: dict[str, Any]) -> None:
        if refused and not spec["Labels"]:
            raise refused.pop()
        update(ref, version, spec)

    monkeypatch.setattr(scene.swarm, "update_node", gone)
    assert scene.move().outcome == "moved"
    assert (refused, scene.labels) == ([], {})


def test_the_sign_of_a_process_that_is_no_more_is_taken_away(scene: Scene) -> None:
    record = scene.moving().record
    node = Node.read(scene.swarm.node("h3-id"))
    told = labelled(node.spec, f"transship.at-work.{record.id}", "7")
    scene.swarm.update_node(node.id, node.version, told)
    assert not is_beating(scene.swarm, record, silence_s=0.3)
    end_beat(scene.swarm, record)
    assert scene.labels == {}


def test_what_is_waited_for_and_what_is_in_the_way_are_named(scene: Scene) -> None:
    def stuck() -> None:
        for task in scene.swarm._tasks:
            if task["DesiredState"] == "shutdown":
                task["Status"]["State"] = "running"

    error = scene.fail({"arrive": stuck}, timeout_s=-10.0)
    assert "one that shall end is running on h2, one is running on h3" in str(error)
    wait_for(lambda: scene.labels == {})
