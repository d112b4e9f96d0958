import re
from dataclasses import dataclass
from typing import Literal

from transship.errors import UsageError
from transship.metrics.downtime import Probe

PathName = Literal["relay", "direct", "auto"]
Preference = Literal["downtime", "total", "bytes", "simplicity"]
StrategyName = Literal["auto", "stop-start", "export-import", "sync", "live"]


@dataclass(frozen=True, slots=True)
class MoveOptions:
    """What the user wants of a move, apart from which container goes where. Raises `UsageError` for contrary words.

    `name` is the container's name on the target, empty for the one it has. `source` says what becomes of the source
    after the commit: `keep` (stopped, fenced, renamed) or `remove`. `binds` says what a bind mount means: `fail` stops
    the move, `copy` takes its files along, `expect` takes the path to be on the target already, `skip` leaves the mount
    out. `without_volumes` says that empty volumes are wanted. `verify` is `meta` (owners, modes, sizes) or `full`
    (contents too). `health_timeout_s` limits the wait for the container to serve on the target.
    `forward` leaves a forwarder on the source, which carries what comes to its published ports to the target.
    `prefer` says what `auto` chooses by: the shortest interruption, the shortest time in all, the fewest bytes, or the
    strategy that asks least of the hosts.

    For `live`: `post_copy` has the processes go on before all of their memory has come; losing a host, or the way
    between them, before it has loses what they did since.

    For `sync`, and for the files of `live`: `max_downtime_s` is the budget for the copy after the stop, `limit_rate` in
    bytes per second holds for what is copied before it (0: no limit). `replace_data` allows to overwrite what the
    target has in volumes and mounted folders of the same name; `shared_volumes` allows to copy a volume that other
    containers use as well. `freeze` has the source frozen instead of stopped, and killed when the target serves: what
    arrives is what a power cut would leave. `path` is the way of the data: `relay` leads through this machine, `direct`
    from host to host, and `auto` is `direct` where that is possible.
    """

    strategy: StrategyName = "auto"
    name: str = ""
    source: Literal["keep", "remove"] = "keep"
    binds: Literal["fail", "copy", "expect", "skip"] = "fail"
    without_volumes: bool = False
    verify: Literal["meta", "full"] = "meta"
    probe: Probe | None = None
    health_timeout_s: float = 60.0
    max_downtime_s: float = 1.0
    limit_rate: float = 0.0
    replace_data: bool = False
    shared_volumes: bool = False
    freeze: bool = False
    path: PathName = "relay"
    prefer: Preference = "downtime"
    post_copy: bool = False
    forward: bool = False

    def __post_init__(self) -> None:
        if self.post_copy and self.strategy != "live":
            raise UsageError("--post-copy is of the strategy live", hint="--strategy live --post-copy")


_DURATION = re.compile(r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,6})?)(?P<unit>ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read a length of time such as `500ms`, `60s` or `2m`. Raises `UsageError` for anything else."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise UsageError(f"{text!r} is no length of time", hint="write a number and a unit: 500ms, 60s, 2m")
    return float(match["number"]) * _UNIT_S[match["unit"]]


_RATE = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,6})?)(?P<unit>[kKMG]i?)?B/s")
_FACTORS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "ki": 2.0**10, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def bytes_per_second(text: str) -> float:
    """Read a rate such as `20MiB/s` or `500kB/s`. Raises `UsageError` for anything else, and for zero."""
    match = _RATE.fullmatch(text)
    rate = float(match["number"]) * _FACTORS[match["unit"] or ""] if match else 0.0
    if not rate:
        raise UsageError(f"{text!r} is no rate", hint="write bytes per second: 20MiB/s, 500kB/s")
    return rate
