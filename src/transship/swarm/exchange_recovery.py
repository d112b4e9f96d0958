"""What became of adoptions and releases that were cut off, and how they are ended.

The journal of the machine that began one knows of it. A label on the service keeps moves and other releases away, and
tells another machine that there is one, but nothing that it could act upon.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from transship.errors import (
    HostError,
    LockedError,
    NeedsRecoveryError,
    NotFoundError,
    PreflightError,
    StepError,
    UnhealthyError,
    UsageError,
)
from transship.hosts.base import Docker, Host
from transship.lifecycle import SETTLE_S
from transship.metrics.events import Listener, Recorder
from transship.migrations import Reach as Sought
from transship.migrations import interruptible
from transship.swarm.base import Swarm
from transship.swarm.change import holder
from transship.swarm.endings import Kind, end_each
from transship.swarm.exchange_ends import (
    drop_service,
    give_back_container,
    give_back_service,
    keep_service,
    prove_container,
    service_of,
)
from transship.swarm.exchange_record import ExchangeRecord, by_hand, from_label
from transship.swarm.journal import SwarmJournal
from transship.swarm.managers import named_managers
from transship.swarm.model import Node, Service
from transship.swarm.observe import require_node
from transship.swarm.reach import Connections, Reach, connections
from transship.swarm.record import CLAIM
from transship.swarm.records import Entry
from transship.swarm.watch import Goal, Watch

_COMING_S = 15.0


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """An adoption or release, what `recover` would do about it, and why.

    `wait`: a process of this machine is at work on it. `finish`: what shall run in the end runs, and the rest is done.
    `bring-back`: what ran before is made to run again. `forget`: nothing is left to do. `unreachable`: nobody could be
    asked. `elsewhere`: a service's label tells of it, and nothing can be done here.
    """

    record: ExchangeRecord
    would: Kind
    why: str


@dataclass(frozen=True, slots=True)
class ExchangeSeen:
    """What is there. `service`: `theirs` is one that has the label no more. `runs`: its task stays up on the node.

    A container that waits for its next restart, or that its health check finds unhealthy, counts as stopped. One that
    runs is proven before it is relied upon.
    """

    service: Literal["absent", "ours", "theirs"]
    runs: bool
    container: Literal["absent", "stopped", "running"]


def decide(record: ExchangeRecord, seen: ExchangeSeen) -> ExchangeStatus:
    """What is to be done about one that was cut off, from what is seen now. Pure.

    Forward only where what shall run runs and the other does not; else back, as long as there is something to go back
    to.
    """
    name, adopting = record.name, record.kind == "adopt"
    if seen.service == "theirs":
        return ExchangeStatus(record, "forget", f"the service {name} is there, and has no label of it any more")
    if seen.service == "absent" and (not adopting or seen.container == "absent" or record.stage == "begun"):
        return ExchangeStatus(record, "forget", f"there is no service {name} any more")
    arrived = seen.runs and seen.container != "running" if adopting else seen.container == "running" and not seen.runs
    if record.stage == "changed" and seen.service == "ours" and arrived:
        return ExchangeStatus(record, "finish", f"{name} runs as a {_THEN[record.kind]} on {record.node.name}")
    doubled = (adopting and seen.runs) or (not adopting and seen.container == "running")
    why = f"the {_THEN[record.kind]} {name} {'does not run alone' if doubled else 'does not run'} on {record.node.name}"
    return ExchangeStatus(record, "bring-back", why)


_THEN = {"adopt": "service", "release": "container"}
_OUTCOMES: Mapping[tuple[str, Kind], str] = {
    ("adopt", "finish"): "adopted",
    ("release", "finish"): "released",
    ("adopt", "bring-back"): "rolled-back",
    ("release", "bring-back"): "rolled-back",
}


def status(sought: Sought, exchange: str = "") -> list[ExchangeStatus]:
    """Those that have not ended, or the one that is named. Changes nothing.

    Where managers are named, also those that were begun on another machine.
    """
    with SwarmJournal.open(sought.state) as journal:
        return list(_found(journal, sought, exchange))


def history(sought: Sought, *, limit: int = 50) -> list[Entry[ExchangeRecord]]:
    """Those that this machine began last, newest first."""
    with SwarmJournal.open(sought.state) as journal:
        return journal.exchanges.history(limit)


def damaged(sought: Sought, *, ended: bool = True) -> list[str]:
    """Why some in the journal cannot be read, a sentence each; not `ended`: of those that are open."""
    with SwarmJournal.open(sought.state) as journal:
        return [str(error) for error in journal.exchanges.damaged(ended=ended)]


def recover(
    sought: Sought,
    exchange: str = "",
    *,
    only_back: bool = False,
    agreed: Callable[[ExchangeStatus], bool] = lambda _: True,
    listener: Listener | None = None,
) -> list[ExchangeStatus]:
    """End those that were cut off, or the one that is named, and return what was done. Twice changes nothing more.

    Raises as `recovery.recover`.
    """
    recorder = Recorder(listeners=[] if listener is None else [listener])
    with SwarmJournal.open(sought.state) as journal, interruptible():

        def end(found: ExchangeStatus) -> ExchangeStatus:
            record = found.record
            _refuse(found, agreed, only_back=only_back)
            with journal.at_work(record.id), recorder.phase(found.would, found.why):
                ended = _carry_out(found, sought, recorder)
                outcome = _OUTCOMES.get((record.kind, ended.would), "ended-by-others")
                journal.exchanges.save(replace(record, stage="ended", outcome=outcome, detail=ended.why))
            return ended

        damaged = () if exchange else journal.exchanges.damaged(ended=False)
        return end_each(_found(journal, sought, exchange), end, named=bool(exchange), damaged=damaged)


def _found(journal: SwarmJournal, sought: Sought, exchange: str) -> Iterator[ExchangeStatus]:
    """Those that were begun here, and those that the labels of services tell of, where managers are named."""
    here = _records(journal, exchange)
    yield from (_status(record, sought, journal) for record in here)
    if not (exchange and here):
        yield from _elsewhere(journal, sought, exchange)


def _records(journal: SwarmJournal, exchange: str) -> list[ExchangeRecord]:
    if exchange:
        found = journal.exchanges.find(exchange)
        return [found.record] if found is not None and found.record.stage != "ended" else []
    return [each.record for each in journal.exchanges.open()]


def _elsewhere(journal: SwarmJournal, sought: Sought, exchange: str) -> Iterator[ExchangeStatus]:
    """Those that the labels of services tell of, and this machine's journal does not. It can only say that they are."""
    for manager in named_managers(sought):
        for service in manager.services:
            record = from_label(service.labels.get(CLAIM, ""), service.id, service.name)
            if record is None or not record.id.startswith(exchange) or journal.exchanges.find(record.id):
                continue
            why = "it was begun on another machine, which alone can tell how far it is"
            yield ExchangeStatus(replace(record, manager=manager.address), "elsewhere", why)


