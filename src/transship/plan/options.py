from dataclasses import dataclass
from typing import Literal

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
