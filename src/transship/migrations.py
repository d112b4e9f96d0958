"""What became of migrations: what is under way, what was done, and how to end what was cut off.

The journal of this machine is asked first. From any other machine `at` names a host of the migration, which has a copy
of the record; where a record's own address of a host means nothing here, both hosts are named.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from transship.engine import first_interrupt_only
from transship.errors import HostError, NeedsRecoveryError, PreflightError, TransshipError, UnreachableError, UsageError
from transship.forwarding.forwarder import Forwarder, start_forwarder, stop_forwarder
from transship.hosts.base import Host
from transship.hosts.keeper import Side
from transship.hosts.open import open_host
from transship.journal.decision import NOTHING_TOLD, Decision, Told
from transship.journal.recovery import explain
from transship.journal.store import Entry, Journal
from transship.metrics.events import Listener, Recorder
from transship.observe.source import read_spec
from transship.plan.forward_checks import forwarded_ports
from transship.plan.record import End, Made, Record
from transship.recover import Site, Sites, Situation, carry_out, look, site, stored_records

Opener = Callable[[str], Host]


@dataclass(frozen=True, slots=True)
class Reach:
    """How records and hosts are found: the journal's folder, hosts that are named, and how they are connected to.

    `at` are addresses of hosts of the migration, `ssh_config` and `opener` as in `api.Journey`.
    """

    state: Path | None = None
    at: tuple[str, ...] = ()
    ssh_config: Path | None = None
    opener: Opener | None = None

    def open(self, address: str) -> Host:
        """Connect to a host. Raises `UsageError` and `HostError`s."""
        return self.opener(address) if self.opener else open_host(address, ssh_config=self.ssh_config)


@dataclass(frozen=True, slots=True)
class Status:
    """A migration, and in one sentence what runs where. `decision` is what `recover` would do.

    `unreached` says why a host could not be looked at, a sentence each.
    """

    record: Record
    sentence: str
    decision: Decision
    unreached: tuple[str, ...] = ()


def history(reach: Reach, *, limit: int = 50) -> list[Entry]:
    """The migrations that this machine began last, newest first; see `damaged` for others. Raises `JournalError`."""
    with Journal.open(reach.state) as journal:
        return journal.history(limit)


def damaged(reach: Reach, *, ended: bool = True) -> list[str]:
    """What cannot be read of this machine's migrations, a sentence each; `ended`: also of those that have ended."""
    with Journal.open(reach.state) as journal:
        return [str(error) for error in journal.damaged(ended=ended)]


def status(reach: Reach, migration: str = "") -> list[Status]:
    """What has not ended, or the one that is named, as both hosts are now. Changes nothing.

    Raises `UsageError` where nothing is known of the one that is named, and `HostError` for a host in `at`.
    """
    with Journal.open(reach.state) as journal, _connections(reach) as hosts:
        found = []
        for record in _records(journal, hosts, migration):
            sites = hosts.sites(record)
            seen = look(record, sites)
            unreached = tuple(each.why for each in sites.values() if each.why)
            found.append(Status(record, explain(record, seen.source, seen.target), seen.decision, unreached))
        return found


def find(reach: Reach, migration: str) -> Record:
    """The record of a migration, ended or not. Raises `UsageError` where none is known that its hosts agree on."""
    with Journal.open(reach.state) as journal, _connections(reach) as hosts:
        (record,) = _records(journal, hosts, migration)
        if doubts := hosts.doubts(record):
            raise UsageError("; ".join(doubts))
        return record


def recover(
    reach: Reach,
    migration: str = "",
    *,
    told: Told = NOTHING_TOLD,
    only_back: bool = False,
    agreed: Callable[[Situation], bool] = lambda _: True,
    listener: Listener | None = None,
) -> list[Situation]:
    """End what was cut off: everything that has not ended, or the one that is named.

    `agreed` is asked before anything is done. `only_back`: the source shall serve, and nothing be finished. Returns
    what was decided, each; twice changes nothing more. Where all are meant, one that cannot be ended keeps none of the
    others from it (nor one that the journal cannot tell of), and one that is under way is left alone; the error that is
    raised when all were tried says what every one said, and its `result` is what would have been returned.

    Raises:
        UsageError: nothing is known of the one that is named, or something is told of several.
        PreflightError: `agreed` said no, or it can only be finished; nothing was touched.
        NeedsRecoveryError: it is under way, or a person must say something first, and the message says what; or
            Ctrl-C came.
        TransshipError: of the action that failed; then it may be called again.

    """
    recorder = Recorder(listeners=[] if listener is None else [listener])
    ended: list[Situation] = []
    with interruptible(), Journal.open(reach.state) as journal, _connections(reach) as hosts:
        failed: list[TransshipError] = [] if migration else [*journal.damaged(ended=False)]
        records = _records(journal, hosts, migration)
        if told != NOTHING_TOLD and len(records) > 1:
            raise UsageError("what is told holds for one migration: say which", hint="transship status lists them")
        for record in records:
            sites = hosts.sites(record)
            try:
                found = look(record, sites, told)
                if migration or found.decision.kind != "wait":
                    _refuse(found, agreed, only_back=only_back)
                if found.decision.actions:
                    found = replace(found, decision=carry_out(found, sites, journal, recorder, told))
                ended.append(found)
            except TransshipError as error:
                failed.append(error)
    if failed:
        raise _together(failed, ended)
    return ended


