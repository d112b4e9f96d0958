"""Adoptions and releases that fail or are killed at any point, on a node in memory."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.plan.observed import SPEC
from tests.swarm.one_node import NODE, Killed, Mortal, OneNode, exchange
from tests.swarm.test_recovery_rules import connected
from tests.swarm.told import record, service
from transship.errors import (
    ConflictError,
    DockerDownError,
    DockerError,
    NeedsRecoveryError,
    PreflightError,
    RolledBackError,
    SourceNotRetiredError,
    UnhealthyError,
)
from transship.metrics.events import Recorder
from transship.migrations import Reach
from transship.plan.findings import Finding
from transship.spec.model import VolumeSpec
from transship.swarm.adopt import adoption, node_of
from transship.swarm.change import claimed_by
from transship.swarm.exchange import Exchange, Undertaking
from transship.swarm.exchange_record import ExchangeRecord, by_hand, from_label, from_text, to_text
from transship.swarm.exchange_recovery import ExchangeSeen, carry_out, decide, look, recover, status
from transship.swarm.journal import SwarmJournal
from transship.swarm.model import Node, Service, Task
from transship.swarm.record import CLAIM
from transship.swarm.release import _notes, releasable, release_of

POLICY = {"Name": "on-failure", "MaximumRetryCount": 3}


@pytest.fixture
def swarm() -> OneNode:
    return OneNode()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SwarmJournal]:
    with SwarmJournal.open(tmp_path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to settle in memory, and what is out of reach stays so."""
    monkeypatch.setattr("transship.swarm.adopt.SETTLE_S", 0.0)
    monkeypatch.setattr("transship.lifecycle.SETTLE_S", 0.0)
    monkeypatch.setattr("transship.undo.PATIENCE_S", 0.2)
    monkeypatch.setattr("transship.swarm.exchange_recovery._COMING_S", 0.1)
    monkeypatch.setattr("transship.swarm.exchange_recovery.SETTLE_S", 0.0)


def plain(swarm: OneNode) -> str:
    """A container that runs."""
    body = {"Image": "web:1", "Env": ["A=1"], "HostConfig": {"RestartPolicy": POLICY}}
    container = swarm.docker.create_container("web", body)
    swarm.docker.start(container)
    return container


def served(swarm: OneNode, *constraints: str, **more: Any) -> str:
    """A service that runs on h2, which also other nodes would take."""
    template = {"ContainerSpec": {"Image": "web:1", "Env": ["A=1"]}, "Placement": {"Constraints": [f"node.id=={NODE}"]}}
    spec = {"Name": "web", "Labels": {}, "TaskTemplate": template, "Mode": {"Replicated": {"Replicas": 1}}, **more}
    service = swarm.create_service(spec)
    told = swarm.service(service)
    told["Spec"]["TaskTemplate"]["Placement"] = {"Constraints": list(constraints)} if constraints else {}
    swarm.update_service(service, told["Version"]["Index"], told["Spec"])
    return service


def begin(kind: str, exchanged: Exchange) -> Undertaking:
    if kind == "adopt":
        return adoption(exchanged, "web")
    service = next(Service.read(each) for each in exchanged.swarm.services())
    task = releasable(service, tuple(Task.read(each) for each in exchanged.swarm.tasks(service.id)))
    return release_of(exchanged, service, task)


def as_it_was(swarm: OneNode, kind: str) -> bool:
    """Whether the service or container runs that ran before, and nothing is left of the other."""
    containers = swarm.docker.containers()
    if kind == "adopt":
        if swarm.services() or [each["Names"] for each in containers] != [["/web"]]:
            return False
        found = swarm.docker.inspect_container("web")
        return bool(found["State"]["Running"] and found["HostConfig"]["RestartPolicy"] == POLICY)
    if not swarm.services():
        return False
    (service,) = swarm.services()
    (task,) = [each for each in swarm.tasks() if each["DesiredState"] == "running"]
    spec = service["Spec"]
    told = (spec["Labels"], spec["TaskTemplate"]["Placement"], spec["Mode"]["Replicated"]["Replicas"], task["NodeID"])
    return told == ({}, {}, 1, NODE) and len(containers) == 1


