"""What a swarm was like when a plan was made: all that the rules go by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import normpath

from transship.hosts.base import Json
from transship.hosts.facts import Facts
from transship.spec.model import ImageRef
from transship.swarm.model import Mount, Node, Service, Task


@dataclass(frozen=True, slots=True)
class HostSeen:
    """The host of a node, which was reached at `address`.

    `ipvs`: whether its kernel can turn a service's virtual address into a task's; None where that could not be seen.
    `volumes` are those of the service that it has, by name, in the API's words; `sizes` what is in them in bytes,
    `users` who else runs with them. `lacking` are the service's bind mounts whose paths are not there. `published` are
    the ports (`8080/tcp`) of containers that no service owns. `image` is the service's image there, None where it is
    not. `mounted`: where the running containers of services have volumes, by the service's id.
    """

    address: str
    facts: Facts
    ipvs: bool | None
    volumes: Mapping[str, Json] = field(repr=False)
    sizes: Mapping[str, int]
    users: Mapping[str, tuple[str, ...]]
    lacking: tuple[str, ...]
    published: frozenset[str]
    image: ImageRef | None
    image_bytes: int = 0
    mounted: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwarmSeen:
    """A swarm as one of its managers tells, and the hosts of two nodes where these were reached, by the node's id.

    `tasks` are those of all services.
    """

    manager: str
    nodes: tuple[Node, ...]
    services: tuple[Service, ...]
    tasks: tuple[Task, ...]
    service: Service
    target: Node
    hosts: Mapping[str, HostSeen]

    def node(self, id_: str) -> Node:
        """The node of this id. Raises `LookupError`."""
        return next(each for each in self.nodes if each.id == id_)

    def tasks_of(self, service: Service) -> tuple[Task, ...]:
        """The tasks of a service that shall run and have a node."""
        return tuple(each for each in self.tasks if each.service == service.id and each.wanted and each.node)

    @property
    def own_tasks(self) -> tuple[Task, ...]:
        return self.tasks_of(self.service)

    def mounts_on(self, node: Node) -> tuple[Mount, ...]:
        """The service's mounts on a node. A volume that is there is what it is, whatever the service says of it."""
        there = self.hosts[node.id].volumes if node.id in self.hosts else {}
        return tuple(
            mount.as_is(there[mount.source]) if mount.named and mount.source in there else mount
            for mount in self.service.mounts
        )

    def unnamed_on(self, node: Node, service: Service) -> tuple[str, ...]:
        """Where a service's containers on a node have volumes that its own words do not name: its image asks for them.

        Empty where the node was not reached.
        """
        there = self.hosts[node.id].mounted.get(service.id, frozenset()) if node.id in self.hosts else frozenset()
        return tuple(sorted(there - {normpath(mount.target) for mount in service.mounts}))

    def volumes_on(self, node: Node) -> tuple[str, ...]:
        """The volumes whose data lies on the node's own disk."""
        return tuple(dict.fromkeys(mount.source for mount in self.mounts_on(node) if mount.stays_behind))


@dataclass(frozen=True, slots=True)
class Route:
    """Which tasks go from where to where. `home` are the nodes where the service ran, `goal` those where it shall."""

    source: Node
    target: Node
    tasks: tuple[Task, ...]
    home: tuple[Node, ...]
    goal: tuple[Node, ...]
