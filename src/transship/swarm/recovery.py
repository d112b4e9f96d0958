"""What became of services' moves that were cut off, and how they are ended.

The journal of this machine tells of those that were begun here. From another machine a manager is named: the label of
the service has the record, too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

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
from transship.metrics.events import Listener, Recorder
from transship.migrations import Reach as Sought
from transship.migrations import interruptible
from transship.plan.record import Made
from transship.swarm.base import Swarm
from transship.swarm.beat import end_beat, is_beating
from transship.swarm.belongings import removable, withdraw
from transship.swarm.change import claimed_by, holder, is_drained_by
from transship.swarm.endings import Kind, end_each
from transship.swarm.journal import ServiceEntry, SwarmJournal
from transship.swarm.managers import Manager, named_managers
from transship.swarm.model import Service
from transship.swarm.reach import Connections, Reach, connections
from transship.swarm.record import ServiceMove
from transship.swarm.settle import finish, give_back_node, go_back, goal_of, is_at
from transship.swarm.watch import Watch, tasks_of

_WAY_BACK_S = 120.0
_COMING_S = 15.0


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A move of a service, what `recover` would do about it, and why.

    `wait`: a process is at work on it, here or on another machine. `finish`: the service runs on its new node, and what
    was changed for the move is put back. `bring-back`: it is led to where it ran. `clean-up`: it is there, and what was
    brought is removed. `forget`: the service has the move's label no more, so nothing is left to do. `unreachable`:
    nobody could be asked.
    """

    record: ServiceMove
    would: Kind
    why: str


@dataclass(frozen=True, slots=True)
class _Open:
    """A move that has not ended. `elsewhere`: this machine did not begin it, and only the service's label tells of it.

    A label does not say how far the move is, so the furthest is assumed. What it says of hosts is not believed: it
    names what could be removed there.
    """

    record: ServiceMove
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """What a manager tells of a service that a move was begun for.

    `claimed`: it has the move's label. `changed`: Swarm was told something. `arrived`: all tasks run where they shall.
    `home`: they all run where they ran.
    """

    present: bool
    claimed: bool = False
    changed: bool = False
    arrived: bool = False
    home: bool = False


def decide(record: ServiceMove, seen: ServiceSeen) -> ServiceStatus:
    """What is to be done about a move that was cut off, from what is seen of the service now. Pure."""
    if not seen.present:
        return ServiceStatus(record, "forget", f"there is no service {record.name} any more")
    if record.stage == "restored" and seen.home:
        return ServiceStatus(record, "clean-up", f"{record.name} runs where it ran")
    if not seen.claimed:
        return ServiceStatus(record, "forget", f"{record.name} is no longer claimed: somebody else has ended the move")
    if seen.arrived:  # never at home: none of its nodes is where the service shall run
        return ServiceStatus(record, "finish", f"{record.name} runs on {record.target.name}")
    if seen.changed:
        why = f"{record.name} does not run on {record.target.name} as it should"
        return ServiceStatus(record, "bring-back", why)
    return ServiceStatus(record, "bring-back", f"{record.name} was claimed, and nothing else of it was changed")


def status(sought: Sought, move: str = "") -> list[ServiceStatus]:
    """The moves of services that have not ended, or the one that is named. Changes nothing."""
    with SwarmJournal.open(sought.state) as journal:
        return [_status(each, sought, journal) for each in _open(journal, sought, move)]


def history(sought: Sought, *, limit: int = 50) -> list[ServiceEntry]:
    """The moves of services that this machine began last, newest first."""
    with SwarmJournal.open(sought.state) as journal:
        return journal.moves.history(limit)


def damaged(sought: Sought, *, ended: bool = True) -> list[str]:
    """Why moves of services in the journal cannot be read, a sentence each; not `ended`: of those that are open."""
    with SwarmJournal.open(sought.state) as journal:
        return [str(error) for error in journal.moves.damaged(ended=ended)]


def recover(
    sought: Sought,
    move: str = "",
    *,
    only_back: bool = False,
    agreed: Callable[[ServiceStatus], bool] = lambda _: True,
    listener: Listener | None = None,
) -> list[ServiceStatus]:
    """End what was cut off, all of it or the move that is named, and return what was done. Twice changes nothing more.

    Where all are meant, one that cannot be ended keeps none of the others from it; the first such error is raised when
    all were tried, and its `result` is what would have been returned.

    Raises:
        PreflightError: `agreed` said no, or `only_back` was asked for and the service has arrived.
        NeedsRecoveryError: it is under way, the manager cannot be reached, or Ctrl-C came.
        TransshipError: of the action that failed; then it may be called again.

    """
    recorder = Recorder(listeners=[] if listener is None else [listener])
    with SwarmJournal.open(sought.state) as journal, interruptible():

        def end(found: ServiceStatus) -> ServiceStatus:
            _refuse(found, agreed, only_back=only_back)
            with journal.at_work(found.record.id), recorder.phase(found.would, found.why):
                return _carry_out(found, sought, journal, recorder)

        found = (_status(each, sought, journal) for each in _open(journal, sought, move))
        damaged = () if move else journal.moves.damaged(ended=False)
        return end_each(found, end, named=bool(move), damaged=damaged)


