from dataclasses import dataclass
from typing import Literal

from transship.errors import UsageError
from transship.metrics.downtime import Probe
from transship.swarm.record import Method


@dataclass(frozen=True, slots=True)
class SwarmOptions:
    """What the user wants of a service's move, apart from which service goes where.

    `source` is the node whose tasks move, needed where they run on several; `everything` moves all of them. `fast` lets
    the one update be made at once and without watching, `start_first` lets the new task start before the old one ends:
    both are put back afterwards. `image` says how the target gets the image: `send` brings what it lacks over SSH
    before anything changes, `pull` leaves it to the node. `binds` says what a bind mount means: `fail` stops the move,
    `expect` takes the path to be on the target. `unpin` takes the constraint away when the service has arrived.
    `timeout_s` limits the wait for the tasks to run on the target. The rest is as in `plan.options.MoveOptions`.

    Raises `UsageError` for words that exclude each other.
    """

    method: Method = "constraint"
    source: str = ""
    everything: bool = False
    fast: bool = False
    start_first: bool = False
    image: Literal["send", "pull"] = "send"
    binds: Literal["fail", "expect"] = "fail"
    unpin: bool = False
    replace_data: bool = False
    verify: Literal["meta", "full"] = "meta"
    max_downtime_s: float = 1.0
    limit_rate: float = 0.0
    timeout_s: float = 120.0
    probe: Probe | None = None

    def __post_init__(self) -> None:
        if self.source and self.everything:
            raise UsageError("--from names one node's tasks, and --all means those of every node: take one of them")
        if self.method == "drain" and (self.fast or self.start_first or self.unpin):
            raise UsageError(
                "--fast, --start-first and --unpin are about an update, and a drain is none",
                hint="take --method constraint",
            )
