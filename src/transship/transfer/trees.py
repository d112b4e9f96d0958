from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Literal

from transship.errors import CommandError, HostError, TransferError
from transship.hosts.agent import Message, start_agent
from transship.hosts.base import Host, Json
from transship.hosts.facts import RootAccess
from transship.hosts.pair import Asked
from transship.metrics.events import Phase
from transship.plan.findings import Finding
from transship.plan.options import PathName
from transship.plan.rounds import Round, verdict
from transship.plan.steps import Move
from transship.transfer.direct import connect
from transship.transfer.relay import AgentPair
from transship.transfer.tree import RoundReport, TreePaths, TreeSync

Kind = Literal["volumes", "layer", "binds"]


@dataclass(frozen=True, slots=True)
class Tree:
    """Something that the container wrote: a volume (by name), its writable layer, or a bind mount (by path).

    `replace`: what the target's holds already may be overwritten.
    """

    kind: Kind
    name: str = ""
    replace: bool = False

    def __str__(self) -> str:
        return "the writable layer" if self.kind == "layer" else f"{self.kind.removesuffix('s')} {self.name}"


@dataclass(frozen=True, slots=True)
class Opened:
    """A tree, and what moves it."""

    tree: Tree
    sync: TreeSync


@dataclass(frozen=True, slots=True)
class StartAgents:
    """Start the agents on both hosts. They stay until the move ends. `path` is the way between them."""

    root: tuple[RootAccess, RootAccess]
    path: PathName = "relay"
    phase: str = "prepare"

    def describe(self) -> str:
        where = {"relay": "", "direct": ", joined from host to host", "auto": ", joined from host to host if possible"}
        return f"start the agents on both hosts{where[self.path]}"

    def run(self, move: Move) -> None:
        """Raises `CommandError` where an agent does not start, or the direct way was asked for and there is none."""
        move.measured.path = "relay"
        if self.path != "relay":
            try:
                move.work.agents = move.resources.enter_context(connect(move.source, move.target, self.root))
            except (CommandError, TransferError, HostError) as error:
                if self.path == "direct":
                    raise
                move.measured.path = f"relay, because there is no direct path: {error}"
                with move.recorder.phase("path", move.measured.path):
                    pass  # it is said when it is known, and not only in the result
            else:
                move.measured.path = "direct"
                return

        def heard(event: Message) -> None:
            if move.work.heard is not None:
                move.work.heard(event)

        source = move.resources.enter_context(start_agent(move.source, self.root[0], heard))
        target = move.resources.enter_context(start_agent(move.target, self.root[1]))
        move.work.agents = AgentPair(source, target)


@dataclass(frozen=True, slots=True)
class OpenTrees:
    """Open trees on both hosts, except bind mounts that lie in another tree.

    Volumes are opened before the container is created: Docker then fills the empty ones from its image.
    """

    source_container: str
    trees: tuple[Tree, ...]
    phase: str = "prepare"

    def describe(self) -> str:
        return f"open {', '.join(map(str, self.trees))} on both hosts"

    def run(self, move: Move) -> None:
        """Raises `TransferError` for a target that is not empty."""
        for tree in self.trees:
            if tree.kind == "binds" and tree.name not in move.work.binds:
                continue
            sync = TreeSync(move.work.pair, len(move.work.trees), self._paths(move, tree))
            sync.open(empty=tree.kind != "layer" and not tree.replace)
            move.work.trees.append(Opened(tree, sync))

    def _paths(self, move: Move, tree: Tree) -> TreePaths:
        agents = move.work.pair
        if tree.kind == "binds":
            place = move.work.binds[tree.name]
            return TreePaths(str(tree), place.source, place.target, devices=True, single=place.is_file)
        return TreePaths(
            name=str(tree),
            source=_path(move.source, agents.source, tree, self.source_container),
            target=_path(move.target, agents.target, tree, move.made.container),
            devices=True,
        )


@dataclass(frozen=True, slots=True)
class TakeStock:
    """See what the target has of the trees: from its image, from an earlier move, or somebody's that may be replaced.

    In what Docker has just made of the image, equal size and time mean the same file; all else is compared by content.
    """

    phase: str = "prepare"

    def describe(self) -> str:
        return "see what the target has of it"

    def run(self, move: Move) -> None:
        """Raises `TransferError` where it cannot be read."""
        for opened in _opened(move):
            opened.sync.adopt(contents=opened.tree.kind != "layer" or opened.tree.replace)