def is_done(swarm: OneNode, kind: str) -> bool:
    """Whether what shall run in the end runs, and nothing else is left but a container that was set aside."""
    if kind == "adopt":
        (service,) = swarm.services()
        aside = [each for each in swarm.docker.containers() if each["Names"][0].startswith("/web.adopted.")]
        stopped = len(aside) == 1 and aside[0]["State"] == "exited"
        return stopped and len(swarm.copies()) == 1 and CLAIM not in service["Spec"]["Labels"]
    return swarm.services() == [] and swarm.copies() == ["web"] and len(swarm.docker.containers()) == 1


def set_up(swarm: OneNode, kind: str) -> None:
    plain(swarm) if kind == "adopt" else served(swarm)


@pytest.mark.parametrize("kind", ["adopt", "release"])
def test_one_becomes_the_other_and_the_journal_tells(swarm: OneNode, journal: SwarmJournal, kind: str) -> None:
    set_up(swarm, kind)
    done = begin(kind, exchange(swarm, journal)).carry_out()
    assert is_done(swarm, kind)
    assert done.outcome == {"adopt": "adopted", "release": "released"}[kind]
    (entry,) = journal.exchanges.history()
    assert (entry.record.id, entry.record.outcome, bool(entry.ended)) == (done.migration, done.outcome, True)
    assert entry.happened == {"total_s": done.total_s, "outcome": done.outcome}


@pytest.mark.parametrize("kind", ["adopt", "release"])
def test_killed_after_any_call_recover_leads_to_one_copy(tmp_path: Path, kind: str) -> None:
    """It is killed after the first call, then after the second one, and so on until it comes through."""
    for last in range(1, 200):
        swarm, count = OneNode(), [0]
        set_up(swarm, kind)
        most = [0]

        def look(swarm: OneNode = swarm, most: list[int] = most) -> None:
            most[0] = max(most[0], len(swarm.copies()))

        def mortal(port: object, count: list[int] = count, last: int = last) -> Mortal:
            return Mortal(port, count, last, look)

        with SwarmJournal.open(tmp_path / str(last)) as journal:
            undertaking = None
            try:
                undertaking = begin(kind, exchange(swarm, journal, mortal=mortal))
                undertaking.save()
                undertaking._run()
                undertaking.finish()
            except Killed:
                pass
            else:
                assert is_done(swarm, kind)
                assert most == [1]
                break
            recovered(swarm, journal, look)
            assert most == [1], f"two copies ran, or none ever, when it was killed after call {last}"
            assert as_it_was(swarm, kind) or is_done(swarm, kind), f"killed after call {last}"
            assert recovered(swarm, journal, look) == [], "twice changes nothing more"
    else:
        pytest.fail("it never came through")
    assert last > 15


def recovered(swarm: OneNode, journal: SwarmJournal, look_: Any) -> list[str]:
    """What `transship recover` does, without its connections."""
    done: list[str] = []
    for entry in journal.exchanges.open():
        asked: Any = Mortal(swarm, [0], -1, look_)
        found = decide(entry.record, look(entry.record, asked, lambda: swarm.host))
        found = carry_out(found, asked, swarm.host, Recorder())
        journal.exchanges.save(replace(entry.record, stage="ended", outcome=found.would))
        done.append(found.would)
    return done


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["set_restart_policy", "stop", "rename"])
def test_an_adoption_that_fails_gives_the_container_back(
    swarm: OneNode, journal: SwarmJournal, method: str, when: Any
) -> None:
    plain(swarm)
    undertaking = begin("adopt", exchange(swarm, journal))
    swarm.docker.fail(method, DockerError("it does not work"), when=when)
    with pytest.raises(RolledBackError, match="it does not work; web runs as before") as error:
        undertaking.carry_out()
    assert as_it_was(swarm, "adopt")
    assert error.value.result.outcome == "rolled-back"  # type: ignore[attr-defined]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("method", "then"),
    [("create_container", "was not touched"), ("rename", "was not touched"), ("start", "runs as before")],
)
def test_a_release_that_fails_gives_the_service_back_on_its_node(
    swarm: OneNode, journal: SwarmJournal, method: str, then: str, when: Any
) -> None:
    served(swarm)
    undertaking = begin("release", exchange(swarm, journal))
    swarm.docker.fail(method, DockerError("it does not work"), when=when)
    with pytest.raises(RolledBackError, match=f"it does not work; web {then}"):
        undertaking.carry_out()
    assert as_it_was(swarm, "release")


