from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from transship.hosts.base import Host
from transship.hosts.facts import RootAccess
from transship.hosts.pair import Pair
from transship.metrics.events import Recorder
from transship.plan.advise import Advice
from transship.plan.findings import Agreement, Finding, no_warnings
from transship.plan.record import Made, Record, Stage, StepEvent


class Custody(Protocol):
    """Who may run the container: the one place where that is decided, and written down before it holds.

    Every method returns when what it says is on disk wherever it has to be, and raises `TransshipError` where that is
    not possible.
    """

    @property
    def record(self) -> Record:
        """What is written down. If writing failed, it says what may have been written."""
        ...

    def claim(self) -> None:
        """Lock container and volumes on both hosts. Raises `LockedError` where another migration holds one of them."""
        ...

    def save(self) -> None:
        """Write down what has come into being, or is about to."""
        ...

    def advance(self, stage: Stage) -> None:
        """Go on to a stage."""
        ...

    def note(self, step: str, event: StepEvent, at: float) -> None:
        """Write down here what becomes of a step, `at` seconds after the migration began."""
        ...

    def revoke(self) -> None:
        """Take from the target's host the right to start the container."""
        ...

    def reclaim(self) -> bool:
        """Take from the source's host the right to start it again. Returns whether it was made use of."""
        ...

    def settle(self) -> None:
        """The source serves as before. What is left to do may be done at any time, by anybody."""
        ...

    def end(self, outcome: str, detail: str = "") -> None:
        """Nothing is left to do, and nothing is locked any more."""
        ...


@dataclass
class Work:
    """What is at work on both hosts while a move runs; all of it ends with the move.

    `agents` copy the trees that are open (`transfer.trees.Opened`); `heard` is told what the source's agent says
    meanwhile. `binds` says where the bind mounts lie (`transfer.binds.Place`). `manifest` is what was read of a
    filesystem on its way. `memory` has both sides of memory that moves (`live.memory.Memory`).
    """

    agents: Pair | None = None
    heard: Callable[[dict[str, Any]], None] | None = None
    trees: list[Any] = field(default_factory=list)
    binds: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, str] = field(default_factory=dict)
    memory: Any = None

    @property
    def pair(self) -> Pair:
        """The agents, which the plan has started before it needs them."""
        if self.agents is None:
            raise RuntimeError("a step needs agents, and the plan started none")
        return self.agents


@dataclass
class Measured:
    """What was seen while a move ran.

    `bytes` counts what crossed, by kind of data (`image`, `layer`, `volumes`, `binds`, `memory`); `sizes` is what that
    came to on the target, where it differs. `rounds` says what each round sent, `path` which way the data took, and
    why.
    """

    bytes: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    rounds: list[Mapping[str, Any]] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    path: str = ""


@dataclass(frozen=True)
class Move:
    """One move under way: its hosts, its clock, who has custody of the container, and what was seen.

    `source_root` and `target_root` say how one becomes root there. `agreed` is asked about what shows only on the way.
    `resources` are closed when the move ends, however it does.
    """

    source: Host
    target: Host
    recorder: Recorder
    custody: Custody
    target_root: RootAccess = "none"
    source_root: RootAccess = "none"
    agreed: Agreement = no_warnings
    work: Work = field(default_factory=Work)
    measured: Measured = field(default_factory=Measured)
    resources: ExitStack = field(default_factory=ExitStack)

    @property
    def id(self) -> str:
        return self.custody.record.id

    @property
    def made(self) -> Made:
        """What may exist on the target because of this move."""
        return self.custody.record.made


class Step(Protocol):
    """One action of a plan: frozen data that knows how to act.

    Before it makes anything on the target it enters that into `move.made` and saves it: undoing (undo.py) goes by what
    was written down, in this process as in another one after a crash.
    """

    @property
    def phase(self) -> str:
        """The word under which the step is measured; empty for a step that measures its parts itself."""
        ...

    def describe(self) -> str:
        """What the step does, for a person."""
        ...

    def run(self, move: Move) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a move will do, decided before anything is touched.

    `prepare` runs while the source serves; `cutover` from the moment the source is fenced until the target is proven
    healthy; then comes the point of no return, and `retire` ends the source's life as the one that serves.
    `advice` is what was thought of each strategy, and what each would take.
    """

    strategy: str
    prepare: Sequence[Step]
    cutover: Sequence[Step]
    retire: Sequence[Step]
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    advice: Advice | None = None
