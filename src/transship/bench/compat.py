"""What came of moving a program while it runs, and the rules by which that is judged. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from transship.bench.conversations import Counted
from transship.bench.environment import Environment
from transship.bench.programs import Program
from transship.plan.options import MoveOptions
from transship.result import Outcome

ModeName = Literal["live", "post-copy", "address"]
Verdict = Literal["works", "refused", "fails", "untried"]

MOVED: frozenset[Outcome] = frozenset({"moved", "moved-source-not-retired"})
"""The ends of a move after which the program runs on the target."""

_NAMED = 3
"""As many processes are named, the others are counted."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to move: whether memory follows later, and whether the address moves along with its connections."""

    title: str
    post_copy: bool = False
    address: bool = False

    @property
    def options(self) -> MoveOptions:
        return MoveOptions(strategy="live", post_copy=self.post_copy)

    def suits(self, program: Program) -> bool:
        """Whether there is anything to try: only a TCP connection can move along with an address."""
        return program.way == "tcp" or not self.address


MODES: Mapping[ModeName, Mode] = {
    "live": Mode("live"),
    "post-copy": Mode("live --post-copy"),
    "address": Mode("live, the address moves along", address=True),
}


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a container: its number there, its name, and what is drawn anew at each start of a program.

    `start` is of the auxiliary vector, in which the kernel tells a program where it lies in memory, which is random.
    """

    pid: int
    name: str
    start: str


@dataclass(frozen=True, slots=True)
class Looked:
    """One look at a program that serves: its processes, and what it counted in answer to a question."""

    processes: frozenset[Process]
    counted: Counted


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a question: what was counted, or why there was no answer."""

    counted: Counted | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Afterwards:
    """The program after the move, on the host where it should run.

    `held` is what became of the connection that was open all the time, None where that had to end. `fresh` are the
    questions of a connection that was made afterwards.
    """

    processes: frozenset[Process]
    held: Asked | None
    fresh: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Versions:
    """What may make a difference."""

    program: str
    docker: tuple[str, str]
    criu: tuple[str, str]
    runc: tuple[str, str]
    kernel: str
    revision: str
    """Of transship."""

    @classmethod
    def of(cls, place: Environment, revision: str) -> Self:
        """Those of source and target, and of this program; that of the one which is tried is not known yet."""
        hosts = place.source, place.target
        return cls(
            "",
            (hosts[0].docker_version, hosts[1].docker_version),
            (hosts[0].criu_version, hosts[1].criu_version),
            (hosts[0].runc_version, hosts[1].runc_version),
            place.kernel,
            revision,
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tried. `user` is as whom the program runs, `begun` when that was, UTC."""

    program: str
    package: str
    user: str
    mode: ModeName
    versions: Versions
    begun: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a move ended, and with which words, where it failed."""

    outcome: Outcome
    reason: str
    downtime_s: float


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it.

    `works`: no process was started anew, the count in memory went on, also over the open connection where the address
    moved along, and over a new one. `refused`: the plan said `reason`. `fails`: `reason` has what ended the move, with
    the line of CRIU's log, or what was wrong after it. `untried`: the program or the hosts did not come that far.
    `source` says of what was not moved in what it differs from before: empty where it went on as if nothing had
    happened; None where it was moved, or where nobody looked.
    """

    subject: Subject
    verdict: Verdict
    reason: str
    outcome: Outcome | None
    source: str | None
    processes: int
    downtime_s: float | None

    @property
    def is_certain(self) -> bool:
        """Whether it is known what runs where."""
        return self.outcome not in {None, "needs-recovery"}


def untried(subject: Subject, reason: str) -> Tried:
    """What came of what could not be tried."""
    return Tried(subject, "untried", reason, None, None, 0, None)


def judge(subject: Subject, ended: Ended, before: Looked, after: Afterwards | None) -> Tried:
    """What came of a move, from how the program was before it and is afterwards; None where nobody looked."""
    wrong = None if after is None else "; ".join(faults(before, after))
    moved, count = ended.outcome in MOVED, len(before.processes)
    if not moved:
        verdict: Verdict = "refused" if ended.outcome == "refused" else "fails"
        return Tried(subject, verdict, ended.reason, ended.outcome, wrong, count, ended.downtime_s or None)
    told = "; ".join(filter(None, (wrong, ended.reason)))
    reason = f"it was moved, but {told}" if told else ""
    return Tried(subject, "fails" if told else "works", reason, ended.outcome, None, count, ended.downtime_s)


def faults(before: Looked, after: Afterwards) -> tuple[str, ...]:
    """What shows that a program is not the one that it was; nothing where it went on."""
    found = [_not_the_same(before.processes, after.processes)]
    last = before.counted
    for number, asked in enumerate([*([after.held] if after.held else []), *after.fresh]):
        which = "the open connection" if after.held and number == 0 else "a new connection"
        if asked.counted is None:
            found.append(f"{which} got no answer: {asked.error}")
            continue
        found.append(_not_the_next(last, asked.counted))
        last = asked.counted
    return tuple(dict.fromkeys(filter(None, found)))


def _not_the_same(before: frozenset[Process], now: frozenset[Process]) -> str:
    gone = sorted(before - now, key=lambda process: process.pid)
    if not gone:
        return ""
    names = ", ".join(f"{each.name} ({each.pid})" for each in gone[:_NAMED])
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    return f"of {len(before)} processes these are gone or were started anew: {names}{more}"


def _not_the_next(last: Counted, now: Counted) -> str:
    if now.start != last.start:
        return "it tells of another start"
    if now.number != last.number + 1:
        return f"it counted {now.number} after {last.number}: its memory is not what it was"
    return ""
