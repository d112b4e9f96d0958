"""What became of migrations: what is under way, what was done, and how to end what was cut off.

The journal of this machine is asked first. From any other machine `at` names a host of the migration, which has a copy
of the record; where a record's own address of a host means nothing here, both hosts are named.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from transship.engine import first_interrupt_only
from transship.errors import HostError, NeedsRecoveryError, PreflightError, TransshipError, UsageError
from transship.hosts.base import Host
from transship.hosts.keeper import Side
from transship.hosts.open import open_host
from transship.journal.decision import NOTHING_TOLD, Decision, Told
from transship.journal.recovery import explain
from transship.journal.store import Entry, Journal
from transship.metrics.events import Listener, Recorder
from transship.plan.record import End, Record
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
    """The migrations that this machine began last, newest first. Raises `JournalError`."""
    with Journal.open(reach.state) as journal:
        return journal.history(limit)


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
    """The record of a migration, ended or not. Raises `UsageError` where none is known."""
    with Journal.open(reach.state) as journal, _connections(reach) as hosts:
        return _records(journal, hosts, migration)[0]


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
    others from it, and one that is under way is left alone; the error that is raised when all were tried says what
    every one said, and its `result` is what would have been returned.

    Raises:
        UsageError: nothing is known of the one that is named, or something is told without naming one.
        PreflightError: `agreed` said no, or it can only be finished; nothing was touched.
        NeedsRecoveryError: it is under way, or a person must say something first, and the message says what; or
            Ctrl-C came.
        TransshipError: of the action that failed; then it may be called again.

    """
    if told != NOTHING_TOLD and not migration:
        raise UsageError("what is told holds for one migration: say which", hint="transship status lists them")
    recorder = Recorder(listeners=[] if listener is None else [listener])
    ended: list[Situation] = []
    failed: list[TransshipError] = []
    with _interruptible(), Journal.open(reach.state) as journal, _connections(reach) as hosts:
        for record in _records(journal, hosts, migration):
            sites = hosts.sites(record)
            try:
                found = look(record, sites, told)
                if found.decision.kind == "wait" and not migration:
                    continue
                _refuse(found, agreed, only_back=only_back)
                if found.decision.actions:
                    found = replace(found, decision=carry_out(found, sites, journal, recorder, told))
                ended.append(found)
            except TransshipError as error:
                failed.append(error)
    if failed:
        raise _together(failed, ended)
    return ended


def _together(failed: Sequence[TransshipError], ended: Sequence[Situation]) -> TransshipError:
    """One error that says what all say, of the worst one's class."""
    worst = max(failed, key=lambda each: each.exit_code)
    error = type(worst)("; ".join(map(str, failed)), hint="; ".join(filter(None, (each.hint for each in failed))))
    error.__cause__ = worst
    error.result = tuple(ended)
    return error


@contextmanager
def _interruptible() -> Iterator[None]:
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
        raise PreflightError(
            f"{record.container} was handed over to {record.target.name} already, and may have written data there",
            hint=f"transship recover {record.id} ends the move; transship switch-back {record.id} then returns with "
            "all data",
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
        self._by_daemon: dict[str, Site] = {}
        for address in reach.at:
            self._connect(address)

    @property
    def named(self) -> Sequence[Site]:
        """The hosts that the user has named."""
        return [self._by_address[address] for address in self._reach.at]

    def sites(self, record: Record) -> Sites:
        """Both hosts of a migration, as far as they can be reached."""
        sides: dict[Side, Site] = {"source": self._site(record.source), "target": self._site(record.target)}
        return sides

    def _site(self, end: End) -> Site:
        if end.daemon in self._by_daemon:
            return self._by_daemon[end.daemon]
        if end.name not in self._by_address:
            try:
                self._connect(end.name)
            except (HostError, UsageError) as error:
                self._by_address[end.name] = Site(why=str(error))
        # Another machine may call another host by this name.
        other = f"{end.name} is another Docker daemon from here than the migration's: name its host with --host"
        return self._by_daemon.get(end.daemon) or Site(why=self._by_address[end.name].why or other)

    def _connect(self, address: str) -> None:
        host = self._stack.enter_context(self._reach.open(address))
        found = site(host)
        self._by_address[address] = found
        self._by_daemon[str(host.docker.info()["ID"])] = found


@contextmanager
def _connections(reach: Reach) -> Iterator[_Connections]:
    with ExitStack() as stack:
        yield _Connections(reach, stack)


def _records(journal: Journal, hosts: _Connections, migration: str) -> list[Record]:
    """The records asked for: the one that is named, or all that have not ended. The journal's where it has one."""
    there = _copies(hosts)
    if migration:
        try:
            return [journal.get(migration).record]
        except UsageError:
            found = [record for id_, record in there.items() if id_.startswith(migration)]
            if len(found) != 1:
                raise
            return found
    here = {entry.record.id: entry.record for entry in journal.open_()}
    return list({id_: each for id_, each in {**there, **here}.items() if each.stage != "ended"}.values())


def _copies(hosts: _Connections) -> dict[str, Record]:
    """The records that the named hosts have, by id. It has ended only where every copy says so: one may be behind."""
    found: dict[str, Record] = {}
    for each in hosts.named:
        for id_, (record, _) in stored_records(each).items():
            if id_ not in found or found[id_].stage == "ended":
                found[id_] = record
    return {id_: _complete(record, hosts) for id_, record in found.items()}


def _complete(record: Record, hosts: _Connections) -> Record:
    """The record with all that was made on the target, which is written down only there, and where it was begun."""
    if record.stage == "ended":
        return record
    with suppress(HostError):
        if copy := stored_records(hosts.sites(record)["target"]).get(record.id):
            return replace(record, made=copy[0].made)
    return record
