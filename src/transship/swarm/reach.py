"""How a swarm is reached: one of its managers, and over SSH those nodes on which there is something to do."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from transship.errors import HostError, PreflightError, UsageError
from transship.hosts.base import Host
from transship.hosts.contexts import default_source
from transship.hosts.local import LocalHost
from transship.hosts.open import open_host
from transship.hosts.ssh import SshHost
from transship.swarm.base import Swarm
from transship.swarm.docker import ApiSwarm
from transship.swarm.model import Node

Connected = SshHost | LocalHost


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the swarm is. `manager` is the address of a manager, by default where the docker command would work.

    `at` says by a node's name how its host is reached, where that is not `ssh://NAME`. `ssh_config` is read instead of
    the user's own file; `state` is the folder of the journal, without one the user's own.
    """

    manager: str = field(default_factory=default_source)
    at: Mapping[str, str] = field(default_factory=dict)
    ssh_config: Path | None = None
    state: Path | None = None


class Connections:
    """A manager and nodes of its swarm, connected as they are needed."""

    def __init__(self, reach: Reach, stack: ExitStack) -> None:
        self._reach = reach
        self._stack = stack
        self._opened: dict[str, Connected] = {}
        self._manager = self.open(reach.manager)
        self.swarm: Swarm = ApiSwarm(self._manager)

    def open(self, address: str) -> Connected:
        """The host at an address. Raises `UsageError` and `HostError`s."""
        if address not in self._opened:
            self._opened[address] = host = open_host(address, ssh_config=self._reach.ssh_config)
            self._stack.callback(host.close)
        return self._opened[address]

    def host(self, node: Node) -> Host:
        """The host of a node. Raises `PreflightError` where it cannot be reached."""
        if node.name not in self._reach.at and self._is_manager(node):
            return self._manager
        address = self._reach.at.get(node.name) or f"ssh://{node.name}"
        try:
            return self.open(address)
        except (HostError, UsageError) as error:
            raise PreflightError(
                f"the node {node.name} cannot be reached: {error}",
                hint=f"--at {node.name}=HOST says how it is; without volumes --image pull does without",
            ) from error

    def _is_manager(self, node: Node) -> bool:
        return (self._manager.docker.info().get("Swarm") or {}).get("NodeID") == node.id


@contextmanager
def connections(reach: Reach) -> Iterator[Connections]:
    """Connect to the manager; all that was connected is closed after the block."""
    with ExitStack() as stack:
        yield Connections(reach, stack)


def parse_at(words: list[str]) -> dict[str, str]:
    """Read `NODE=HOST` words. Raises `UsageError`."""
    found = {}
    for each in words:
        node, equals, address = each.partition("=")
        if not (node and equals and address):
            raise UsageError(f"{each!r} does not say how a node is reached", hint="write --at NODE=HOST")
        found[node] = address
    return found
