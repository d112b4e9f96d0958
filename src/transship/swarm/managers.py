"""Managers that are named with --host, and what they know of their swarms."""

import time
from dataclasses import dataclass

from transship.errors import StepError
from transship.hosts.base import Json
from transship.migrations import Reach as Sought
from transship.swarm.model import Node, Service
from transship.swarm.reach import Reach, connections
from transship.undo import Patience

_ELECTION_S = 15.0


@dataclass(frozen=True, slots=True)
class Manager:
    """A manager: its address, the ids of its swarm's nodes, and the swarm's services."""

    address: str
    nodes: frozenset[str]
    services: tuple[Service, ...]


def named_managers(sought: Sought) -> list[Manager]:
    """Those of the hosts named that are managers. An election is waited for. Raises `HostError`s and `UsageError`."""
    return [each for address in sought.at if (each := _manager(address, sought)) is not None]


def _manager(address: str, sought: Sought) -> Manager | None:
    with connections(Reach(address, ssh_config=sought.ssh_config)) as connected:

        def asked() -> tuple[list[Json], list[Json]]:
            return connected.swarm.nodes(), connected.swarm.services()

        try:
            nodes, services = Patience(time.monotonic() + _ELECTION_S)(asked)
        except StepError:
            return None
    return Manager(address, frozenset(Node.read(each).id for each in nodes), tuple(map(Service.read, services)))
