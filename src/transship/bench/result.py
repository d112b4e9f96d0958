"""What one run of an experiment came to; docs/bench.md is the data dictionary.

All times are in seconds, all sizes in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from transship.bench.sealed import digest, seal, unseal

Outcome = Literal["moved", "failed", "timeout", "impossible"]
Where = Literal["none", "layer", "volume"]
Cache = Literal["cold", "warm"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of the matrix' factors: what its repetitions have in common.

    `image`, `state` and `strategy` are the names that the matrix gives. The state is `state_bytes` of noise in
    `state_files` files, written `where`; `change_rate` bytes of it are written anew each second while it moves.
    `method` is what carries the strategy out, with `options`. `link_mbit` is what the links of the hosts carry in each
    direction, None without a limit; `delay_ms` is added to each round trip between the coordinator and a host.
    `cache` says whether the target had the image. `memory_bytes` is what the processes hold besides what they need.
    `store` and `suite` say which image store and which Debian release the hosts have, both empty for one's own hosts.
    `made_of` says what the image is: the lab's, with the layers that were added, or its reference on one's own hosts.
    """

    image: str
    state: str
    state_bytes: int
    state_files: int
    where: Where
    change_rate: int
    strategy: str
    method: str
    options: Mapping[str, Any]
    link_mbit: float | None
    delay_ms: float
    cache: Cache
    memory_bytes: int
    store: str
    suite: str
    made_of: str

    @property
    def id(self) -> str:
        """Ten hexadecimal digits: equal for equal cells, also of other matrices."""
        return digest(self)[:10]


@dataclass(frozen=True, slots=True)
class Bytes:
    """What moved of one kind of data: `logical` is its size, `wire` what was sent for it, without SSH's framing."""

    logical: int
    wire: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run cost one machine. None where it could not be measured.

    `cpu_s` is processor time. `peak_memory_bytes` is, of the coordinator, the largest resident size of the program; of
    a host, the most that its processes held, without the cache of files, less what they held when the run began.
    """

    cpu_s: float | None
    peak_memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of one run. None is not measured, and never 0.

    `total_s` is from the first word to the end, without the start of the program. `engine_downtime_s` is from the
    moment when the source was told to stop to the moment when the target was first seen to serve,
    `client_downtime_s` what a client saw that asked both hosts every 10 ms, `freeze_s` how long processes were
    frozen. `link_bytes` is all that the link carried towards the target, with all headers;
    `wire_bytes` and `logical_bytes` are the sums of `by_class`, which has `image`, `layer`, `volumes`, `binds`,
    `memory`, and which only the product tells. `minimum_bytes` is what would have had to cross: what the target lacked
    and the method takes along, the image compressed once with `zstd -3`, and the state and what is held in memory as
    they are, which is noise.
    """

    total_s: float | None
    engine_downtime_s: float | None
    client_downtime_s: float | None
    freeze_s: float | None
    link_bytes: int | None
    wire_bytes: int | None
    logical_bytes: int | None
    minimum_bytes: int | None
    by_class: Mapping[str, Bytes]
    usage: Mapping[str, Usage]
    """Of `coordinator`, `source` and `target`."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was the same on the target afterwards. None where nothing had to be, or where the move failed.

    `image`: the image is the same one. `settings`: command, environment, labels, ports, mounts and restart policy.
    `layer`, `volume`: every file that had been written there, with its name, mode, owner, time and content. `memory`:
    the processes were never started anew.
    """

    image: bool | None = None
    settings: bool | None = None
    layer: bool | None = None
    volume: bool | None = None
    memory: bool | None = None


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase, with its begin counted from the run's."""

    name: str
    start_s: float
    seconds: float
    bytes: int
    failed: bool


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One round of pre-copy over one tree. `number` is from 1, `last` that after the stop."""

    tree: str
    number: int
    last: bool
    files: int
    bytes_logical: int
    bytes_wire: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Events:
    """The raw events as columns of equal length: begins and ends of phases, and some of the progress in between."""

    at_s: tuple[float, ...] = ()
    kind: tuple[str, ...] = ()
    phase: tuple[str, ...] = ()
    bytes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a run took place: the digest of the stored environment, the code, and how busy the machine was before."""

    environment: str
    revision: str
    load_1m: float


@dataclass(frozen=True, slots=True)
class Effort:
    """What the method asks of who uses it: commands that are typed, and what both hosts need besides Docker and SSH."""

    commands: int
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one cell. `run` is its place in the order of all runs, from 1; `repetition` counts from 1 in its cell.

    Warm-ups are counted apart and belong in no statistics. `reason` says in one sentence why it failed. A run whose
    scene could not be set, however often that was tried, is `impossible`: it says nothing of the method. `predicted` is
    what the plan had said (`Prediction.to_json`), empty where there was none.
    """

    run: int
    cell: Cell
    repetition: int
    warm_up: bool
    begun: str
    outcome: Outcome
    reason: str
    measures: Measures
    kept: Kept
    effort: Effort
    setting: Setting
    phases: tuple[PhaseRow, ...] = ()
    rounds: tuple[RoundRow, ...] = ()
    predicted: Mapping[str, Any] = field(default_factory=dict)
    events: Events = field(default_factory=Events)

    @property
    def name(self) -> str:
        """The stored file's name, without its ending."""
        kind = "w" if self.warm_up else "r"
        return f"{self.run:05d}-{self.cell.id}-{kind}{self.repetition:02d}"


def to_text(run: Run) -> str:
    """The stored form. Raises `ResultError` for what could not be read back as it is."""
    return seal(run, f"the result of run {run.run}")


def from_text(text: str | bytes, where: str) -> Run:
    """Read a stored result; `where` says where it was found. Raises `ResultError`, as `unseal` does."""
    return unseal(Run, text, where)
