"""The ways to move that experiments compare: the product's strategies, and what people do by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from transship.bench.result import Effort
from transship.codec import MalformedError, decode, encode
from transship.errors import UsageError
from transship.plan.options import MoveOptions, StrategyName

IMAGE, LAYER, VOLUME, MEMORY = "image", "layer", "volume", "memory"


@dataclass(frozen=True, slots=True)
class Method:
    """A way to move: what it takes along of a container with a state, and what it asks of who uses it."""

    carries: frozenset[str]
    effort: Effort
    by_hand: bool = True


_ALL = frozenset({IMAGE, LAYER, VOLUME})
_ROOT, _RSYNC, _KEY, _CRIU = "root", "rsync", "ssh from source to target", "CRIU"

BY_HAND: Mapping[str, Method] = {
    "commit-save-load": Method(_ALL, Effort(6, (_ROOT,))),
    "export-import-pipe": Method(_ALL, Effort(5, (_ROOT,))),
    "rsync-volumes": Method(frozenset({IMAGE, VOLUME}), Effort(6, (_ROOT, _RSYNC, _KEY))),
    "docker-checkpoint": Method(_ALL | {MEMORY}, Effort(8, (_ROOT, _CRIU, "experimental daemons"))),
}
"""What people type today; by_hand.py has the commands."""

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
    if name in BY_HAND:
        return BY_HAND[name]
    if name in STRATEGIES:
        return Method(_CARRIES.get(name, _ALL), Effort(1, _NEEDS.get(name, ())), by_hand=False)
    raise UsageError(f"there is no way to move called {name}", hint=f"known are {', '.join((*STRATEGIES, *BY_HAND))}")


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise `UsageError` unless the way of this name takes these options."""
    if not method(name).by_hand:
        move_options(name, options)
    elif options:
        raise UsageError(f"{name} is done by hand and takes no options")


def move_options(name: str, options: Mapping[str, Any]) -> MoveOptions:
    """The options of a move with the strategy `name`. Raises `UsageError` for words or values that it does not take."""
    if said := {"strategy", "probe", "name", "source"} & set(options):
        raise UsageError(f"the options of {name} cannot hold {', '.join(sorted(said))}: the experiment decides that")
    whole = {**encode(MoveOptions()), "strategy": name, **options}
    try:
        return decode(MoveOptions, whole)
    except MalformedError as error:
        raise UsageError(f"the options of {name} are not those of a move: {error}") from error
