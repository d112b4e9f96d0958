"""What a manager of a swarm tells, small enough to be written down in a test."""

from dataclasses import replace
from typing import Any

from tests.plan.observed import FACTS
from transship.swarm.model import Node, Service, Task
from transship.swarm.record import Before, Place, ServiceMove
from transship.swarm.seen import HostSeen, Route, SwarmSeen

TIME = "2026-11-22T20:00:00.123456789Z"


def node(name: str, *, availability: str = "active", state: str = "ready", role: str = "worker", **labels: str) -> Node:
    return Node.read(
        {
            "ID": f"{name}-id",
            "Version": {"Index": 7},
            "Spec": {"Role": role, "Availability": availability, "Labels": labels},
            "Description": {
                "Hostname": name,
                "Platform": {"OS": "linux", "Architecture": "x86_64"},
                "Resources": {"NanoCPUs": 2_000_000_000, "MemoryBytes": 1 << 30},
                "Engine": {"Labels": {"kind": "small"}},
            },
            "Status": {"State": state, "Addr": "198.18.0.11"},
        }
    )


def service_told(
    name: str = "web", *, replicas: int = 1, constraints: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    container = {"Image": "busybox:latest", **more.pop("container", {})}
    template: dict[str, Any] = {"ContainerSpec": container, **more.pop("template", {})}
    if constraints:
        template["Placement"] = {"Constraints": list(constraints)}
    spec = {
        "Name": name,
        "Labels": {},
        "TaskTemplate": template,
        "Mode": {"Replicated": {"Replicas": replicas}},
        **more,
    }
    return {"ID": f"{name}-id", "Version": {"Index": 3}, "UpdatedAt": TIME, "Spec": spec}


def service(name: str = "web", **words: Any) -> Service:
    return Service.read(service_told(name, **words))


def task(
    name: str, where: str, *, of: str = "web", state: str = "running", desired: str = "running", **more: Any
) -> Task:
    told = {
        "ID": name,
        "ServiceID": f"{of}-id",
        "NodeID": f"{where}-id" if where else "",
        "Status": {"State": state, "Timestamp": TIME, **more},
        "DesiredState": desired,
    }
    return Task.read(told)


H1, H2, H3 = node("h1", role="manager"), node("h2"), node("h3")


def seen(*services: Service, tasks: tuple[Task, ...] = (), target: Node = H3, **more: Any) -> SwarmSeen:
    own = services or (service(),)
    running = tasks or (task("t1", "h2"),)
    nodes = more.get("nodes", (H1, H2, H3))
    return SwarmSeen("local", nodes, own, running, own[0], target, more.get("hosts", {}))


def route(swarm: SwarmSeen, source: Node = H2) -> Route:
    tasks = tuple(each for each in swarm.own_tasks if each.node == source.id)
    staying = [swarm.node(each.node) for each in swarm.own_tasks if each not in tasks]
    source = swarm.node(source.id)
    return Route(source, swarm.target, tasks, (source, *staying), (swarm.target, *staying))


def host_seen(**more: Any) -> HostSeen:
    seen_there = HostSeen("ssh://host", FACTS, None, {}, {}, {}, (), frozenset(), None)
    return replace(seen_there, **more)


def record(**more: Any) -> ServiceMove:
    made = ServiceMove(
        id="0a1b2c3d",
        begun=TIME,
        coordinator="somebody@here",
        manager="ssh://root@h1",
        service="web-id",
        name="web",
        method="constraint",
        source=Place("h2-id", "h2", "ssh://root@h2"),
        target=Place("h3-id", "h3"),
        tasks=("t1",),
        expected=1,
        home=("h2-id",),
        goal=("h3-id",),
        pins=("node.id==h3-id",),
        unpin=False,
        availability="active",
        volumes=("data",),
        before=Before({"Constraints": ["node.id==h2-id"]}, None, {"Replicated": {"Replicas": 1}}),
    )
    return replace(made, **more)
