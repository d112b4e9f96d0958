"""Changes of a service's or a node's spec: each takes one as the API has it and returns another, and does no I/O."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from transship.hosts.base import Json
from transship.swarm.model import Service
from transship.swarm.record import DRAINED, Before

_AT_ONCE: Mapping[str, Any] = {"Parallelism": 0, "Monitor": 1}
"""All tasks at once, nothing between them, and no watching afterwards (0 would mean Swarm's default of 5 s)."""


def before(service: Service) -> Before:
    """What is about to be changed of it."""
    return Before(
        placement=deepcopy(service.template.get("Placement")),
        update_config=deepcopy(service.spec.get("UpdateConfig")),
        mode=deepcopy(service.spec.get("Mode")),
    )


def labelled(spec: Json, label: str, text: str | None) -> Json:
    """With a label of the service (not of its containers), or without it. That restarts no task."""
    new = deepcopy(spec)
    labels = dict(new.get("Labels") or {})
    labels.pop(label, None)
    if text is not None:
        labels[label] = text
    # A spec without labels comes back from the API with an empty object.
    return {**new, "Labels": labels}


def constrained(spec: Json, constraints: Sequence[str]) -> Json:
    """With these placement constraints."""
    new = deepcopy(spec)
    placement = {**(new["TaskTemplate"].get("Placement") or {}), "Constraints": list(constraints)}
    if not constraints:
        del placement["Constraints"]
    new["TaskTemplate"]["Placement"] = placement
    return new


def hurried(spec: Json, *, at_once: bool, start_first: bool) -> Json:
    """With an update that does not dawdle, or that starts the new task before it stops the old one, or both."""
    new = deepcopy(spec)
    config = dict(new.get("UpdateConfig") or {"Parallelism": 1})
    if at_once:
        config = {**config, **_AT_ONCE}
        config.pop("Delay", None)
    if start_first:
        config["Order"] = "start-first"
    return {**new, "UpdateConfig": config}


def scaled(spec: Json, replicas: int) -> Json:
    """With another number of tasks."""
    return {**deepcopy(spec), "Mode": {"Replicated": {"Replicas": replicas}}}


def restored(spec: Json, was: Before, *, placement: bool = True, mode: bool = True) -> Json:
    """With everything that a move has changed as it was.

    Without `placement` its constraints stay as they are, without `mode` its number of tasks.
    """
    new = deepcopy(spec)
    _put(new, "UpdateConfig", was.update_config)
    if mode:
        _put(new, "Mode", was.mode)
    if placement:
        _put(new["TaskTemplate"], "Placement", was.placement)
    return new


def _put(document: Json, name: str, value: Mapping[str, Any] | None) -> None:
    document.pop(name, None)
    if value is not None:
        document[name] = deepcopy(dict(value))


def drained(spec: Json, move: str) -> Json:
    """The node's spec with all tasks sent away, and a label that says by which move."""
    return {**labelled(spec, DRAINED, move), "Availability": "drain"}


def available(spec: Json, availability: str) -> Json:
    """The node's spec as it was before it was drained."""
    return {**labelled(spec, DRAINED, None), "Availability": availability}