@pytest.mark.parametrize("kind", ["adopt", "release"])
def test_nothing_starts_while_a_task_still_ends(
    swarm: OneNode, journal: SwarmJournal, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Swarm forgets a service's tasks before their containers have ended."""
    set_up(swarm, kind)
    undertaking = begin(kind, exchange(swarm, journal))
    if kind == "adopt":
        undertaking.save()
        undertaking._run()
    list_, start, sync, asked, alone = swarm.docker.containers, swarm.docker.start, swarm._sync, [0], []

    def listed() -> list[dict[str, Any]]:
        asked[0] += 1
        if asked[0] == 3:
            monkeypatch.setattr(swarm, "_sync", sync)
            monkeypatch.setattr(swarm.docker, "containers", list_)
            sync()
        return list_()

    def started(ref: str, **words: Any) -> None:
        alone.append([each for each in list_() if each["State"] == "running"] == [])
        start(ref, **words)

    monkeypatch.setattr(swarm, "_sync", lambda: None)
    monkeypatch.setattr(swarm.docker, "containers", listed)
    monkeypatch.setattr(swarm.docker, "start", started)
    if kind == "adopt":
        undertaking.take_back()
    else:
        undertaking.carry_out()
    assert alone == [True]
    assert asked[0] == 3


def test_what_swarm_refuses_costs_nothing(
    swarm: OneNode, journal: SwarmJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = plain(swarm)
    started = swarm.docker.inspect_container(container)["State"]["StartedAt"]

    def refuse(_spec: object) -> str:
        raise DockerError("name conflicts with an existing object")

    monkeypatch.setattr(swarm, "create_service", refuse)
    with pytest.raises(PreflightError, match="Swarm refuses web: name conflicts"):
        begin("adopt", exchange(swarm, journal)).carry_out()
    assert swarm.docker.inspect_container(container)["State"]["StartedAt"] == started
    assert not {"stop", "set_restart_policy", "rename"} & set(swarm.docker.calls)
    assert journal.exchanges.history()[0].record.outcome == "refused"


def test_a_service_that_somebody_else_made_meanwhile_is_not_removed(
    swarm: OneNode, journal: SwarmJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(swarm)
    undertaking = begin("adopt", exchange(swarm, journal))
    theirs = served(swarm, f"node.id=={NODE}", Mode={"Replicated": {"Replicas": 0}})

    def unheard(_spec: object) -> str:
        raise DockerDownError("the connection broke")

    monkeypatch.setattr(swarm, "create_service", unheard)
    with pytest.raises(RolledBackError, match="the connection broke"):
        undertaking.carry_out()
    assert [each["ID"] for each in swarm.services()] == [theirs]
    assert swarm.copies() == ["web"]


def test_what_swarm_leaves_out_is_asked_about_before_anything_is_stopped(
    swarm: OneNode, journal: SwarmJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(swarm)
    asked: list[str] = []
    create = swarm.create_service

    def older(spec: dict[str, Any]) -> str:
        del spec["TaskTemplate"]["ContainerSpec"]["Env"]
        return create(spec)

    def agreed(findings: Any) -> bool:
        asked.extend(each.message for each in findings if each.severity == "warning")
        return not asked

    monkeypatch.setattr(swarm, "create_service", older)
    with pytest.raises(PreflightError, match="nobody agreed"):
        begin("adopt", exchange(swarm, journal, agreed)).carry_out()
    assert asked == ["its ContainerSpec.Env is not kept"]
    assert as_it_was(swarm, "adopt")
    assert "stop" not in swarm.docker.calls


def test_a_container_of_docker_compose_is_asked_about(swarm: OneNode, journal: SwarmJournal) -> None:
    """`docker compose up` starts the stopped one again."""
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    swarm.docker.start(swarm.docker.create_container("web", {"Image": "web:1", "Labels": labels}))
    asked: list[Finding] = []

    def agreed(findings: Any) -> bool:
        asked.extend(findings)
        return False

    with pytest.raises(PreflightError, match="nobody agreed"):
        begin("adopt", exchange(swarm, journal, agreed))
    (warned,) = [each for each in asked if each.code == "compose"]
    assert warned.severity == "warning"
    assert "Compose project shop" in warned.message
    (told,) = [each for each in asked if each.code == "not-kept"]
    assert "com.docker.compose." in told.message


def test_a_container_that_somebody_stops_meanwhile_is_left_alone(swarm: OneNode, journal: SwarmJournal) -> None:
    container = plain(swarm)
    undertaking = begin("adopt", exchange(swarm, journal))
    swarm.docker.stop(container)
    with pytest.raises(RolledBackError, match="somebody has stopped or renamed web meanwhile; web was not touched"):
        undertaking.carry_out()
    assert swarm.copies() == []
    assert swarm.services() == []


@pytest.mark.parametrize(("state", "availability"), [("down", "active"), ("ready", "drain"), ("ready", "pause")])
def test_a_node_that_takes_no_tasks_adopts_nothing(swarm: OneNode, state: str, availability: str) -> None:
    node = replace(Node.read(swarm.node(NODE)), state=state, availability=availability)
    with pytest.raises(PreflightError, match=f"it is {state}, and its availability is {availability}"):
        node_of(swarm.host, (node,))
    with pytest.raises(PreflightError, match="is no node of this swarm"):
        node_of(swarm.host, (replace(node, id="other"),))


def test_a_service_that_cannot_be_removed_is_not_retired(
    swarm: OneNode, journal: SwarmJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(swarm)
    with monkeypatch.context() as patch:

        def refuse(_ref: str) -> None:
            raise DockerError("it does not go")

        patch.setattr(swarm, "remove_service", refuse)
        with pytest.raises(SourceNotRetiredError, match="has no tasks any more, could not be removed") as error:
            begin("release", exchange(swarm, journal)).carry_out()
    assert error.value.exit_code == 5
    assert error.value.result.outcome == "not-retired"  # type: ignore[attr-defined]
    assert swarm.copies() == ["web"]
    assert recovered(swarm, journal, lambda: None) == ["finish"]
    assert is_done(swarm, "release")


@pytest.mark.parametrize(
    ("state", "restarts", "would"),
    [
        ({"Health": {"Status": "healthy"}}, 0, "finish"),
        ({"Health": {"Status": "starting"}}, 0, "bring-back"),
        ({}, 3, "bring-back"),
    ],
)
def test_recover_removes_a_released_service_only_where_its_container_is_proven(
    swarm: OneNode,
    journal: SwarmJournal,
    monkeypatch: pytest.MonkeyPatch,
    state: dict[str, Any],
    restarts: int,
    would: str,
) -> None:
    served(swarm)
    undertaking = begin("release", exchange(swarm, journal))
    undertaking.save()
    undertaking._run()
    inspect = swarm.docker.inspect_container

    def seen(ref: str) -> dict[str, Any]:
        told = inspect(ref)
        return {**told, "State": {**told["State"], **state}, "RestartCount": restarts}

    monkeypatch.setattr("transship.swarm.exchange_ends._HEALTH_S", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(swarm.docker, "inspect_container", seen)
        assert recovered(swarm, journal, lambda: None) == [would]
    assert is_done(swarm, "release") if would == "finish" else as_it_was(swarm, "release")


def test_recover_keeps_an_adopted_service_only_where_its_task_stays(
    swarm: OneNode, journal: SwarmJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(swarm)
    undertaking = begin("adopt", exchange(swarm, journal))
    undertaking.save()
    undertaking._run()

    def falls(_watch: object, _goal: object, _seconds: float) -> None:
        raise UnhealthyError("it did not stay up")

    monkeypatch.setattr("transship.swarm.watch.Watch.stay", falls)
    assert recovered(swarm, journal, lambda: None) == ["bring-back"]
    assert as_it_was(swarm, "adopt")


def test_what_cannot_be_taken_back_says_what_to_type(
    swarm: OneNode, journal: SwarmJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(swarm)
    undertaking = begin("adopt", exchange(swarm, journal))
    swarm.docker.fail("rename", DockerError("no"), when="before")
    with monkeypatch.context() as patch:

        def refuse(_ref: str) -> None:
            raise ConflictError("it does not go")

        patch.setattr(swarm, "remove_service", refuse)
        with pytest.raises(NeedsRecoveryError) as error:
            undertaking.carry_out()
    for word in (
        f"transship recover {undertaking.record.id}",
        "docker rename",
        "--restart on-failure:3",
        "docker start",
    ):
        assert word in error.value.hint
    assert recovered(swarm, journal, lambda: None) == ["bring-back"]
    assert as_it_was(swarm, "adopt")


def test_a_service_that_a_move_or_release_has_is_not_released(swarm: OneNode, journal: SwarmJournal) -> None:
    served(swarm)
    undertaking = begin("release", exchange(swarm, journal))
    undertaking.save()
    undertaking.begin()
    with pytest.raises(PreflightError, match="is under way"):
        begin("release", exchange(swarm, journal))
    claimed = Service.read(swarm.services()[0])
    assert claimed_by(claimed) is None, "another machine must not take it for a move"
    label = json.loads(claimed.labels[CLAIM])
    told = {"format": 1, "kind": "release", "id": undertaking.record.id, "node": "h2"}
    assert label == told, "labels can be read by everybody"


def test_what_a_release_that_fails_loses_is_told() -> None:
    own = VolumeSpec("a" * 64, "local", anonymous=True, destination="/data", options={}, labels={})
    by_name = [{"Type": "volume", "Source": own.name, "Target": "/data"}]
    was = replace(SPEC, volumes=(own,))
    (warned,) = _notes(service(), was)
    assert (warned.severity, warned.code) == ("warning", "volume-nameless")
    assert "/data" in warned.message
    assert own.name in warned.hint
    assert list(_notes(service(container={"Mounts": by_name}), was)) == [], "an adopted container's, by its own name"
    assert list(_notes(service(), replace(SPEC, volumes=(replace(own, anonymous=False),)))) == []


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ({"Global": {}}, "is global"),
        ({"ReplicatedJob": {}}, "is a job"),
        ({"Replicated": {"Replicas": 0}}, "has 0 tasks, not one"),
        ({"Replicated": {"Replicas": 3}}, "has 3 tasks, not one"),
    ],
)
def test_what_has_not_one_task_is_not_released(mode: dict[str, Any], why: str) -> None:
    told = {
        "ID": "x",
        "Version": {"Index": 1},
        "UpdatedAt": "",
        "Spec": {"Name": "web", "TaskTemplate": {}, "Mode": mode},
    }
    with pytest.raises(PreflightError, match=why):
        releasable(Service.read(told), ())


def test_a_name_that_is_taken_on_the_node_is_told_beforehand(swarm: OneNode, journal: SwarmJournal) -> None:
    served(swarm)
    swarm.docker.create_container("web", {"Image": "web:1"})
    with pytest.raises(PreflightError, match="has a container web already"):
        begin("release", exchange(swarm, journal))


def kept(kind: Any = "adopt", stage: Any = "changed", **more: Any) -> ExchangeRecord:
    made = ExchangeRecord(
        id="0a1b", kind=kind, begun="2026-11-22T20:00:00+00:00", coordinator="me@here", manager="ssh://root@h1",
        node=record().source, name="web", aside="web.adopted.0a1b", grace_s=10.0, service="s", container="c",
        policy=POLICY, before=record().before, stage=stage,
    )  # fmt: skip
    return replace(made, **more)


def unasked() -> Any:
    pytest.fail("a host that may be gone for good was asked")


def test_a_host_that_is_gone_is_not_asked_where_somebody_has_ended_it(swarm: OneNode, journal: SwarmJournal) -> None:
    served(swarm)
    undertaking = begin("release", exchange(swarm, journal))
    undertaking.save()
    undertaking.begin()
    told = swarm.services()[0]
    swarm.update_service(told["ID"], told["Version"]["Index"], {**told["Spec"], "Labels": {}})
    assert look(undertaking.record, swarm, unasked).service == "theirs"
    swarm.remove_service(told["ID"])
    seen = look(undertaking.record, swarm, unasked)
    assert seen.service == "absent"
    assert decide(undertaking.record, seen).would == "forget"


@pytest.mark.parametrize(("kind", "first"), [("adopt", "docker service rm web"), ("release", "docker rm --force web ")])
def test_another_machine_is_told_of_one_and_what_to_type(
    swarm: OneNode, journal: SwarmJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, first: str
) -> None:
    set_up(swarm, kind)
    undertaking = begin(kind, exchange(swarm, journal))
    undertaking.save()
    undertaking._run()
    connected(monkeypatch, "transship.swarm.managers", swarm)
    elsewhere = Reach(tmp_path / "elsewhere", at=("ssh://h1",))
    (told,) = status(elsewhere)
    assert (told.record.id, told.record.kind, told.would) == (undertaking.record.id, kind, "elsewhere")
    assert (told.record.node.name, told.record.aside) == ("h2", undertaking.record.aside)
    assert by_hand(told.record).startswith(first)
    copies = swarm.copies()
    assert recover(elsewhere) == [told]
    with pytest.raises(NeedsRecoveryError, match="begun on another machine") as error:
        recover(elsewhere, told.record.id[:4])
    assert first in error.value.hint
    assert swarm.copies() == copies
    assert status(Reach(tmp_path / "elsewhere")) == [], "nobody was named"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "adopt"}', '{"kind": "x", "id": "a"}',
                                  '{"kind": "adopt", "id": "../x", "node": "h2"}',
                                  '{"kind": "adopt", "id": "a", "node": "h2; sh"}',
                                  '{"format": 1, "id": "a"}'])  # fmt: skip
def test_a_label_that_tells_of_no_exchange_is_none(text: str) -> None:
    assert from_label(text, "s", "web") is None


def test_a_record_survives_the_journal() -> None:
    assert from_text(to_text(kept())) == kept()


@pytest.mark.parametrize(
    ("kind", "stage", "seen", "would"),
    [
        ("adopt", "changed", ExchangeSeen("ours", runs=True, container="stopped"), "finish"),
        ("adopt", "changed", ExchangeSeen("ours", runs=True, container="running"), "bring-back"),
        ("adopt", "changed", ExchangeSeen("ours", runs=False, container="stopped"), "bring-back"),
        ("adopt", "stopping", ExchangeSeen("ours", runs=False, container="stopped"), "bring-back"),
        ("adopt", "stopping", ExchangeSeen("absent", runs=False, container="stopped"), "bring-back"),
        ("adopt", "begun", ExchangeSeen("absent", runs=False, container="running"), "forget"),
        ("adopt", "begun", ExchangeSeen("ours", runs=False, container="running"), "bring-back"),
        ("adopt", "changed", ExchangeSeen("absent", runs=False, container="absent"), "forget"),
        ("adopt", "changed", ExchangeSeen("theirs", runs=False, container="stopped"), "forget"),
        ("release", "changed", ExchangeSeen("ours", runs=False, container="running"), "finish"),
        ("release", "changed", ExchangeSeen("ours", runs=True, container="running"), "bring-back"),
        ("release", "changed", ExchangeSeen("ours", runs=False, container="stopped"), "bring-back"),
        ("release", "stopping", ExchangeSeen("ours", runs=True, container="stopped"), "bring-back"),
        ("release", "begun", ExchangeSeen("ours", runs=True, container="absent"), "bring-back"),
        ("release", "changed", ExchangeSeen("absent", runs=False, container="running"), "forget"),
        ("release", "begun", ExchangeSeen("theirs", runs=False, container="absent"), "forget"),
    ],
)
def test_what_is_seen_decides(kind: Any, stage: Any, seen: ExchangeSeen, would: str) -> None:
    assert decide(kept(kind, stage), seen).would == would
