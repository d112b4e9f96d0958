"""Swarm's placement constraints: which node they admit, and those that bring tasks to one node."""

import re
from collections.abc import Iterable, Sequence

from transship.swarm.model import Node

_FORM = re.compile(r"\s*(?P<key>[a-zA-Z0-9._\-/]+?)\s*(?P<operator>==|!=)\s*(?P<value>.*?)\s*")
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "aarch64"}


def admits(constraint: str, node: Node) -> bool:
    """Whether a node fulfils a constraint. One that is not understood is taken for fulfilled: Swarm decides."""
    match = _FORM.fullmatch(constraint)
    known = _values(match["key"], node) if match else None
    if match is None or known is None:
        return True
    equal = match["value"].lower() in {each.lower() for each in known}
    return equal == (match["operator"] == "==")


def _values(key: str, node: Node) -> tuple[str, ...] | None:
    """What a node is called under a key; None for a key that is not known here."""
    lowered = key.lower()
    if lowered.startswith("node.labels."):
        return (node.labels.get(key[len("node.labels.") :], ""),)
    if lowered.startswith("engine.labels."):
        return (node.engine_labels.get(key[len("engine.labels.") :], ""),)
    return {
        "node.id": (node.id,),
        "node.hostname": (node.name,),
        "node.role": (node.role,),
        "node.platform.os": (node.os,),
        "node.platform.arch": (node.architecture, _ARCHITECTURES.get(node.architecture, node.architecture)),
    }.get(lowered)


def is_pin(constraint: str) -> bool:
    """Whether a constraint names a node: one that moves with the service, where it excludes the target."""
    match = _FORM.fullmatch(constraint)
    return match is not None and match["key"].lower() in {"node.id", "node.hostname"}


def only_on(allowed: Iterable[Node], nodes: Sequence[Node]) -> tuple[str, ...]:
    """Constraints that admit exactly the `allowed` ones of the swarm's `nodes`."""
    chosen = {node.id for node in allowed}
    if len(chosen) == 1:
        return (f"node.id=={chosen.pop()}",)
    return tuple(f"node.id!={node.id}" for node in nodes if node.id not in chosen)


def with_pins(constraints: Iterable[str], allowed: Sequence[Node], nodes: Sequence[Node]) -> tuple[str, ...]:
    """The constraints with pins to the `allowed` nodes, instead of those pins that exclude one of these."""
    kept = (each for each in constraints if not is_pin(each) or all(admits(each, node) for node in allowed))
    return tuple(dict.fromkeys((*kept, *only_on(allowed, nodes))))


def free_to_leave(constraints: Iterable[str], nodes: Sequence[Node], where: Node) -> list[Node]:
    """The other nodes that the constraints admit, where a task that is on one may come up at any later time."""
    asked = tuple(constraints)
    return [node for node in nodes if node.id != where.id and all(admits(each, node) for each in asked)]
