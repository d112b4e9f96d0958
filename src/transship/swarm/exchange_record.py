import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from transship.codec import MalformedError, decode, encode, loads
from transship.swarm.record import CLAIM, Before, Place
from transship.swarm.records import Form

Kind = Literal["adopt", "release"]
Stage = Literal["begun", "stopping", "changed", "ended"]
"""How far it is. `begun`: what shall run in the end may have been made, without running, and nothing was stopped.
`stopping`: what ran may have been told to stop. `changed`: what shall run may have been started. `ended`: nothing is
left to do.
"""

FORMAT = 1
_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_HOSTNAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,252}")


@dataclass(frozen=True, slots=True)
class ExchangeRecord:
    """All that must be known of an adoption or release to end it. It says what may be, never what is.

    `manager` is the address of the manager that was asked; `node` is where both run. `name` is what service and
    container are called. `service` and `container` are their ids, empty while nobody knows the one that is to be made.
    `aside` is what the container is called meanwhile: an adopted one from its stop on, one that a release makes until
    it has been made. `policy` is the restart policy that an adopted container had, `grace_s` how long what ran may take
    to stop. `before` is what a release changes of the service.
    """

    id: str
    kind: Kind
    begun: str
    coordinator: str
    manager: str
    node: Place
    name: str
    aside: str
    grace_s: float
    service: str = ""
    container: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)
    before: Before = field(default_factory=lambda: Before(None, None, None))
    stage: Stage = "begun"
    outcome: str = ""
    detail: str = ""


def to_text(record: ExchangeRecord) -> str:
    """The stored form."""
    return json.dumps({"format": FORMAT, **encode(record)})


def from_text(text: str) -> ExchangeRecord:
    """Read the stored form. Raises `MalformedError` for anything else."""
    members = loads(text)
    if not isinstance(members, dict) or members.pop("format", None) != FORMAT:
        raise MalformedError("it is no record of an adoption or release that this version of transship can read")
    record = decode(ExchangeRecord, members)
    if not _ID.fullmatch(record.id):
        raise MalformedError("its id is none")
    return record


def aside(kind: Kind, name: str, identity: str) -> str:
    """What the container of an adoption or release is called while it is not the one that shall run."""
    return f"{name}.{'adopted' if kind == 'adopt' else 'released'}.{identity}"


def to_label(record: ExchangeRecord) -> str:
    """What the service's label says meanwhile: whose it is, and nothing that another machine could act upon."""
    return json.dumps({"format": FORMAT, "kind": record.kind, "id": record.id, "node": record.node.name})


def from_label(text: str, service: str, name: str) -> ExchangeRecord | None:
    """What another machine can know of one from a service's label: no addresses, no settings, not how far it is."""
    with suppress(MalformedError):
        told = loads(text)
        if not isinstance(told, dict) or told.get("kind") not in get_args(Kind):
            return None
        kind, identity, node = told["kind"], str(told.get("id", "")), str(told.get("node", ""))
        if _ID.fullmatch(identity) and _HOSTNAME.fullmatch(node):  # they become words of commands that somebody types
            return ExchangeRecord(
                id=identity,
                kind=kind,
                begun="",
                coordinator="",
                manager="",
                node=Place("", node),
                name=name,
                aside=aside(kind, name, identity),
                grace_s=0.0,
                service=service,
                container=name if kind == "release" else "",
            )
    return None


def by_hand(record: ExchangeRecord) -> str:
    """What to type to have run what ran before, where nothing else helps."""
    name, policy, node = record.name, record.policy, record.node
    if record.kind == "release":
        pin = f"node.id=={node.node}" if node.node else f"node.hostname=={node.name}"
        return (
            f"docker rm --force {record.container or record.aside} on {node.name}, then docker service "
            f"update --label-rm {CLAIM} --constraint-add {pin} --replicas 1 {name}"
        )
    tries = f":{policy['MaximumRetryCount']}" if policy.get("MaximumRetryCount") else ""
    return (
        f"docker service rm {name}, and when its container is gone, on {node.name}: docker rename "
        f"{record.aside} {name}; docker update --restart {policy.get('Name', 'POLICY') or 'no'}{tries} {name}; "
        f"docker start {name}"
    )


EXCHANGES = Form("exchanges", "adoption or release", to_text, from_text)