def _status(record: ExchangeRecord, sought: Sought, journal: SwarmJournal) -> ExchangeStatus:
    try:
        with journal.at_work(record.id), _connected(record, sought) as connected:
            return decide(record, look(record, connected.swarm, lambda: _host(record, connected)))
    except LockedError as error:
        return ExchangeStatus(record, "wait", str(error))
    except (HostError, StepError, UsageError, PreflightError) as error:
        return ExchangeStatus(record, "unreachable", str(error))


def look(record: ExchangeRecord, swarm: Swarm, host: Callable[[], Host]) -> ExchangeSeen:
    """What is there of both now. The host is asked only where the service leaves something to do.

    A task that is just coming up is waited for: it may have begun to write.
    """
    service = service_of(swarm, record)
    if service is None and record.service and _is_there(swarm, record):
        return ExchangeSeen("theirs", runs=False, container="absent")
    if service is None and record.kind == "release":
        return ExchangeSeen("absent", runs=False, container="absent")
    runs = service is not None and service.replicas > 0 and _runs(swarm, service, record)
    return ExchangeSeen("absent" if service is None else "ours", runs, _container(host().docker, record))


def _is_there(swarm: Swarm, record: ExchangeRecord) -> bool:
    try:
        return holder(Service.read(swarm.service(record.service))) != record.id
    except NotFoundError:
        return False