def forward(reach: Reach, migration: str, *, address: str = "") -> Forwarder:
    """Leave a forwarder on the host that a container has moved away from, and return what it forwards.

    One that is there already is replaced. `address` is the target's, as the source reaches it; by default the one by
    which it is reached from here.

    Raises:
        UsageError: nothing is known of the migration.
        PreflightError: it has not moved the container, or there is nothing to forward.
        HostError: a host cannot be used.
        StepError: the source, which may have been removed, is not there; a port is taken; or the target does not answer
            it. Then there is no forwarder.

    """
    with _known(reach, migration) as (record, sites):
        if record.outcome != "moved":
            raise PreflightError(
                f"migration {record.id} of {record.container} has not moved it, so nothing is to be forwarded",
                hint=f"transship status {record.id} says what became of it",
            )
        source = _reached(sites, "source", record)
        spec = read_spec(source.docker, source.docker.inspect_container(record.container_id))
        ports = forwarded_ports(spec)
        if not ports:
            raise PreflightError(f"{record.container} publishes no port that could be forwarded")
        to = address or _reached(sites, "target", record).network_address
        forwarder = Forwarder(record.id, record.retired_name.replace(".moved-to.", ".forwarded-to."), ports, to)
        start_forwarder(source, forwarder)
        return forwarder


def stop_forwarding(reach: Reach, migration: str) -> bool:
    """Remove the forwarder of a migration, and return whether there was one. Raises `UsageError` and `HostError`."""
    with _known(reach, migration) as (record, sites):
        return stop_forwarder(_reached(sites, "source", record).docker, record.id)


@contextmanager
def _known(reach: Reach, migration: str) -> Iterator[tuple[Record, Sites]]:
    """A migration, and its hosts as far as they can be reached."""
    with Journal.open(reach.state) as journal, _connections(reach) as hosts:
        (record,) = _records(journal, hosts, migration)
        yield record, hosts.sites(record)


def _reached(sites: Sites, side: Side, record: Record) -> Host:
    """One host of a migration. Raises `UnreachableError` where it cannot be used."""
    found = sites[side]
    if found.host is None:
        raise UnreachableError(
            f"the {side} of migration {record.id} cannot be used: {found.why}", hint="--host HOST says where it is"
        )
    return found.host


