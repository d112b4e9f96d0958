import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from transship.codec import MalformedError, decode, encode, loads
from transship.plan.record import Made

Method = Literal["constraint", "drain"]
Stage = Literal["claimed", "stopping", "changed", "restored", "ended"]
"""How far a move is. `claimed`: the service has the label, and nothing else of it was changed. `stopping`: it may have
been scaled to zero, so that its data stands still. `changed`: Swarm may have been told to run it on the target.
`restored`: it runs where it ran, and what was brought to the target is still to be removed. `ended`: nothing is left to
do.
"""

FORMAT = 1
_ID = re.compile(r"[0-9A-Za-z]{1,64}")
CLAIM = "transship.move"
"""The service's label that a move under way has: the record as it was when the move began. It is the lock, too."""
PIN = "transship.pin"
"""The service's label that says which constraints a move has left there: `transship swarm unpin` takes them away."""
DRAINED = "transship.drained-by"
"""The node's label while a move keeps it drained: the id of the move."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node of the swarm: its id, its hostname, and the address at which its host was reached (empty: it was not)."""

    node: str
    name: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Before:
    """What a move changes of a service's spec, as it was: None for a member that was not there."""

    placement: Mapping[str, Any] | None
    update_config: Mapping[str, Any] | None
    mode: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ServiceMove:
    """All that must be known of a service's move to end it. It says what may be, never what is.

    `manager` is the address of the manager that was asked. `tasks` are those that move, `expected` is how many the
    service has in all. `home` are the nodes where its tasks ran, `goal` those where they shall run. `pins` are the
    constraints that bring them there, `unpin` whether they go when it has arrived. `availability` is what the source
    node had before it was drained. `volumes` are those that are copied, `made` is what may exist on the target because
    of that, in a move of containers' words.
    """

    id: str
    begun: str
    coordinator: str
    manager: str
    service: str
    name: str
    method: Method
    source: Place
    target: Place
    tasks: tuple[str, ...]
    expected: int
    home: tuple[str, ...]
    goal: tuple[str, ...]
    pins: tuple[str, ...]
    unpin: bool
    availability: str
    volumes: tuple[str, ...]
    before: Before
    made: Made = field(default_factory=Made)
    stage: Stage = "claimed"
    outcome: str = ""
    detail: str = ""


def to_text(record: ServiceMove) -> str:
    """The stored form, here and in the service's label."""
    return json.dumps({"format": FORMAT, **encode(record)})


def to_label(record: ServiceMove) -> str:
    """What the service's label says: every user of the swarm can read it, so that it tells no user and no address."""
    hidden = replace(
        record,
        coordinator=record.coordinator.rpartition("@")[2],
        manager="",
        source=replace(record.source, address=""),
        target=replace(record.target, address=""),
    )
    return to_text(hidden)


def from_text(text: str | bytes) -> ServiceMove:
    """Read the stored form. Raises `MalformedError` for anything else."""
    members = loads(text)
    if not isinstance(members, dict) or members.pop("format", None) != FORMAT:
        raise MalformedError("it is no record of a service's move that this version of transship can read")
    record = decode(ServiceMove, members)
    if not _ID.fullmatch(record.id):
        raise MalformedError("its id is none of a move's")
    return record
