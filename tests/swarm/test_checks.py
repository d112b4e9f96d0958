from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.plan.observed import SPEC
from tests.swarm.told import H1, H2, H3, host_seen, node, route, seen, service, task
from transship.errors import PreflightError
from transship.swarm.checks import check
from transship.swarm.model import Node, Service
from transship.swarm.options import SwarmOptions
from transship.swarm.record import CLAIM, DRAINED
from transship.swarm.route import find_route
from transship.swarm.seen import HostSeen, SwarmSeen

ALWAYS = {"update-settings", "drain-order", "image-asked", "volumes-unseen"}
PLAIN = SwarmOptions()
FIRST = SwarmOptions(start_first=True)
DRAIN = SwarmOptions(method="drain")
VOLUME: dict[str, Any] = {"container": {"Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}]}}
PUBLISHED = {"PublishedPort": 80, "TargetPort": 80, "PublishMode": "host"}
HOST_PORT: dict[str, Any] = {"EndpointSpec": {"Ports": [PUBLISHED]}}


def codes(swarm: SwarmSeen, options: SwarmOptions | None = None) -> dict[str, str]:
    """The findings' codes and severities, without what is always said, or always of nodes that were not looked at."""
    found = check(swarm, route(swarm), options or SwarmOptions())
    for each in found:
        assert each.message
        assert each.hint or each.severity != "error"
    return {each.code: each.severity for each in found if each.code not in ALWAYS}


def test_nothing_is_found_in_the_way_of_a_plain_service() -> None:
    assert codes(seen()) == {}


def healthy() -> HostSeen:
    return host_seen(image=replace(SPEC.image, config={"Healthcheck": {"Test": ["CMD", "true"]}}))


def with_source(volume: dict[str, Any], **here: Any) -> SwarmSeen:
    known = host_seen(volumes={"data": volume}, **here)
    return seen(service(**VOLUME), hosts={H2.id: known, H3.id: host_seen()})


def with_hosts(**there: Any) -> SwarmSeen:
    known = host_seen(volumes={"data": {"Name": "data"}})
    return seen(service(**VOLUME), hosts={H2.id: known, H3.id: replace(host_seen(), **there)})


def replicas(count: int) -> Service:
    return service(replicas=count)


def mounting(**mount: Any) -> SwarmSeen:
    return seen(service(container={"Mounts": [mount]}))


def both_publish() -> SwarmSeen:
    tasks = (task("t1", "h2"), task("o", "h3", of="other"))
    return seen(service(**HOST_PORT), service("other", **HOST_PORT), tasks=tasks)


def spread(*where: str) -> SwarmSeen:
    return seen(replicas(len(where)), tasks=tuple(task(f"t{number}", name) for number, name in enumerate(where)))


NFS = {"DriverConfig": {"Name": "local", "Options": {"type": "nfs"}}}
ARM = {"Placement": {"Platforms": [{"Architecture": "arm64", "OS": "linux"}]}}
LARGE = {"Resources": {"Reservations": {"MemoryBytes": 1 << 31}}}
INGRESS: dict[str, Any] = {"EndpointSpec": {"Ports": [{"PublishedPort": 80, "TargetPort": 80}]}}
IN_STACK = {"com.docker.stack.namespace": "shop"}
STUCK = {"volume-stays": "error", "drain-anywhere": "error"}

CASES: list[tuple[Callable[[], SwarmSeen], SwarmOptions, dict[str, str]]] = [
    (lambda: seen(replace(service(), update_state="updating")), PLAIN, {"update-under-way": "error"}),
    (lambda: seen(replace(service(), update_state="paused")), PLAIN, {"update-paused": "warning"}),
    (lambda: seen(target=node("h3", availability="pause")), PLAIN, {"node-unavailable": "error"}),
    (lambda: seen(target=node("h3", state="down")), PLAIN, {"node-unavailable": "error"}),
    (lambda: seen(service(constraints=("node.labels.disk==ssd",))), PLAIN, {"constraint": "error"}),
    (lambda: seen(service(constraints=("node.hostname==h2",))), PLAIN, {"pin-replaced": "note"}),
    (lambda: seen(service(template=ARM)), PLAIN, {"platform": "error"}),
    (lambda: seen(service(template=LARGE)), PLAIN, {"no-room": "error"}),
    (both_publish, PLAIN, {"port-taken": "error"}),
    (lambda: seen(service(**HOST_PORT), hosts={H3.id: host_seen(published=frozenset({"80/tcp"}))}),
     PLAIN, {"port-taken": "error"}),
    (lambda: seen(service(**INGRESS), hosts={H3.id: host_seen(ipvs=False)}), PLAIN, {"no-ipvs": "warning"}),
    (lambda: seen(service(Labels=IN_STACK)), PLAIN, {"stack": "note"}),
    (lambda: seen(service(Labels=IN_STACK)), SwarmOptions(unpin=True), {}),
    (lambda: replace(with_hosts(), service=service(Labels=IN_STACK, **VOLUME)), PLAIN, {"stack": "warning"}),
    (seen, SwarmOptions(limit_rate=5.0), {"options-unused": "note"}),
    (with_hosts, SwarmOptions(replace_data=True, verify="full", max_downtime_s=2.0, limit_rate=5.0), {}),
    (seen, SwarmOptions(image="pull"), {"image-pulled": "note"}),
    (lambda: seen(hosts={H2.id: host_seen(image=SPEC.image),
                         H3.id: host_seen(image=replace(SPEC.image, diff_ids=("sha256:b",)))}),
     PLAIN, {"tag-differs": "warning"}),
    (lambda: seen(service(**VOLUME)), PLAIN, {"volume-unreached": "error"}),
    (with_hosts, PLAIN, {}),
    (lambda: with_hosts(volumes={"data": {}}, sizes={"data": 5}), PLAIN, {"occupied-volume": "error"}),
    (lambda: with_hosts(volumes={"data": {}}, sizes={"data": 0}), PLAIN, {}),
    (lambda: with_hosts(users={"data": ("db",)}), PLAIN, {"volume-in-use": "error"}),
    (lambda: with_hosts(facts=replace(host_seen().facts, root_access="none")), PLAIN, {"no-agent": "error"}),
    (lambda: seen(service(**VOLUME)), DRAIN, STUCK),
    (lambda: mounting(Type="bind", Source="/srv", Target="/srv"), PLAIN, {"bind-mount": "error"}),
    (lambda: mounting(Type="bind", Source="/srv", Target="/srv"), SwarmOptions(binds="expect"), {}),
    (lambda: mounting(Type="volume", Target="/data"), PLAIN, {"volume-nameless": "warning"}),
    (lambda: mounting(Type="tmpfs", Target="/t"), PLAIN, {"tmpfs-mount": "note"}),
    (lambda: mounting(Type="volume", Source="n", Target="/n", VolumeOptions=NFS), PLAIN, {"remote-volume": "note"}),
    (lambda: mounting(Type="bind", Source="/srv", Target="/srv"), FIRST,
     {"bind-mount": "error", "start-first-data": "error", "no-health-check": "note"}),
    (lambda: seen(service()), FIRST, {"two-at-once": "note", "no-health-check": "note"}),
    (lambda: seen(service(container={"Healthcheck": {"Test": ["CMD", "true"]}})), FIRST, {"two-at-once": "note"}),
    (lambda: seen(service(container={"Healthcheck": {"Test": ["NONE"]}}), hosts={H2.id: healthy()}), FIRST,
     {"two-at-once": "note", "no-health-check": "note"}),
    (lambda: seen(hosts={H2.id: healthy()}), FIRST, {"two-at-once": "note"}),
    (lambda: seen(service(UpdateConfig={"Order": "start-first"})), PLAIN, {"no-health-check": "note"}),
    (lambda: seen(service(constraints=("node.hostname==h2",))), DRAIN,
     {"constraint": "error", "drain-anywhere": "error"}),
    (lambda: seen(service(template={"Placement": {"MaxReplicas": 1}}, replicas=2),
                  tasks=(task("a", "h2"), task("b", "h3"))), PLAIN, {"max-replicas": "error"}),
    (lambda: seen(service(replicas=2, **HOST_PORT), tasks=(task("a", "h2"), task("b", "h3"))), PLAIN,
     {"port-exclusive": "error"}),
    (lambda: seen(service(replicas=2, **VOLUME), tasks=(task("a", "h2"), task("b", "h3"))), PLAIN,
     {"volume-many": "error"}),
    (lambda: mounting(Type="bind", Source="/srv", Target="/srv"),
     SwarmOptions(method="drain"), {"bind-mount": "error", "drain-anywhere": "error"}),
    (lambda: seen(service(container={"Mounts": [{"Type": "bind", "Source": "/srv", "Target": "/srv"}]}),
                  hosts={H3.id: host_seen(lacking=("/srv",))}), SwarmOptions(binds="expect"),
     {"bind-missing": "error"}),
    (with_hosts, SwarmOptions(unpin=True), {"unpin-data": "error"}),
    (lambda: replace(with_hosts(), service=service(constraints=("node.hostname!=h1", "node.id!=h2-id"), **VOLUME)),
     SwarmOptions(unpin=True), {}),
    (lambda: with_source({"Driver": "local", "Options": {"type": "nfs"}}), PLAIN, {"remote-volume": "note"}),
    (lambda: with_source({"Driver": "plugin"}), PLAIN, {"remote-volume": "note"}),
    (lambda: with_source({"Driver": "local", "Options": {"type": "none", "o": "bind", "device": "/srv"}}), PLAIN,
     {"bind-mount": "error"}),
    (lambda: seen(mounting(Type="volume", Source="data", Target="/n", VolumeOptions=NFS).service,
                  hosts={H2.id: host_seen(volumes={"data": {"Driver": "local"}}), H3.id: host_seen()}), PLAIN, {}),
    (lambda: with_hosts(volumes={"data": {"Driver": "plugin"}}, sizes={"data": 0}), PLAIN,
     {"volume-differs": "error"}),
    (lambda: with_source({}, users={"data": ("db",)}), PLAIN, {"shared-volume": "error"}),
    (lambda: seen(service(container={"Image": "web:1@sha256:a"}),
                  hosts={H2.id: host_seen(image=SPEC.image),
                         H3.id: host_seen(image=replace(SPEC.image, diff_ids=("sha256:b",)))}), PLAIN, {}),
    (lambda: seen(service(constraints=("node.role==worker",)), target=H3,
                  nodes=(H1, node("h2", **{DRAINED: "x"}), H3)), DRAIN, {"node-drained": "error"}),
    (lambda: seen(service()), DRAIN, {"drain-anywhere": "error"}),
    (lambda: seen(service(constraints=("node.role==worker",))), DRAIN, {}),
    (lambda: spread("h2", "h2", "h1"), PLAIN, {"spread": "error"}),
    (lambda: spread("h2", "h1"), PLAIN, {}),
]  # fmt: skip


@pytest.mark.parametrize(("swarm", "options", "found"), CASES, ids=[" ".join(case[2]) or "nothing" for case in CASES])
def test_each_trap_is_found(swarm: Callable[[], SwarmSeen], options: SwarmOptions, found: dict[str, str]) -> None:
    assert codes(swarm(), options) == found


def test_a_drain_names_every_service_that_it_touches() -> None:
    others: tuple[dict[str, Any], ...] = (
        {"name": "everywhere", "Mode": {"Global": {}}},
        {"name": "database", **VOLUME},
        {"name": "folder", "container": {"Mounts": [{"Type": "bind", "Source": "/srv", "Target": "/srv"}]}},
        {"name": "kept", "constraints": ("node.hostname==h2",), **VOLUME},
        {"name": "stuck", "constraints": ("node.hostname==h2",)},
        {"name": "free"},
        {"name": "elsewhere"},
    )
    tasks = [task("t1", "h2"), *(task(each["name"], "h2", of=each["name"]) for each in others[:-1])]
    tasks.append(task("e", "h1", of="elsewhere"))
    swarm = seen(service(constraints=("node.role==worker",)), *(service(**each) for each in others), tasks=tuple(tasks))
    found = {
        each.message.split()[0]: each.code for each in check(swarm, route(swarm), DRAIN) if each.code not in ALWAYS
    }
    assert found == {
        "everywhere": "drain-global",
        "database": "drain-volume",
        "folder": "drain-bind",
        "kept": "drain-stops",
        "stuck": "drain-stops",
        "free": "drain-moves",
    }


def said(swarm: SwarmSeen, options: SwarmOptions, code: str) -> str:
    (found,) = (each.message for each in check(swarm, route(swarm), options) if each.code == code)
    return found


def test_how_swarm_would_roll_back_is_shown_where_it_would() -> None:
    config = {"Parallelism": 2, "Order": "start-first", "Monitor": 9_000_000_000, "FailureAction": "pause"}
    told = service(UpdateConfig={"Parallelism": 1, "FailureAction": "rollback"}, RollbackConfig=config)
    words = said(seen(told), PLAIN, "update-settings")
    assert "on failure rollback (start-first, 2 at a time, watched for 9 s, on failure pause)" in words
    assert "start-first" not in said(seen(service(RollbackConfig=config)), PLAIN, "update-settings")


def test_a_service_that_is_scaled_for_its_data_heeds_no_update_settings_and_that_is_said() -> None:
    words = said(with_hosts(), SwarmOptions(fast=True), "update-settings")
    assert "scaled to zero" in words
    assert "--fast changes nothing" in words


def test_a_node_that_has_just_joined_and_tells_nothing_can_be_read() -> None:
    fresh = Node.read({"ID": "x", "Version": {"Index": 1}, "Spec": {"Role": "worker", "Availability": "active"}})
    assert (fresh.name, fresh.state, fresh.takes_tasks) == ("x", "unknown", False)


def test_an_update_may_take_as_long_as_its_settings_say() -> None:
    told = service(container={"StopGracePeriod": 60 * 10**9}, UpdateConfig={"Parallelism": 2, "Delay": 30 * 10**9})
    assert told.rollout_s(5, 100.0) == 3 * (60 + 30 + 100)
    assert service(UpdateConfig={"Parallelism": 0}).rollout_s(5, 100.0) == 110


def image_with_volume(told: Service, *others: Service) -> SwarmSeen:
    """h2 has running containers of these services with a volume at /data, which the image asks for."""
    mounted = {each.id: frozenset({"/data"}) for each in (told, *others)}
    tasks = (task("t1", "h2"), *(task(each.name, "h2", of=each.name) for each in others))
    known = host_seen(volumes={"data": {"Name": "data"}}, mounted=mounted)
    return seen(told, *others, tasks=tasks, hosts={H2.id: known, H3.id: host_seen()})


def test_the_volume_of_an_image_would_stay_behind_unless_the_service_names_it() -> None:
    nameless = image_with_volume(service(constraints=("node.role==worker",)))
    assert codes(nameless) == {"volume-nameless": "error"}
    assert codes(nameless, DRAIN) == {"volume-nameless": "error"}
    assert codes(nameless, FIRST)["start-first-data"] == "error"
    named: dict[str, Any] = {"container": {"Mounts": [{"Type": "volume", "Source": "data", "Target": "/data/"}]}}
    assert codes(image_with_volume(service(**named))) == {}


def test_the_volumes_of_other_services_images_are_seen_where_a_drain_sends_these_away() -> None:
    swarm = image_with_volume(service(constraints=("node.role==worker",)), service("db"))
    assert codes(swarm, DRAIN)["drain-volume"] == "error"
    assert "begin elsewhere without its volume at /data" in said(swarm, DRAIN, "drain-volume")


def test_that_the_images_volumes_were_not_looked_at_is_said() -> None:
    assert "h2 was not looked at" in said(seen(), SwarmOptions(image="pull"), "volumes-unseen")
    assert not [each for each in check(with_hosts(), route(with_hosts()), PLAIN) if each.code == "volumes-unseen"]


def test_options_for_data_that_is_not_there_are_named() -> None:
    unused = SwarmOptions(replace_data=True, verify="full", max_downtime_s=2.0, limit_rate=5.0)
    words = said(seen(), unused, "options-unused")
    assert "--replace-data, --verify, --max-downtime, --limit-rate change nothing" in words


def test_a_volume_whose_name_is_a_template_is_refused_with_the_reason() -> None:
    mount = {"Type": "volume", "Source": "data-{{.Task.Slot}}", "Target": "/data"}
    swarm = seen(service(container={"Mounts": [mount]}), hosts={H2.id: host_seen(), H3.id: host_seen()})
    assert codes(swarm) == {"volume-unknown": "error"}
    assert "the name is a template" in said(swarm, PLAIN, "volume-unknown")


def refusal(swarm: SwarmSeen, options: SwarmOptions | None = None) -> str:
    with pytest.raises(PreflightError) as caught:
        find_route(swarm, options or SwarmOptions())
    return str(caught.value)


def test_what_cannot_be_moved_is_refused_with_the_reason() -> None:
    assert "was cut off" in refusal(seen(service(Labels={CLAIM: "x"})))
    assert "is global" in refusal(seen(service(Mode={"Global": {}})))
    assert "is a job" in refusal(seen(service(Mode={"ReplicatedJob": {}})))
    assert "shall have 2 tasks, and 1 of them run" in refusal(seen(replicas(2)))
    assert "run on h3 already" in refusal(seen(tasks=(task("t1", "h3"),)))
    two = seen(replicas(2), tasks=(task("a", "h2"), task("b", "h1")))
    assert "runs on several nodes: h2, h1" in refusal(two)
    assert "has no task on a node h3" in refusal(two, SwarmOptions(source="h3"))


def test_the_tasks_of_one_node_or_of_all_are_chosen() -> None:
    two = seen(replicas(2), tasks=(task("a", "h2"), task("b", "h1")))
    one = find_route(two, SwarmOptions(source="h2"))
    assert ([each.id for each in one.tasks], one.source, one.goal) == (["a"], H2, (H3, H1))
    every = find_route(two, SwarmOptions(everything=True))
    assert ([each.id for each in every.tasks], every.goal, every.home) == (["a", "b"], (H3,), (H2, H1))