def _together(failed: Sequence[TransshipError], ended: Sequence[Situation]) -> TransshipError:
    """One error that says what all say, of the worst one's class."""
    worst = max(failed, key=lambda each: each.exit_code)
    error = type(worst)("; ".join(map(str, failed)), hint="; ".join(filter(None, (each.hint for each in failed))))
    error.__cause__ = worst
    error.result = tuple(ended)
    return error


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C (or SIGTERM, or the end of the terminal) ends it in order: what is locked is let go."""
    with first_interrupt_only():
        try:
            yield
        except KeyboardInterrupt as error:
            raise NeedsRecoveryError("interrupted", hint="transship recover goes on from there") from error


def _refuse(found: Situation, agreed: Callable[[Situation], bool], *, only_back: bool) -> None:
    """Raise what keeps it from being ended, if anything does."""
    decision, record = found.decision, found.record
    if only_back and (decision.kind == "finish" or found.outcome.startswith("moved")):
        first = f"transship recover {record.id} ends the move, then " if decision.actions else ""
        raise PreflightError(
            f"{record.container} was handed over to {record.target.name} already, and may have written data there",
            hint=f"{first}transship switch-back {record.id} returns with all data",
        )
    if decision.kind == "wait":
        raise NeedsRecoveryError(
            f"migration {record.id} of {record.container}: {decision.why}",
            hint=f"it was begun by {record.coordinator}: Ctrl-C there takes it back; if that process is lost, it ends "
            "within seconds",
        )
    if decision.kind == "ask":
        choices = (
            f"transship recover {record.id} {offer}: {meaning}" for offer, meaning in decision.choices(record).items()
        )
        raise NeedsRecoveryError(
            f"migration {record.id} of {record.container}: {decision.why}", hint="; ".join(choices)
        )
    if decision.actions and not agreed(found):
        raise PreflightError(
            f"nobody agreed to recover migration {record.id}; nothing was touched", hint="--yes says yes beforehand"
        )


class _Connections:
    """Hosts that are connected as they are needed, once each."""

    def __init__(self, reach: Reach, stack: ExitStack) -> None:
        self._reach = reach
        self._stack = stack
        self._by_address: dict[str, Site] = {}
        self._daemons: dict[str, str] = {}
        """The id of the Docker daemon by the address that it was reached at."""
        self._doubts: dict[tuple[str, Side], str] = {}
        self._stored: dict[int, dict[str, Record]] = {}
        for address in reach.at:
            self._connect(address)

    @property
    def named(self) -> Sequence[Site]:
        """The hosts that the user has named."""
        return [self._by_address[address] for address in self._reach.at]

    def sites(self, record: Record) -> Sites:
        """Both hosts of a migration, as far as they can be reached, and nobody doubts that they have to do with it."""
        twins = record.source.daemon == record.target.daemon
        sides: dict[Side, Site] = {}
        for side, end in _ends(record):
            why = self._doubts.get((record.id, side))
            sides[side] = Site(why=why) if why else self._site(end, twins=twins)
        return sides

    def doubt(self, record: Record, side: Side, why: str) -> None:
        """Have nothing done for a migration on one of its hosts."""
        self._doubts[record.id, side] = why

    def doubts(self, record: Record) -> list[str]:
        """Why nothing may be done for a migration on its hosts, a sentence each."""
        return [why for (id_, _), why in self._doubts.items() if id_ == record.id]

    def stored(self, where: Site) -> dict[str, Record]:
        """The records on a host, by id, as they were when it was first asked. Raises as `stored_records`."""
        if where.host is None:
            return {}
        if id(where.host) not in self._stored:
            self._stored[id(where.host)] = {id_: record for id_, (record, _) in stored_records(where).items()}
        return self._stored[id(where.host)]

    def _site(self, end: End, *, twins: bool) -> Site:
        """The host that was called so, or has that daemon. Copies of a machine, `twins`, only a name tells apart."""
        if not twins and end.name not in self._by_address and (known := self._of(end.daemon)):
            return known
        if end.name not in self._by_address:
            try:
                self._connect(end.name)
            except (HostError, UsageError) as error:
                self._by_address[end.name] = Site(why=str(error))
        if self._daemons.get(end.name) == end.daemon:
            return self._by_address[end.name]
        # Another machine may call another host by this name.
        other = f"{end.name} is another Docker daemon from here than the migration's: name its host with --host"
        known = None if twins else self._of(end.daemon)
        return known or Site(why=self._by_address[end.name].why or other)

    def _of(self, daemon: str) -> Site | None:
        """The host with this daemon, under whatever name; None where there is none, or more than one."""
        found = [self._by_address[address] for address, each in self._daemons.items() if each == daemon]
        return found[0] if len(found) == 1 else None

    def _connect(self, address: str) -> None:
        host = self._stack.enter_context(self._reach.open(address))
        found = site(host)
        self._by_address[address] = found
        self._daemons[address] = str(host.docker.info()["ID"])


@contextmanager
def _connections(reach: Reach) -> Iterator[_Connections]:
    with ExitStack() as stack:
        yield _Connections(reach, stack)


def _records(journal: Journal, hosts: _Connections, migration: str) -> list[Record]:
    """The records asked for: the one that is named, or all that have not ended. The journal's where it has one."""
    there = _copies(hosts)
    if migration:
        found = [record for id_, record in there.items() if id_.startswith(migration)]
        try:
            return [journal.get(migration).record]
        except UsageError as error:
            if len(found) == 1:
                return [_vouched(found[0], hosts)]
            if not found:
                error.hint += "; one that another machine began is known to its hosts: --host HOST --host HOST"
            raise
    here = {entry.record.id: entry.record for entry in journal.open_()}
    cut_off = (record for id_, record in there.items() if id_ not in here and record.stage != "ended")
    return [
        *(_vouched(record, hosts) for record in cut_off),
        *(each for each in here.values() if each.stage != "ended"),
    ]


def _copies(hosts: _Connections) -> dict[str, Record]:
    """The records that the named hosts have, by id. It has ended only where every copy says so: one may be behind."""
    found: dict[str, Record] = {}
    for each in hosts.named:
        for id_, record in hosts.stored(each).items():
            if id_ not in found or found[id_].stage == "ended":
                found[id_] = record
    return found


def _vouched(record: Record, hosts: _Connections) -> Record:
    """The record as each host has it itself: what one host says of another is not believed.

    So a host that lies, or whose files somebody has forged, harms nobody else. Nothing is done on a host whose own copy
    says something else, or that has none, unless nothing had been made yet.
    """
    sites = hosts.sites(record)
    copies: dict[Side, Record] = {}
    for side, where in sites.items():
        with suppress(HostError):
            if copy := hosts.stored(where).get(record.id):
                copies[side] = copy
    for side, end in _ends(record):
        if side not in copies and record.stage != "preparing" and not sites[side].why:
            hosts.doubt(record, side, f"{end.name} has no record of migration {record.id}: go to where that was begun")
        if side in copies and _between(copies[side]) != _between(record):
            hosts.doubt(record, side, f"{end.name} has another record of migration {record.id} than the other host")
    found = copies.get("source", record)
    if there := copies.get("target"):
        return replace(found, made=there.made, since=there.since, arriving=there.arriving)
    return found if sites["target"].why else replace(found, made=Made())


def _between(record: Record) -> tuple[str, str, str]:
    """Which container goes from where to where: a second try changes nothing of that."""
    return record.container_id, record.source.daemon, record.target.daemon


def _ends(record: Record) -> tuple[tuple[Side, End], ...]:
    return ("source", record.source), ("target", record.target)
