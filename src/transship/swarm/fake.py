import itertools
import threading
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from transship.errors import DockerError, NotFoundError
from transship.hosts.base import Json
from transship.swarm.constraints import admits
from transship.swarm.model import Node, Service


class FakeSwarm:
    """A swarm in memory, for tests. What is asked for is done at once: tasks run, or find no node, when a call returns.

    `failing` are the ids of nodes where tasks fail. `errors` are raised by the next changes, one each, before anything
    is done.
    """

    def __init__(self, nodes: Mapping[str, str]) -> None:
        """`nodes` are ids by hostname; the first is the manager."""
        roles = itertools.chain(["manager"], itertools.repeat("worker"))
        self.failing: set[str] = set()
        self.errors: list[Exception] = []
        self._numbers = itertools.count(1)
        self._nodes = {id_: self._new_node(id_, name, next(roles)) for name, id_ in nodes.items()}
        self._services: dict[str, Json] = {}
        self._tasks: list[Json] = []
        self._one_at_a_time = threading.Lock()

    def info(self) -> Json:
        return {"Swarm": {"LocalNodeState": "active", "ControlAvailable": True, "NodeID": next(iter(self._nodes))}}

    def nodes(self) -> list[Json]:
        return deepcopy(list(self._nodes.values()))

    def node(self, ref: str) -> Json:
        return deepcopy(_found(self._nodes, ref))

    def services(self) -> list[Json]:
        return deepcopy(list(self._services.values()))

    def service(self, ref: str) -> Json:
        return deepcopy(_found(self._services, ref))

    def tasks(self, service: str = "") -> list[Json]:
        return deepcopy([task for task in self._tasks if service in {"", task["ServiceID"]}])

    def update_service(self, ref: str, version: int, spec: Mapping[str, Any]) -> None:
        self._change(_found(self._services, ref), version, spec)

    def update_node(self, ref: str, version: int, spec: Mapping[str, Any]) -> None:
        self._change(_found(self._nodes, ref), version, spec)

    def create_service(self, spec: Mapping[str, Any]) -> str:
        id_ = f"service-{next(self._numbers)}"
        told = {"ID": id_, "Version": {"Index": next(self._numbers)}, "UpdatedAt": _now(), "Spec": deepcopy(dict(spec))}
        self._services[id_] = told
        self._reconcile()
        return id_

    def remove_service(self, ref: str) -> None:
        self._services.pop(ref, None)
        self._tasks = [task for task in self._tasks if task["ServiceID"] != ref]

    def lose(self, node: str) -> None:
        """Let the managers lose a node: its tasks shall end, and nobody tells that they have."""
        for task in self._tasks:
            if task["NodeID"] == node:
                task["DesiredState"] = "shutdown"
        self.tell_state(node, "down")

    def tell_state(self, node: str, state: str) -> None:
        """Have the managers say of a node that it is `ready`, `down`, or `unknown`, as after an election."""
        with self._one_at_a_time:
            self._nodes[node]["Status"]["State"] = state
            self._reconcile()

    def remove_node(self, node: str) -> None:
        """Take a node out of the swarm, and its tasks with it."""
        with self._one_at_a_time:
            del self._nodes[node]
            self._tasks = [task for task in self._tasks if task["NodeID"] != node]
            self._reconcile()

    def _change(self, told: Json, version: int, spec: Mapping[str, Any]) -> None:
        with self._one_at_a_time:
            if self.errors:
                raise self.errors.pop(0)
            if told["Version"]["Index"] != version:
                raise DockerError("rpc error: code = Unknown desc = update out of sequence")
            told["Spec"], told["UpdatedAt"] = deepcopy(dict(spec)), _now()
            told["Version"] = {"Index": next(self._numbers)}
            self._reconcile()

    def _reconcile(self) -> None:
        nodes = [Node.read(each) for each in self._nodes.values()]
        for service in map(Service.read, list(self._services.values())):
            fit = [node for node in nodes if _takes(node, service)]
            for task in self._alive(service.id):
                if (task["NodeID"] or fit) and task["NodeID"] not in {node.id for node in fit}:
                    _end(task, "shutdown")
            for task in self._alive(service.id)[service.replicas :]:
                _end(task, "shutdown")
            for _ in range(service.replicas - len(self._alive(service.id))):
                self._start(service, fit)

    def _alive(self, service: str) -> list[Json]:
        return [task for task in self._tasks if task["ServiceID"] == service and task["DesiredState"] == "running"]

    def _start(self, service: Service, fit: list[Node]) -> None:
        used = [task["NodeID"] for task in self._alive(service.id)]
        node = min(fit, key=lambda each: used.count(each.id), default=None)
        state = "pending" if node is None else "failed" if node.id in self.failing else "running"
        self._tasks.append(
            {
                "ID": f"task-{next(self._numbers)}",
                "ServiceID": service.id,
                "NodeID": node.id if node else "",
                "DesiredState": "running" if state != "failed" else "shutdown",
                "Status": {"State": state, "Timestamp": _now(), "Err": "" if node else "no suitable node"},
                "Spec": service.template,
            }
        )

    def _new_node(self, id_: str, name: str, role: str) -> Json:
        return {
            "ID": id_,
            "Version": {"Index": next(self._numbers)},
            "UpdatedAt": _now(),
            "Spec": {"Role": role, "Availability": "active", "Labels": {}},
            "Description": {"Hostname": name, "Platform": {"OS": "linux", "Architecture": "x86_64"}},
            "Status": {"State": "ready", "Addr": "127.0.0.1"},
        }


def _takes(node: Node, service: Service) -> bool:
    return node.takes_tasks and all(admits(each, node) for each in service.constraints)


def _end(task: Json, state: str) -> None:
    task["DesiredState"] = "shutdown"
    task["Status"] = {"State": state, "Timestamp": _now()}


def _found(known: Mapping[str, Json], ref: str) -> Json:
    if ref not in known:
        raise NotFoundError(f"no such object: {ref}")
    return known[ref]


def _now() -> str:
    return datetime.now(UTC).isoformat()