@dataclass(frozen=True, slots=True)
class PreCopy:
    """Rounds while the source serves: everything first, then what changed, until that pays no more."""

    trees: tuple[Tree, ...]
    max_downtime_s: float
    limit_rate: float
    phase: str = ""

    def describe(self) -> str:
        return f"copy {', '.join(map(str, self.trees))} in rounds while the source serves"

    def run(self, move: Move) -> None:
        """Raises `TransferError` when the budget cannot be met and nobody agrees to more."""
        move.made.copying = True
        move.custody.save()
        rounds: list[Round] = []
        while (said := verdict(rounds, self.max_downtime_s)) == "again":
            number = len(rounds) + 1
            with move.recorder.phase(f"round-{number}") as phase:
                reports = self._round(move, phase)
            _account(move, reports, last=False)
            rounds.append(
                Round(sum(each.seconds for each in reports), sum(self._unlimited_s(each) for each in reports))
            )
        for opened in _opened(move):
            opened.sync.look_ahead()
        predicted = rounds[-1].unlimited_s
        if said == "over-budget":
            self._ask(move, predicted)

    def _round(self, move: Move, phase: Phase) -> list[RoundReport]:
        """All trees once; what has crossed until now is told as the source's agent says it."""
        reports: list[RoundReport] = []
        for opened in _opened(move):
            before = sum(report.bytes_wire for report in reports)

            def heard(event: Message, before: int = before) -> None:
                if event.get("event") == "progress":
                    phase.reach(before + int(event["wire"]), None)

            move.work.heard = heard
            reports.append(opened.sync.round(rate=self.limit_rate))
            phase.reach(before + reports[-1].bytes_wire, None)
        move.work.heard = None
        return reports

    def _unlimited_s(self, report: RoundReport) -> float:
        """What the round would have taken without a limit on its rate, as far as the link's speed is known."""
        if not self.limit_rate or not report.link_rate:
            return report.seconds
        waited = report.bytes_wire / self.limit_rate
        return max(0.0, report.seconds - waited) + report.bytes_wire / report.link_rate

    def _ask(self, move: Move, predicted: float) -> None:
        too_long = Finding(
            "warning",
            "downtime-budget",
            f"the container writes as fast as it is copied: the copy after the stop would take {predicted:.1f} s, "
            f"and --max-downtime is {self.max_downtime_s:g} s",
            "a larger --max-downtime or --yes accepts it; a quieter hour may not need it",
        )
        if not move.agreed([too_long]):
            raise TransferError(too_long.message, hint=too_long.hint)


@dataclass(frozen=True, slots=True)
class LastRound:
    """Copy what changed since the latest round, now that nobody writes any more, and have it on the target's disk."""

    phase: str = "last-round"

    def describe(self) -> str:
        return "copy what changed since"

    def run(self, move: Move) -> None:
        """Raises `TransferError` if something changes even now."""
        _account(move, [opened.sync.round(last=True) for opened in _opened(move)], last=True)


@dataclass(frozen=True, slots=True)
class VerifyTrees:
    """Read the target's trees from its disk and compare them with what the source held in the last round."""

    full: bool
    phase: str = "verify"

    def describe(self) -> str:
        return f"compare what arrived{', contents too' if self.full else ''}"

    def run(self, move: Move) -> None:
        """Raises `TransferError` naming the first path that differs."""
        for opened in _opened(move):
            opened.sync.verify(full=self.full)
            move.measured.verified.append(f"{opened.tree} ({'full' if self.full else 'meta'})")


@dataclass(frozen=True, slots=True)
class Announce:
    """Let nobody wait for the container's new place in the target's network: see `agent.neighbours`."""

    phase: str = "announce"

    def describe(self) -> str:
        return "tell the target's kernel where the container is"

    def run(self, move: Move) -> None:
        # At worst the kernel asks again a second later, which is no reason to go back from a target that serves.
        with suppress(TransferError, HostError):
            self._announce(move)

    def _announce(self, move: Move) -> None:
        addresses = neighbours_of(move.target.docker.inspect_container(move.made.container))
        move.work.pair.target.call("neighbours", addresses=addresses)


def neighbours_of(inspected: Json) -> str:
    """What an agent is told of where a container is: its addresses in the host's networks, and their hardware's."""
    networks = inspected["NetworkSettings"]["Networks"] or {}
    return ",".join(
        f"{each[key]} {each['MacAddress']}"
        for each in networks.values()
        for key in ("IPAddress", "GlobalIPv6Address")
        if each.get(key) and each.get("MacAddress")
    )


def _opened(move: Move) -> list[Opened]:
    trees: list[Opened] = move.work.trees
    return trees


def _path(host: Host, agent: Asked, tree: Tree, container: str) -> str:
    """Where a host keeps a volume or a writable layer."""
    if tree.kind == "volumes":
        return str(host.docker.inspect_volume(tree.name)["Mountpoint"])
    inspected = host.docker.inspect_container(container)
    known = (inspected.get("GraphDriver") or {}).get("Data") or {}
    if "UpperDir" in known:
        return str(known["UpperDir"])
    return str(agent.call("layer", container=inspected["Id"], pid=inspected["State"]["Pid"])["path"])


def _account(move: Move, reports: Sequence[RoundReport], *, last: bool) -> None:
    for opened, report in zip(_opened(move), reports, strict=True):
        measured, tree = move.measured, opened.tree
        measured.bytes[tree.kind] = measured.bytes.get(tree.kind, 0) + report.bytes_wire
        measured.sizes[tree.kind] = measured.sizes.get(tree.kind, 0) + report.bytes_logical
        move.measured.rounds.append({"tree": str(tree), "last": last, **asdict(report)})
