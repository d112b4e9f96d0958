"""What a Python user imports to adopt containers and release services, and what the command line calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from transship.errors import PreflightError, RefusedError, StepError, UsageError
from transship.hosts.base import Host
from transship.metrics.events import Listener, Recorder
from transship.plan.findings import Agreement, no_warnings
from transship.swarm.adopt import adoption, node_of
from transship.swarm.exchange import Exchange, Exchanged
from transship.swarm.journal import SwarmJournal
from transship.swarm.model import Node, Service, Task
from transship.swarm.observe import find_service, require_known, require_manager, require_node
from transship.swarm.reach import Connections, Reach, connections
from transship.swarm.release import releasable, release_of


def adopt(
    container: str,
    reach: Reach,
    host: str = "",
    *,
    agreed: Agreement = no_warnings,
    listener: Listener | None = None,
) -> Exchanged:
    """Make a service of a running container on a host: a node's name, or an address; by default the manager.

    The container stays, stopped and renamed. `agreed` is asked about what a service cannot keep.
    Raises as `swarm.exchange.Undertaking.carry_out`.
    """
    with _untouched(), SwarmJournal.open(reach.state) as journal, connections(reach) as connected:
        swarm = connected.swarm
        nodes = _nodes(connected, reach)
        there = _host(connected, nodes, host or reach.manager)
        recorder = _recorder(listener)
        exchange = Exchange(swarm, reach.manager, there, node_of(there, nodes), journal, recorder, agreed)
        return adoption(exchange, container).carry_out()


def release(
    service: str, reach: Reach, *, agreed: Agreement = no_warnings, listener: Listener | None = None
) -> Exchanged:
    """Make an ordinary container of a service's task, on its node, and remove the service.

    `agreed` is asked about what the container cannot keep. Raises as `swarm.exchange.Undertaking.carry_out`.
    """
    with _untouched(), SwarmJournal.open(reach.state) as journal, connections(reach) as connected:
        swarm = connected.swarm
        nodes = _nodes(connected, reach)
        found = find_service([Service.read(each) for each in swarm.services()], service, reach.manager)
        task = releasable(found, tuple(Task.read(each) for each in swarm.tasks(found.id)))
        node = next(each for each in nodes if each.id == task.node)
        host = connected.host(node)
        require_node(host, node)
        exchange = Exchange(swarm, reach.manager, host, node, journal, _recorder(listener), agreed)
        return release_of(exchange, found, task).carry_out()


@contextmanager
def _untouched() -> Iterator[None]:
    """What ends it beforehand has touched nothing; what is under way takes itself back and says so."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise RefusedError("interrupted; nothing was touched") from error
    except StepError as error:  # a daemon refused a question
        raise PreflightError(str(error), hint=error.hint) from error


def _nodes(connected: Connections, reach: Reach) -> tuple[Node, ...]:
    require_manager(connected.swarm, reach.manager)
    nodes = tuple(map(Node.read, connected.swarm.nodes()))
    require_known(nodes, reach.at)
    return nodes


def _host(connected: Connections, nodes: tuple[Node, ...], ref: str) -> Host:
    """The host of the node of that name or id, or at that address."""
    named = [node for node in nodes if ref in {node.name, node.id}]
    if len(named) == 1:
        return connected.host(named[0])
    try:
        return connected.open(ref)
    except UsageError as error:
        error.hint = f"the swarm's nodes are {', '.join(node.name for node in nodes)}; {error.hint}"
        raise


def _recorder(listener: Listener | None) -> Recorder:
    return Recorder(listeners=[] if listener is None else [listener])
