"""The two ends of a service's move, forth and back. Both go by record and observation, and may be done twice."""

import threading
import time
from collections.abc import Iterable
from functools import partial

from transship.errors import NeedsRecoveryError
from transship.hosts.base import Json
from transship.swarm.base import Swarm
from transship.swarm.change import edit_node, edit_service, is_drained_by, let_go
from transship.swarm.constraints import with_pins
from transship.swarm.edits import available, constrained, labelled, restored, scaled
from transship.swarm.model import Node, Service, replicas_of
from transship.swarm.pins import Pins
from transship.swarm.record import CLAIM, PIN, ServiceMove
from transship.swarm.watch import Goal, Watch, tasks_of
from transship.undo import Patience

HOME_S = 30.0
"""How long a node that is down is waited for: one that was cut off from its manager is so for a while."""

_AGAIN_S = 0.5


def finish(swarm: Swarm, record: ServiceMove) -> None:
    """The service runs on the target: put back what was changed for the move only, and let go of the service.

    Raises what made that impossible; then the service still has the move's label.
    """
    patiently = Patience()
    patiently(lambda: give_back_node(swarm, record))
    nodes = [Node.read(each) for each in patiently(swarm.nodes)]
    where = [node for node in nodes if node.id in record.goal]
    before = _constraints_before(record)

    def as_arrived(spec: Json) -> Json:
        free = labelled(_as_before(spec, record, placement=False), CLAIM, None)
        if record.method == "drain":
            return free
        pins = Pins.of(spec["Labels"]).after(before, record.pins)
        if not record.unpin:
            return labelled(free, PIN, pins.text)
        left = pins.without(record.pins, where)
        unpinned = labelled(free, PIN, None)
        return _as_before(unpinned, record) if set(left) == set(before) else constrained(unpinned, left)

    let_go(patiently, swarm, record, as_arrived)


def go_back(swarm: Swarm, record: ServiceMove, timeout_s: float) -> None:
    """Have the service run where it ran, as it was, and let go of it. A task may take `timeout_s` to run there.

    It is held on its old nodes until it runs there: without that Swarm might leave it where it is, as its old
    constraints may admit that, too. Raises `NeedsRecoveryError` where those nodes take no tasks: then nothing was
    changed. Raises what else made it impossible; then the service still has the move's label.
    """
    patiently = Patience()
    if record.stage == "claimed":  # nothing but the label was changed, wherever Swarm runs the tasks by now
        let_go(patiently, swarm, record, lambda spec: labelled(spec, CLAIM, None))
        return
    if not patiently(lambda: _is_home(swarm, record)):
        _require_home(patiently, swarm, record)
    patiently(lambda: give_back_node(swarm, record))
    if not patiently(lambda: _is_home(swarm, record)):
        _lead_home(patiently, swarm, record, timeout_s)
    let_go(patiently, swarm, record, lambda spec: labelled(_as_before(spec, record), CLAIM, None))


def goal_of(swarm: Swarm, record: ServiceMove, nodes: Iterable[str]) -> Goal:
    """That as many tasks as the service shall have run on these nodes."""
    spec = Service.read(swarm.service(record.service)).spec
    return Goal(replicas_of(_as_before(spec, record)), frozenset(nodes))


def is_at(swarm: Swarm, record: ServiceMove, goal: Goal) -> bool:
    """Whether the service's tasks run as the goal says, right now."""
    return Watch(swarm, record.service, ()).reached(goal)


def _lead_home(patiently: Patience, swarm: Swarm, record: ServiceMove, timeout_s: float) -> None:
    nodes = [Node.read(each) for each in patiently(swarm.nodes)]
    pins = with_pins(_constraints_before(record), [node for node in nodes if node.id in record.home], nodes)
    count = patiently(lambda: goal_of(swarm, record, record.home)).count
    if record.volumes:
        _halt(patiently, swarm, record, timeout_s)
    known = patiently(lambda: tasks_of(swarm, record.service))

    def homewards(spec: Json) -> Json:
        new = constrained(_as_before(spec, record, placement=False), pins)
        return new if replicas_of(spec) else scaled(new, count)

    service = patiently(lambda: edit_service(swarm, record, homewards))
    goal = Goal(service.replicas, frozenset(record.home))
    Watch(swarm, record.service, known).arrive(goal, service.rollout_s(service.replicas, timeout_s), patient=True)


def _halt(patiently: Patience, swarm: Swarm, record: ServiceMove, timeout_s: float) -> None:
    """Have none of it run: an update of the service's own may start first, and then two would run with its data.

    What may still run on a node that is lost is not waited for.
    """
    known = patiently(lambda: tasks_of(swarm, record.service))
    service = patiently(lambda: edit_service(swarm, record, partial(scaled, replicas=0)))
    nobody = Goal(0, frozenset(), despite_lost=True)
    Watch(swarm, record.service, known).arrive(nobody, service.grace_s + timeout_s, patient=True)


def _require_home(patiently: Patience, swarm: Swarm, record: ServiceMove) -> None:
    """Raise `NeedsRecoveryError` where none of the nodes on which it ran takes tasks, nor does so soon."""
    deadline = time.monotonic() + HOME_S
    while True:
        nodes = [Node.read(each) for each in patiently(swarm.nodes)]
        home = [node for node in nodes if node.id in record.home]
        ours = record.source.node if patiently(lambda: is_drained_by(swarm, record)) else ""
        # A new leader does not know its nodes at first: `unknown` ones are waited for when they are told.
        if any(node.state in {"ready", "unknown"} and (node.availability == "active" or node.id == ours)
               for node in home):  # fmt: skip
            return
        if not home or time.monotonic() > deadline:
            break
        threading.Event().wait(_AGAIN_S)
    states = (node.availability if node.state == "ready" else node.state for node in home)
    said = [f"{node.name}, which is {state}" for node, state in zip(home, states, strict=True)]
    raise NeedsRecoveryError(
        f"{record.name} ran on {' and '.join(said) or 'a node that has left the swarm'}; it was left as it is",
        hint=f"when that takes tasks again: transship recover {record.id}; to give that up: "
        f"docker service update --label-rm {CLAIM} {record.name}",
    )


def _is_home(swarm: Swarm, record: ServiceMove) -> bool:
    """Whether nothing of the service's own is changed: all of it runs where it ran, told by what it is told now."""
    spec = Service.read(swarm.service(record.service)).spec
    return _as_before(spec, record) == spec and is_at(swarm, record, goal_of(swarm, record, record.home))


def _as_before(spec: Json, record: ServiceMove, *, placement: bool = True) -> Json:
    """What the move has changed as it was. A number of tasks that is not the move's zero was given by somebody else."""
    ours = bool(record.volumes) and replicas_of(spec) == 0
    return restored(spec, record.before, placement=placement, mode=ours)


def give_back_node(swarm: Swarm, record: ServiceMove) -> None:
    """Give the source node the availability that it had, if the move has it drained. It may be done twice."""
    if record.method == "drain" and is_drained_by(swarm, record):
        edit_node(swarm, record.source.node, lambda spec: available(spec, record.availability))


def _constraints_before(record: ServiceMove) -> tuple[str, ...]:
    return tuple((record.before.placement or {}).get("Constraints") or ())
