import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, Self

from transship.errors import HostError, LockedError, StepError, TransferError
from transship.hosts.agent import Agent, Message, Value, checked, start_agent
from transship.hosts.base import Host, Json
from transship.hosts.facts import RootAccess

Side = Literal["source", "target"]

LEASE_S = 5.0
"""How long a keeper hears nothing before it acts by itself."""

_BEATS_PER_LEASE = 5
_ANSWER_S = 30.0
"""How long an answer may take that is given when something is on disk: the disk may be busy with what is moved."""

_CODE_LOCKED = "ELOCKED"


class Keeper:
    """One side of a migration, watched over from the host itself: by a process there that outlives this one.

    From `keep` to `end` it holds locks, and hears from here that somebody is there. When it hears nothing for
    the length of its lease, or its connection ends (`close` without `end` is that), it sees to it by itself that the
    container serves: see docs/agent.md. What was acknowledged is on the host's disk.

    Used by several threads. Every call raises `TransferError` when the keeper is lost or refuses; when it was lost,
    `lost` says why, and all that is known is that it may have acted.
    """

    def __init__(self, agent: Agent, lease_s: float) -> None:
        self._agent = agent
        self._lease_s = lease_s
        self._calls = threading.Lock()
        self._lost = ""
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name=f"keeper of {agent.host}", daemon=True)

    @property
    def host(self) -> str:
        """The name of the host that it runs on."""
        return self._agent.host

    @property
    def lost(self) -> str:
        """Why nobody may rely on the keeper any more; empty as long as it answers."""
        return self._lost

    def keep(self, record: Json, side: Side, locks: Sequence[str], patience_s: float = 0.0) -> None:
        """Take all `locks` of this host and write the `record` there. From here on the keeper is on duty.

        A lock is any text: `container:ID`, `volume:NAME`, `name:NAME`. One more is taken for the migration itself.
        Raises `LockedError` where one is still held by another move after `patience_s` seconds; then none is taken.
        """
        answer = self._ask(
            _ANSWER_S + patience_s, "keep",
            record=record, side=side, locks=list(locks), lease=self._lease_s, patience=patience_s,
        )  # fmt: skip
        if answer.get("code") == _CODE_LOCKED:
            raise _locked(self.host, answer)
        checked(self.host, answer)
        self._beats.start()

    def write(self, record: Json) -> None:
        """Have the whole record on the host's disk, with its stage."""
        self._call("write", record=record)

    def stage(self, stage: str, outcome: str = "", detail: str = "") -> None:
        """Have a stage, and what belongs to it, on the host's disk: from here on the keeper acts by it."""
        self._call("stage", stage=stage, outcome=outcome, detail=detail)

    def records(self) -> list[Json]:
        """What is stored on the host, a migration each, also without `keep`.

        Objects with `file`, `record` (None where it cannot be read; then `why` is a sentence) and `held`: whether
        another keeper is on duty for it.
        """
        found: list[Json] = []
        more = True
        while more:
            answer = self._call("records", after=found[-1]["file"] if found else "")
            found += answer["records"]
            more = bool(answer["more"])
        return found

    def forget(self, migration: str) -> None:
        """Take a record away, also without `keep`. Not there: fine. Kept by somebody: `TransferError`."""
        self._call("forget", id=migration)

    def end(self, outcome: str, detail: str = "") -> None:
        """The migration has ended: that is written down, the locks are dropped, the keeper is on duty no longer."""
        self._ended.set()
        self._call("end", outcome=outcome, detail=detail)

    def close(self) -> None:
        """End the connection to the keeper, which acts by its stage then, unless `end` came before. Twice is fine."""
        self._ended.set()
        if self._beats.is_alive():
            self._beats.join()
        with self._calls:
            self._lost = self._lost or f"the keeper on {self.host} was closed"
            # A host that is out of reach, or whose keeper is still at work, keeps what started the agent there.
            with suppress(StepError, HostError):
                self._agent.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _beat(self) -> None:
        while not self._ended.wait(self._lease_s / _BEATS_PER_LEASE):
            try:
                checked(self.host, self._ask(self._lease_s, "beat"))
            except TransferError as error:
                self._lost = self._lost or str(error)
                return

    def _call(self, do: str, **fields: Value) -> Message:
        return checked(self.host, self._ask(_ANSWER_S, do, **fields))

    def _ask(self, patience_s: float, do: str, **fields: Value) -> Message:
        """Ask and return the answer, whatever it says. Raises `TransferError` where there is none; then it is lost."""
        with self._calls:
            if self._lost:
                raise TransferError(self._lost)
            self._agent.patience_s = patience_s
            try:
                self._agent.request(do, **fields)
                return self._agent.answer(self._agent.head())
            except TransferError as error:
                self._lost = str(error)
                raise


def start_keeper(host: Host, root: RootAccess, *, lease_s: float = LEASE_S) -> Keeper:
    """Start a keeper as root on `host`; it is on duty when it was told what to `keep`. The caller closes it.

    Raises as `start_agent`, also where root cannot be had.
    """
    return Keeper(start_agent(host, root), lease_s)


def _locked(host: str, answer: Message) -> LockedError:
    holder = answer.get("holder") or {}
    return LockedError(
        f"a move of {holder.get('container') or answer.get('lock')} is under way on {host}: begun by "
        f"{holder.get('coordinator') or 'somebody'} at {holder.get('begun') or 'an unknown time'} "
        f"(migration {holder.get('id') or 'unknown'})",
        hint="wait for its end; when the one who began it is gone, its keeper ends within seconds",
    )
