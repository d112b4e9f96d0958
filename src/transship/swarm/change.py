"""Changes of a service and of a node, each made from what it is now: somebody else's change meanwhile is not lost."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from transship.codec import MalformedError, loads
from transship.errors import DockerError, EndedError, HostError, LockedError, NotFoundError
from transship.hosts.base import Json
from transship.swarm.base import Swarm
from transship.swarm.edits import labelled
from transship.swarm.model import Node, Service
from transship.swarm.record import CLAIM, DRAINED, ServiceMove, from_text, to_label
from transship.undo import Patience

_TRIES = 20
_STALE = "out of sequence"


class Claimant(Protocol):
    """Who has a service, by its label: a move, an adoption or a release."""

    @property
    def id(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def name(self) -> str: ...


def claim(swarm: Swarm, record: ServiceMove, service: Service, patiently: Patience) -> Service:
    """Give the service the move's label, if nobody has changed it since it was seen, and return it as it is then.

    Raises `LockedError` where somebody has: another move, or a person.
    """

    def once() -> None:
        try:
            mark(swarm, service, to_label(record))
        except LockedError:
            if holder(Service.read(swarm.service(service.id))) != record.id:
                raise  # else the answer to an earlier try was lost

    patiently(once)
    return patiently(lambda: Service.read(swarm.service(service.id)))


def mark(swarm: Swarm, service: Service, text: str) -> None:
    """Give the service a label that says who works on it. Raises as `claim`."""
    change_seen(swarm, service, labelled(service.spec, CLAIM, text))


def change_seen(swarm: Swarm, service: Service, spec: Json) -> None:
    """Change a service unless somebody has since it was seen. Raises `LockedError` where somebody has."""
    try:
        swarm.update_service(service.id, service.version, spec)
    except DockerError as error:
        if _STALE not in str(error):
            raise
        raise LockedError(
            f"somebody has changed {service.name} since it was looked at; nothing was touched", hint="begin again"
        ) from error


def claimed_by(service: Service) -> ServiceMove | None:
    """The move that the service's label tells of; None without one, or with one that this version cannot read."""
    try:
        return from_text(service.labels.get(CLAIM, ""))
    except MalformedError:
        return None


def holder(service: Service) -> str:
    """The id of the move, or of the adoption or release, that has the service; empty where its label tells of none."""
    with suppress(MalformedError):
        told = loads(service.labels.get(CLAIM, ""))
        if isinstance(told, dict):
            return str(told.get("id", ""))
    return ""


def edit_service(swarm: Swarm, record: Claimant, edit: Callable[[Json], Json]) -> Service:
    """Change the service that somebody has claimed, and return it as it is then.

    Raises `EndedError` where it has the claimant's label no more.
    """
    for left in reversed(range(_TRIES)):
        service = Service.read(swarm.service(record.service))
        if holder(service) != record.id:
            raise EndedError(f"{record.name} is no longer claimed by {record.id}: somebody else has ended that")
        try:
            swarm.update_service(service.id, service.version, edit(service.spec))
        except DockerError as error:
            if _STALE not in str(error) or not left:
                raise
        else:
            break
    return Service.read(swarm.service(record.service))


def let_go(patiently: Patience, swarm: Swarm, record: Claimant, edit: Callable[[Json], Json]) -> None:
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
    """Whether the source node is drained, and that by this move. One that is no longer in the swarm is not."""
    try:
        return Node.read(swarm.node(record.source.node)).labels.get(DRAINED) == record.id
    except NotFoundError:
        return False
