"""A swarm in memory with a host in memory for its one node: what Swarm starts there, Docker has there."""

from collections.abc import Callable
from typing import Any, cast

from transship.errors import NotFoundError
from transship.hosts.fake import FakeDocker, FakeHost
from transship.hosts.fake_images import pack
from transship.metrics.events import Recorder
from transship.plan.findings import Agreement
from transship.swarm.base import Swarm
from transship.swarm.exchange import Exchange
from transship.swarm.fake import FakeSwarm
from transship.swarm.journal import SwarmJournal
from transship.swarm.model import Node

NODE = "h2-id"


class Killed(BaseException):
    """The process ends here: nothing of ours runs any more."""


class OneNode(FakeSwarm):
    """Tasks on h2 have containers on `host`."""

    def __init__(self) -> None:
        super().__init__({"h1": "h1-id", "h2": NODE, "h3": "h3-id"})
        self.host = FakeHost("ssh://root@h2")
        self.docker.daemon = {"Swarm": {"NodeID": NODE, "LocalNodeState": "active"}, "CgroupVersion": "2"}
        self.docker.images.add([pack({})], name="web:1")

    @property
    def docker(self) -> FakeDocker:
        return self.host.docker

    def copies(self) -> list[str]:
        """What runs: names of containers."""
        return [each["Names"][0].removeprefix("/") for each in self.docker.containers() if each["State"] == "running"]

    def remove_service(self, ref: str) -> None:
        super().remove_service(ref)
        self._sync()

    def _reconcile(self) -> None:
        super()._reconcile()
        self._sync()

    def _sync(self) -> None:
        """End the containers of tasks that have ended, then start those of new ones."""
        alive = {task["ID"]: task for task in self._tasks if task["Status"]["State"] == "running"}
        for each in self.docker.containers():
            task = (each.get("Labels") or {}).get("com.docker.swarm.task.id")
            if task and task not in alive:
                self.docker.remove_container(each["Id"])
        for id_, task in alive.items():
            if task["NodeID"] != NODE:
                continue
            spec = self._services[task["ServiceID"]]["Spec"]
            task["Status"]["ContainerStatus"] = {"ContainerID": self._container(id_, task["ServiceID"], spec)}

    def _container(self, task: str, service: str, spec: dict[str, Any]) -> str:
        name = f"{spec['Name']}.1.{task}"
        try:
            return str(self.docker.inspect_container(name)["Id"])
        except NotFoundError:
            pass
        told = spec["TaskTemplate"]["ContainerSpec"]
        labels = {"com.docker.swarm.task.id": task, "com.docker.swarm.service.id": service}
        body = {"Image": told["Image"], "Env": told.get("Env"), "Labels": {**(told.get("Labels") or {}), **labels}}
        container = self.docker.create_container(name, body)
        self.docker.start(container)
        return container


class Mortal:
    """A port of which the call number `last` is the process's last: it is done, and nobody hears the answer.

    Before and after each call it is looked at what runs.
    """

    def __init__(self, port: object, count: list[int], last: int, look: Callable[[], None]) -> None:
        self._port, self._count, self._last, self._look = port, count, last, look

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not callable(method):
            return method

        def call(*args: Any, **words: Any) -> Any:
            self._count[0] += 1
            number = self._count[0]
            try:
                return method(*args, **words)
            finally:
                self._look()
                if number == self._last:
                    raise Killed

        return call


def exchange(
    swarm: OneNode,
    journal: SwarmJournal,
    agreed: Agreement = lambda _: True,
    mortal: Callable[[object], object] | None = None,
) -> Exchange:
    """An adoption or release on the one node; through `mortal` ports, if wanted."""
    host, asked = swarm.host, cast("Swarm", swarm)
    if mortal is not None:
        host, asked = FakeHost(host.name, docker=cast("FakeDocker", mortal(swarm.docker))), cast("Swarm", mortal(swarm))
    node = Node.read(swarm.node(NODE))
    return Exchange(asked, "ssh://root@h1", host, node, journal, Recorder(), agreed)
