"""Ending what was cut off: both hosts are observed, `journal.recovery` decides, and here it is carried out."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from transship.errors import EndedError, HostError, NeedsRecoveryError, NotFoundError, UnhealthyError
from transship.hosts.agent import start_agent
from transship.hosts.base import Docker, Host, Json
from transship.hosts.facts import RootAccess, observe_host
from transship.hosts.keeper import Side, start_keeper
from transship.hosts.readiness import keeper_root
from transship.journal.decision import NOTHING_TOLD, Action, Decision, Seen, Told
from transship.journal.recovery import decide
from transship.journal.store import Journal
from transship.journal.stored import JournalError, from_json
from transship.ledger import Ledger, Post
from transship.lender import retire_lender, stop_lender
from transship.lifecycle import ProveHealthy
from transship.metrics.events import Recorder
from transship.plan.record import Record, Stage
from transship.transfer.frozen import kill_frozen
from transship.undo import Patience, ask, clean_up, find_arrived, restore_source, stop_target

_HEALTH_S = 60.0
_NEVER = "0001-01-01"


@dataclass(frozen=True, slots=True)
class Site:
    """One host of a migration. Without `host` it cannot be reached, and `why` says for what reason.

    `root` is how a keeper becomes root there; None where none can.
    """

    host: Host | None = None
    root: RootAccess | None = None
    why: str = ""


Sites = Mapping[Side, Site]


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a migration, what was seen of it, and what is to be done about it.

    `outcome` is how it ended, where any copy of the record says that it has.
    """

    record: Record
    source: Seen
    target: Seen
    decision: Decision
    outcome: str = ""


def site(host: Host) -> Site:
    """What matters here of a host that is connected. Raises what `observe_host` raises."""
    return Site(host, keeper_root(observe_host(host)))


def stored_records(where: Site) -> dict[str, tuple[Record, bool]]:
    """The records on a host by id, and whether somebody is at work on each. One that cannot be read is left out."""
    if where.host is None or where.root is None:
        return {}
    with start_keeper(where.host, where.root) as keeper:
        stored = keeper.records()
    found = {}
    for each in stored:
        try:
            record = from_json(each["record"], f"{where.host.name}:{each['file']}")
        except JournalError:
            continue
        found[record.id] = record, bool(each["held"])
    return found


def look(record: Record, sites: Sites, told: Told = NOTHING_TOLD) -> Situation:
    """Observe both hosts, and decide. Changes nothing."""
    copies, sides = {}, {}
    inspections: dict[Side, Callable[[Docker], Json]] = {
        "source": lambda docker: docker.inspect_container(record.container_id),
        "target": lambda docker: find_arrived(docker, record),
    }
    for side, inspect in inspections.items():
        try:
            copies[side] = stored_records(sites[side]).get(record.id, (None, False))
            sides[side] = _seen(sites[side], copies[side], inspect)
        except HostError:
            sides[side] = Seen(reachable=False)
    outcomes = (each.outcome for each in (record, *(copy for copy, _ in copies.values())) if each)
    decision = decide(record, sides["source"], sides["target"], told)
    return Situation(record, sides["source"], sides["target"], decision, next(filter(None, outcomes), ""))


def _seen(where: Site, stored: tuple[Record | None, bool], inspect: Callable[[Docker], Json]) -> Seen:
    """Raises `HostError` where the host is out of reach by now."""
    if where.host is None:
        return Seen(reachable=False)
    copy, held = stored
    seen = Seen(reachable=True, stage=copy.stage if copy else None, held=held)
    try:
        found = inspect(where.host.docker)
    except NotFoundError:
        return seen
    state, policy = found["State"], found["HostConfig"].get("RestartPolicy") or {}
    return replace(
        seen,
        policy=policy.get("Name") or "",
        present=True,
        state=str(state["Status"]),
        ran=not str(state.get("StartedAt") or _NEVER).startswith(_NEVER),
        health=(state.get("Health") or {}).get("Status") or "none",
    )


def carry_out(found: Situation, sites: Sites, journal: Journal, recorder: Recorder, told: Told) -> Decision:
    """Do what was decided, under the migration's locks; return what was decided when they were held.

    Raises `NeedsRecoveryError` where things have changed since so that something else would be done, which nobody has
    agreed to, and the error of an action that failed. Then it may be carried out again.
    """
    record = found.record
    posts = {
        side: Post(each.host, each.root, _locks(record, side))
        for side, each in sites.items()
        if each.host and not (record.settles and side == "target")  # the same host, which has one keeper
    }
    # A target without a copy was told nothing that it could act by.
    stages: dict[Side, Stage] = {"target": found.target.stage or "fenced"}
    if found.source.stage:
        stages["source"] = found.source.stage
    with Ledger(record, journal, posts) as ledger:
        try:
            ledger.take_over(stages)
        except EndedError:  # while it was thought about; the stages that are written down now say so
            found = look(record, sites, told)
            if found.decision.kind != "nothing":
                raise
            return carry_out(found, sites, journal, recorder, told)
        now = look(record, sites, told)
        source, target = _without_ours(found.source, now.source), _without_ours(found.target, now.target)
        decision = decide(record, source, target, told)
        agreed = (found.decision.kind, found.decision.actions)
        if decision.kind != "nothing" and (decision.kind, decision.actions) != agreed:
            raise NeedsRecoveryError(
                f"things have changed since it was looked at: {decision.why}",
                hint=f"transship status {record.id} shows what would be done now",
            )
        hands = _Hands(record, ledger, sites, recorder)
        for action in decision.actions:
            with recorder.phase(action):
                hands.do(action)
        if "end" in decision.actions:
            outcome = "moved" if decision.kind == "finish" else "rolled-back"
            ledger.end(now.outcome or outcome, decision.why)
    return decision