def _status(move: _Open, sought: Sought, journal: SwarmJournal) -> ServiceStatus:
    record = move.record
    try:
        with journal.at_work(record.id), connections(_reach(record, sought)) as connected:
            if move.elsewhere and is_beating(connected.swarm, record):
                return ServiceStatus(record, "wait", f"a process on {record.coordinator} is at work on it")
            return decide(record, _see(record, connected))
    except LockedError as error:
        return ServiceStatus(record, "wait", str(error))
    except (HostError, StepError, UsageError) as error:
        return ServiceStatus(record, "unreachable", str(error))


def _see(record: ServiceMove, connected: Connections) -> ServiceSeen:
    try:
        service = Service.read(connected.swarm.service(record.service))
    except NotFoundError:
        return ServiceSeen(present=False)
    if holder(service) != record.id:
        home = goal_of(connected.swarm, record, record.home)
        return ServiceSeen(present=True, home=is_at(connected.swarm, record, home))
    pinned = bool(record.pins) and set(record.pins) <= set(service.constraints)
    drained = record.method == "drain" and is_drained_by(connected.swarm, record)
    changed = pinned or drained or service.spec.get("Mode") != record.before.mode
    return ServiceSeen(present=True, claimed=True, changed=changed, arrived=_arrives(connected.swarm, record))


def _arrives(swarm: Swarm, record: ServiceMove) -> bool:
    """Whether it runs where it shall. What is just coming up there is waited for: it may have begun to write."""
    goal, tasks = goal_of(swarm, record, record.goal), tasks_of(swarm, record.service)
    coming = any(task.wanted and not task.ended and not task.running and task.node in goal.nodes for task in tasks)
    if not coming:
        return is_at(swarm, record, goal)
    try:
        grace_s = Service.read(swarm.service(record.service)).grace_s  # the new task waits for the end of the old one
        Watch(swarm, record.service, [task for task in tasks if task.ended]).arrive(goal, _COMING_S + grace_s)
    except UnhealthyError:
        return False
    return True


def _refuse(found: ServiceStatus, agreed: Callable[[ServiceStatus], bool], *, only_back: bool) -> None:
    record = found.record
    if found.would in {"wait", "unreachable"}:
        raise NeedsRecoveryError(
            f"the move {record.id} of {record.name}: {found.why}",
            hint="when that has changed, transship recover goes on; Swarm itself goes on with what it was told",
        )
    if only_back and found.would == "finish":
        raise PreflightError(
            f"{record.name} runs on {record.target.name} already",
            hint=f"transship recover {record.id}, then transship swarm move {record.name} --to {record.source.name}",
        )
    if found.would != "forget" and not agreed(found):
        raise PreflightError(f"nobody agreed to recover the move {record.id}; nothing was touched", hint="--yes")


_OUTCOMES: Mapping[Kind, str] = {
    "finish": "moved",
    "bring-back": "rolled-back",
    "clean-up": "rolled-back",
    "forget": "ended-by-others",
}


def _carry_out(found: ServiceStatus, sought: Sought, journal: SwarmJournal, recorder: Recorder) -> ServiceStatus:
    """Do what was decided, and return it with what is left of the move."""
    record, brought = found.record, _withdrawn(found)
    with connections(_reach(record, sought)) as connected:
        end_beat(connected.swarm, record)
        if found.would == "finish":
            finish(connected.swarm, record)
        elif found.would == "bring-back":
            go_back(connected.swarm, record, _WAY_BACK_S)
            journal.moves.save(replace(record, stage="restored", made=brought))
        else:
            give_back_node(connected.swarm, record)  # who has ended the move knows nothing of its drained node
        if brought != Made():
            withdraw(replace(record, made=brought), connected.open(record.target.address), recorder)
    kept = [name for name in record.made.volumes if name not in brought.volumes and found.would != "finish"]
    if kept:
        words = f"{', '.join(kept)} on {record.target.name}, in which it may have written, stays"
        found = replace(found, why=f"{found.why}; the volume {words}")
    journal.moves.save(replace(record, stage="ended", outcome=_OUTCOMES[found.would], detail=found.why))
    return found


def _withdrawn(found: ServiceStatus) -> Made:
    """What is removed from the target: no data where the service may have run there, nothing that others may use."""
    if found.would not in {"bring-back", "clean-up"}:
        return Made()
    return removable(found.record)


def _open(journal: SwarmJournal, sought: Sought, move: str) -> list[_Open]:
    """Those that were begun here, and those that the labels of services tell of, where managers are named."""
    managers = named_managers(sought)
    entry = journal.moves.find(move) if move else None
    if entry is not None:
        return [_Open(_asking(managers, entry.record))] if entry.record.stage != "ended" else []
    here = () if move else journal.moves.open()
    found = {each.record.id: _Open(_asking(managers, each.record)) for each in here}
    for manager in managers:
        for told in map(claimed_by, manager.services):
            if told is not None and told.id.startswith(move):
                record = replace(told, manager=manager.address, made=Made(), stage="changed")
                found.setdefault(told.id, _Open(record, elsewhere=True))
    return list(found.values())


def _asking(managers: Iterable[Manager], record: ServiceMove) -> ServiceMove:
    """The record with the manager that was named for its swarm, by default the one that was asked when it began."""
    own = {record.source.node, record.target.node}
    return next((replace(record, manager=each.address) for each in managers if own & each.nodes), record)


def _reach(record: ServiceMove, sought: Sought) -> Reach:
    return Reach(record.manager, ssh_config=sought.ssh_config, state=sought.state)