def _runs(swarm: Swarm, service: Service, record: ExchangeRecord) -> bool:
    try:
        goal = Goal(1, frozenset({record.node.node}))
        watch, changed = Watch(swarm, service.id, ()), record.stage == "changed"
        watch.arrive(goal, _COMING_S if changed else 0.0)
        watch.stay(goal, SETTLE_S if changed else 0.0)
    except UnhealthyError:
        return False
    return True


def _container(docker: Docker, record: ExchangeRecord) -> Literal["absent", "stopped", "running"]:
    try:
        inspected = docker.inspect_container(record.container or record.aside)
    except NotFoundError:
        return "absent"
    state = inspected["State"]
    fails = state.get("Restarting") or (state.get("Health") or {}).get("Status") == "unhealthy"
    return "running" if state["Running"] and not fails else "stopped"


def _refuse(found: ExchangeStatus, agreed: Callable[[ExchangeStatus], bool], *, only_back: bool) -> None:
    record = found.record
    if found.would == "elsewhere":
        raise NeedsRecoveryError(f"{_called(found)}: {found.why}", hint=f"by hand: {by_hand(record)}")
    if found.would in {"wait", "unreachable"}:
        raise NeedsRecoveryError(
            f"{_called(found)}: {found.why}",
            hint="when that has changed, transship recover goes on",
        )
    if only_back and found.would == "finish":
        other = {"adopt": "release", "release": "adopt"}[record.kind]
        raise PreflightError(
            f"{found.why} already", hint=f"transship recover {record.id}, then transship swarm {other} {record.name}"
        )
    if found.would != "forget" and not agreed(found):
        raise PreflightError(
            f"nobody agreed to recover the {_NOUN[record.kind]} {record.id}; nothing was touched", hint="--yes"
        )


_NOUN = {"adopt": "adoption", "release": "release"}


def _called(found: ExchangeStatus) -> str:
    record = found.record
    return f"the {_NOUN[record.kind]} {record.id} of {record.name}"


def _carry_out(found: ExchangeStatus, sought: Sought, recorder: Recorder) -> ExchangeStatus:
    if found.would == "forget":
        return found
    with _connected(found.record, sought) as connected:
        return carry_out(found, connected.swarm, _host(found.record, connected), recorder)


def carry_out(found: ExchangeStatus, swarm: Swarm, host: Host, recorder: Recorder) -> ExchangeStatus:
    """Do what was decided, and return what was done: a container that does not prove itself gives the service back.

    Raises what made it impossible; then it may be tried again.
    """
    record = found.record
    if (found.would, record.kind) == ("finish", "release"):  # the service goes for good: a glance is not enough
        try:
            prove_container(host, record, recorder)
        except (NotFoundError, UnhealthyError) as error:
            found = replace(found, would="bring-back", why=str(error))
    match found.would, record.kind:
        case "finish", "adopt":
            keep_service(swarm, record)
        case "finish", "release":
            drop_service(swarm, record)
        case "bring-back", "adopt":
            give_back_container(swarm, host, record)
        case "bring-back", "release":
            give_back_service(swarm, host, record)
    return found


@contextmanager
def _connected(record: ExchangeRecord, sought: Sought) -> Iterator[Connections]:
    """A manager, by default the one that was asked. Raises what keeps one from it."""
    with connections(Reach(_manager(record, sought), ssh_config=sought.ssh_config)) as connected:
        yield connected


def _host(record: ExchangeRecord, connected: Connections) -> Host:
    """The host of the node. Raises what keeps one from it."""
    host = connected.open(record.node.address)
    require_node(host, Node.read(connected.swarm.node(record.node.node)))
    return host


def _manager(record: ExchangeRecord, sought: Sought) -> str:
    """The first host that is named with --host and knows the node as a manager; else the one that was asked."""
    knowing = (each.address for each in named_managers(sought) if record.node.node in each.nodes)
    return next(knowing, record.manager)
