"""Changes of a service and of a node, each made from what it is now: somebody else's change meanwhile is not lost."""

from collections.abc import Callable

from transship.codec import MalformedError
from transship.errors import DockerError, EndedError, LockedError
from transship.hosts.base import Json
from transship.swarm.base import Swarm
from transship.swarm.edits import labelled
from transship.swarm.model import Node, Service
from transship.swarm.record import CLAIM, DRAINED, ServiceMove, from_text, to_text

_TRIES = 20
_STALE = "out of sequence"


def claim(swarm: Swarm, record: ServiceMove, service: Service) -> None:
    """Give the service the move's label, if nobody has changed it since it was seen.

    Raises `LockedError` where somebody has: another move, or a person.
    """
    try:
        swarm.update_service(service.id, service.version, labelled(service.spec, CLAIM, to_text(record)))
    except DockerError as error:
        if _STALE not in str(error):
            raise
        raise LockedError(
            f"somebody has changed {service.name} since the plan was made", hint="begin again, with a new plan"
        ) from error


def claimed_by(service: Service) -> ServiceMove | None:
    """The move that the service's label tells of; None without one, or with one that this version cannot read."""
    try:
        return from_text(service.labels.get(CLAIM, ""))
    except MalformedError:
        return None


def edit_service(swarm: Swarm, record: ServiceMove, edit: Callable[[Json], Json]) -> Service:
    """Change the service that the move has claimed, and return it as it is then.

    Raises `EndedError` where it has the move's label no more.
    """
    for left in reversed(range(_TRIES)):
        service = Service.read(swarm.service(record.service))
        holder = claimed_by(service)
        if holder is None or holder.id != record.id:
            raise EndedError(
                f"{record.name} is no longer claimed by the move {record.id}: somebody else has ended that"
            )
        try:
            swarm.update_service(service.id, service.version, edit(service.spec))
        except DockerError as error:
            if _STALE not in str(error) or not left:
                raise
        else:
            break
    return Service.read(swarm.service(record.service))


def edit_node(swarm: Swarm, node: str, edit: Callable[[Json], Json]) -> None:
    """Change a node."""
    for left in reversed(range(_TRIES)):
        seen = Node.read(swarm.node(node))
        try:
            swarm.update_node(seen.id, seen.version, edit(seen.spec))
        except DockerError as error:
            if _STALE not in str(error) or not left:
                raise
        else:
            return


def is_drained_by(swarm: Swarm, record: ServiceMove) -> bool:
    """Whether the source node is drained, and that by this move."""
    return Node.read(swarm.node(record.source.node)).labels.get(DRAINED) == record.id