def _without_ours(before: Seen, now: Seen) -> Seen:
    """What is seen of a host now that it is locked: a copy of the record that there was not before is of our making."""
    return replace(now, held=False, stage=now.stage if before.stage else None)


def _locks(record: Record, side: Side) -> tuple[str, ...]:
    if side == "source":
        return (f"container:{record.container_id}",)
    return (f"name:{record.arriving}", *(f"volume:{volume}" for volume in record.made.volumes))


@dataclass(frozen=True, slots=True)
class _Hands:
    """Carries out single actions; each may be done twice."""

    record: Record
    ledger: Ledger
    sites: Sites
    recorder: Recorder

    def do(self, action: Action) -> None:
        actions: dict[Action, Callable[[], None]] = {
            "stop-target": self._stop_target,
            "restore-source": lambda: self._restore(told_to_stop=True),
            "return-policy": lambda: self._restore(told_to_stop=False),
            "clean-target": self._clean_target,
            "stop-source": self._stop_source,
            "start-target": self._start_target,
            "settle-target": self._settle_target,
            "prove-target": self._prove_target,
            "commit": lambda: self.ledger.advance("committed"),
            "retire-source": self._retire_source,
            "set-source-aside": self._set_source_aside,
            "end": lambda: None,  # is done at the end of all
        }
        Patience()(actions[action])

    def _host(self, side: Side) -> Host:
        host = self.sites[side].host
        if host is None:
            raise RuntimeError(f"a decision touches the {side}, which cannot be reached")
        return host

    def _root(self, side: Side) -> RootAccess:
        return self.sites[side].root or "none"

    def _stop_target(self) -> None:
        self.ledger.revoke()
        stop_target(self._host("target"), self._root("target"), self._arrived())

    def _restore(self, *, told_to_stop: bool) -> None:
        if self.sites["target"].host:
            self.ledger.revoke()
        self.ledger.reclaim()
        self._leave_network()
        restore_source(self._host("source"), self._root("source"), self.record, told_to_stop=told_to_stop)
        self.ledger.settle()

    def _leave_network(self) -> None:
        """A target that has the address of what does not run there gives it up."""
        target = self.sites["target"].host
        if target and self.record.made.sandbox:
            with suppress(NotFoundError):
                target.docker.stop(self.record.made.sandbox, grace=0)

    def _clean_target(self) -> None:
        host, root = self._host("target"), self._root("target")
        if left := clean_up(self.record, host, root, self.recorder):
            raise NeedsRecoveryError(
                f"the source serves, but this could not be removed from {host.name}: {', '.join(left)}",
                hint=f"transship recover {self.record.id} tries again",
            )

    def _stop_source(self) -> None:
        docker = self._host("source").docker
        docker.set_restart_policy(self.record.container_id, {"Name": "no"})
        docker.stop(self.record.container_id)
        stop_lender(docker, self.record)

    def _start_target(self) -> None:
        self.ledger.advance("released")
        docker, container = self._host("target").docker, self._arrived().made.container
        if self.record.made.sandbox:
            docker.start(self.record.made.sandbox)
        if docker.inspect_container(container)["State"]["Paused"]:
            docker.unpause(container)
        else:
            docker.start(container)

    def _settle_target(self) -> None:
        record = self._arrived()
        if record.memory:
            ask(self._host("target"), self._root("target"), "complete", record)
        self._host("target").docker.set_restart_policy(record.made.container, record.restart_policy)

    def _prove_target(self) -> None:
        target, proof = self._host("target"), ProveHealthy(None, _HEALTH_S)
        try:
            proof.prove(target, self._arrived().made.container, self.recorder)
        except UnhealthyError as error:
            raise NeedsRecoveryError(
                f"{error}; it may have newer data than {self.record.source.name}",
                hint=f"transship recover {self.record.id} --keep source or --keep target decides which copy stays",
            ) from error

    def _retire_source(self) -> None:
        host, record = self._host("source"), self.record
        frozen = host.docker.inspect_container(record.container_id)["State"]["Paused"]
        if frozen or record.memory:
            with start_agent(host, self._root("source")) as agent:
                if frozen:
                    kill_frozen(host.docker, lambda: agent, record.container_id)
                if record.memory:
                    agent.call("wipe", paths=[])  # the images of whoever was killed
        if record.retire == "remove":
            host.docker.remove_container(record.container_id)
            retire_lender(host.docker, record)
        else:
            self._set_source_aside()

    def _set_source_aside(self) -> None:
        docker, record = self._host("source").docker, self.record
        docker.set_restart_policy(record.container_id, {"Name": "no"})
        if docker.inspect_container(record.container_id)["Name"] != f"/{record.retired_name}":
            docker.rename(record.container_id, record.retired_name)
        retire_lender(docker, replace(record, retire="keep"))

    def _arrived(self) -> Record:
        """The record with the id of the target's container, also where that was not written down in time."""
        container = str(find_arrived(self._host("target").docker, self.record)["Id"])
        return replace(self.record, made=replace(self.record.made, container=container))
