import re
from dataclasses import dataclass
from typing import Literal

from transship.errors import UsageError
from transship.metrics.downtime import Probe

StrategyName = Literal["auto", "stop-start", "export-import"]


@dataclass(frozen=True, slots=True)
class MoveOptions:
    """What the user wants of a move, apart from which container goes where.

    `name` is the container's name on the target, empty for the one it has. `source` says what becomes of the source
    after the commit: `keep` (stopped, fenced, renamed) or `remove`. `binds` says what a bind mount means: `fail` stops
    the move, `expect` takes the path to be on the target already, `skip` leaves the mount out. `without_volumes` says
    that empty volumes are wanted. `verify` is `meta` (owners, modes, sizes) or `full` (contents too).
    `health_timeout_s` limits the wait for the container to serve on the target.
    """

    strategy: StrategyName = "auto"
    name: str = ""
    source: Literal["keep", "remove"] = "keep"
    binds: Literal["fail", "expect", "skip"] = "fail"
    without_volumes: bool = False
    verify: Literal["meta", "full"] = "meta"
    probe: Probe | None = None
    health_timeout_s: float = 60.0


_DURATION = re.compile(r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,6})?)(?P<unit>ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read a length of time such as `500ms`, `60s` or `2m`. Raises `UsageError` for anything else."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise UsageError(f"{text!r} is no length of time", hint="write a number and a unit: 500ms, 60s, 2m")
    return float(match["number"]) * _UNIT_S[match["unit"]]
