from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from transship.hosts.base import Host
from transship.metrics.events import Recorder
from transship.plan.findings import Agreement, Finding, no_warnings


@dataclass
class Made:
    """What this move has brought into being on the target so far, for the steps that come later and for their undo.

    The sets hold names; a name is put in before the thing is made, so that nothing that exists is missing; what the
    host called it is known when it has answered. `fenced` says that the source's restart policy was changed. `bytes`
    counts what crossed, by kind of data (`image`, `layer`, `volumes`, `binds`); `sizes` is what that came to on the
    target, where it differs. `loading` says that an image was sent, which is there without a name until it gets those
    that it has on the source. `agents` and `trees` are at work on both hosts (`transfer.relay.Pair` and
    `transfer.trees.Opened`, which lie above this layer), `heard` is told what the source's agent says meanwhile, and
    `rounds` says what they sent; `path` is the way that the data took, and why. `binds` says where bind mounts lie,
    and `provided` what was made for them (`transfer.binds.Place` and `Provided`).
    """

    image: str = ""
    container: str = ""
    pulled: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)
    network_ids: dict[str, str] = field(default_factory=dict)
    volumes: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    manifest: dict[str, str] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    loading: bool = False
    fenced: bool = False
    agents: Any = None
    heard: Callable[[dict[str, Any]], None] | None = None
    trees: list[Any] = field(default_factory=list)
    binds: dict[str, Any] = field(default_factory=dict)
    provided: list[Any] = field(default_factory=list)
    path: str = ""
    rounds: list[dict[str, Any]] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Move:
    """One move under way: its hosts, its clock, and what it has made.

    `agreed` is asked about what shows only on the way. `resources` are closed when the move ends, however it does.
    """

    id: str
    source: Host
    target: Host
    recorder: Recorder
    made: Made = field(default_factory=Made)
    agreed: Agreement = no_warnings
    resources: ExitStack = field(default_factory=ExitStack)


class Step(Protocol):
    """One action of a plan: frozen data that knows how to act and how to undo.

    `run` acts. `undo` takes back whatever `run` did, also when `run` failed half-way or was interrupted; where nothing
    was done, it does nothing. Both may be called twice. An undo that fails raises.
    """

    @property
    def phase(self) -> str:
        """The word under which the step is measured; empty for a step that measures its parts itself."""
        ...

    @property
    def guards(self) -> bool:
        """Whether the rule of one running copy hangs on the undo: if it fails, nothing before it may be undone."""
        ...

    def describe(self) -> str:
        """What the step does, for a person."""
        ...

    def run(self, move: Move) -> None: ...
    def undo(self, move: Move) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a move will do, decided before anything is touched.

    `prepare` runs while the source serves; `cutover` from the moment the source is fenced until the target is proven
    healthy; then comes the point of no return, and `retire` ends the source's life as the one that serves.
    """

    strategy: str
    prepare: Sequence[Step]
    cutover: Sequence[Step]
    retire: Sequence[Step]
    reason: str = ""
    findings: tuple[Finding, ...] = ()
