"""The two ends of a service's move, forth and back. Both go by record and observation, and may be done twice."""

import json
from collections.abc import Callable

from transship.errors import EndedError, HostError
from transship.hosts.base import Json
from transship.swarm.base import Swarm
from transship.swarm.change import edit_node, edit_service, is_drained_by
from transship.swarm.constraints import with_pins
from transship.swarm.edits import available, constrained, labelled, restored
from transship.swarm.model import Node, Service
from transship.swarm.record import CLAIM, PIN, ServiceMove
from transship.swarm.watch import Goal, Watch
from transship.undo import Patience


def finish(swarm: Swarm, record: ServiceMove) -> None:
    """The service runs on the target: put back what was changed for the move only, and let go of the service.

    Raises what made that impossible; then the service still has the move's label.
    """
    patiently = Patience()
    patiently(lambda: _give_back_node(swarm, record))
    before = _constraints_before(record)
    own = [pin for pin in record.pins if pin not in before]
    kept = tuple(pin for pin in record.pins if pin in before)

    def as_arrived(spec: Json) -> Json:
        free = labelled(restored(spec, record.before, placement=record.unpin and kept == before), CLAIM, None)
        if not own:
            return free
        if not record.unpin:
            return labelled(free, PIN, json.dumps(own))
        return labelled(free if kept == before else constrained(free, kept), PIN, None)

    _let_go(patiently, swarm, record, as_arrived)


def go_back(swarm: Swarm, record: ServiceMove, timeout_s: float) -> None:
    """Have the service run where it ran, as it was, and let go of it.

    It is held on its old nodes until it runs there: without that Swarm might leave it where it is, as its old
    constraints may admit that, too. Raises what made that impossible; then the service still has the move's label.
    """
    patiently = Patience()
    patiently(lambda: _give_back_node(swarm, record))
    nodes = [Node.read(each) for each in patiently(swarm.nodes)]
    home = [node for node in nodes if node.id in record.home]
    pins = with_pins(_constraints_before(record), home, nodes) if home else _constraints_before(record)

    def homewards(spec: Json) -> Json:
        return constrained(restored(spec, record.before, placement=False), pins)

    def as_before(spec: Json) -> Json:
        return labelled(restored(spec, record.before), CLAIM, None)

    if not patiently(lambda: _is_home(swarm, record)):
        known = frozenset(str(each["ID"]) for each in patiently(lambda: swarm.tasks(record.service)))
        patiently(lambda: edit_service(swarm, record, homewards))
        Watch(swarm, record.service, known).arrive(home_of(record), timeout_s, patient=True)
    _let_go(patiently, swarm, record, as_before)


def _let_go(patiently: Patience, swarm: Swarm, record: ServiceMove, edit: Callable[[Json], Json]) -> None:
    """The last change of a move, which takes its label away. Where the answer was lost, that tells that it was done."""
    lost = False

    def once() -> None:
        nonlocal lost
        try:
            edit_service(swarm, record, edit)
        except HostError:
            lost = True
            raise
        except EndedError:
            if not lost:
                raise

    patiently(once)


def _is_home(swarm: Swarm, record: ServiceMove) -> bool:
    """Whether nothing of the service's own was changed: all of it runs where it ran, told by what it is told now."""
    service = Service.read(swarm.service(record.service))
    return restored(service.spec, record.before) == service.spec and is_at(swarm, record, home_of(record))


def home_of(record: ServiceMove) -> Goal:
    """That the service runs where it ran."""
    return Goal(record.expected, frozenset(record.home))


def is_at(swarm: Swarm, record: ServiceMove, goal: Goal) -> bool:
    """Whether the service's tasks run as the goal says, right now."""
    return Watch(swarm, record.service, frozenset()).reached(goal)


def _give_back_node(swarm: Swarm, record: ServiceMove) -> None:
    if record.method == "drain" and is_drained_by(swarm, record):
        edit_node(swarm, record.source.node, lambda spec: available(spec, record.availability))


def _constraints_before(record: ServiceMove) -> tuple[str, ...]:
    return tuple((record.before.placement or {}).get("Constraints") or ())
