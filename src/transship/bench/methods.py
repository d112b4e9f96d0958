"""The ways to move that experiments compare: the product's strategies, and what people do by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from transship.bench.result import Effort
from transship.codec import MalformedError, decode, encode
from transship.errors import UsageError
from transship.plan.options import MoveOptions, StrategyName
from transship.swarm.options import SwarmOptions

T = TypeVar("T")
Kind = Literal["strategy", "service", "by-hand"]
"""Whether `transship move` carries it out, or `transship swarm move`, or a person."""

IMAGE, LAYER, VOLUME, MEMORY = "image", "layer", "volume", "memory"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to move: what it takes along of a container with a state, and what it asks of who uses it."""

    carries: frozenset[str]
    effort: Effort
    kind: Kind


_ALL = frozenset({IMAGE, LAYER, VOLUME})
_ROOT, _RSYNC, _KEY, _CRIU = "root", "rsync", "ssh from source to target", "CRIU"

BY_HAND: Mapping[str, Method] = {
    "commit-save-load": Method(_ALL, Effort(6, (_ROOT,)), "by-hand"),
    "export-import-pipe": Method(_ALL, Effort(5, (_ROOT,)), "by-hand"),
    "rsync-volumes": Method(frozenset({IMAGE, VOLUME}), Effort(6, (_ROOT, _RSYNC, _KEY)), "by-hand"),
    "docker-checkpoint": Method(_ALL | {MEMORY}, Effort(8, (_ROOT, _CRIU, "experimental daemons")), "by-hand"),
}
"""What people type today; by_hand.py has the commands."""

SWARM: Mapping[str, Method] = {
    "swarm-constraint": Method(frozenset({IMAGE, VOLUME}), Effort(1, ("a swarm",)), "service"),
    "swarm-drain": Method(frozenset({IMAGE}), Effort(1, ("a swarm",)), "service"),
}
"""Ways to move a service of a swarm instead of a container."""

_CARRIES: Mapping[str, frozenset[str]] = {
    "stop-start": frozenset({IMAGE}),
    "export-import": frozenset({IMAGE, LAYER}),
    "live": _ALL | {MEMORY},
}
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "stop-start": (),
    "export-import": (),
    "sync": (_ROOT, "Python"),
    "live": (_ROOT, "Python", _CRIU, "experimental daemons"),
}
STRATEGIES = tuple(name for name in get_args(StrategyName) if name != "auto")


def method(name: str) -> Method:
    """The way of this name. Raises `UsageError` when there is none."""
    known = {**{each: _strategy(each) for each in STRATEGIES}, **SWARM, **BY_HAND}
    if name not in known:
        raise UsageError(f"there is no way to move called {name}", hint=f"known are {', '.join(known)}")
    return known[name]


def _strategy(name: str) -> Method:
    return Method(_CARRIES.get(name, _ALL), Effort(1, _NEEDS.get(name, ())), "strategy")


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise `UsageError` unless the way of this name takes these options."""
    kind = method(name).kind
    if kind == "strategy":
        move_options(name, options)
    elif kind == "service":
        swarm_options(name, options)
    elif options:
        raise UsageError(f"{name} is done by hand and takes no options")


def move_options(name: str, options: Mapping[str, Any]) -> MoveOptions:
    """The options of a move with the strategy `name`. Raises `UsageError` for words or values that it does not take."""
    return _merged(MoveOptions(), name, options, {"strategy": name, "probe": None, "name": "", "source": "keep"})


def swarm_options(name: str, options: Mapping[str, Any]) -> SwarmOptions:
    """The options of a service's move. Raises `UsageError` as `move_options`."""
    return _merged(SwarmOptions(), name, options, {"method": name.removeprefix("swarm-"), "probe": None, "source": ""})


def _merged(defaults: T, name: str, options: Mapping[str, Any], decided: Mapping[str, Any]) -> T:
    if said := sorted(set(decided) & set(options)):
        raise UsageError(f"the options of {name} cannot hold {', '.join(said)}: the experiment decides that")
    try:
        return decode(type(defaults), {**encode(defaults), **options, **decided})
    except MalformedError as error:
        raise UsageError(f"the options of {name} are not those of a move: {error}") from error
