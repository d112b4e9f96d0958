import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Literal, Self

from transship.errors import EndedError, HostError, LockedError, StepError, TransferError
from transship.hosts.agent import Agent, Message, Value, checked, start_agent
from transship.hosts.base import Host, Json
from transship.hosts.facts import RootAccess

Side = Literal["source", "target"]

LEASE_S = 5.0
"""How long a keeper hears nothing before it acts by itself, where there is something to be done.

It becomes longer on a link that is so slow, and so full of data, that the answer to a beat takes long.
"""

_BEATS_PER_LEASE = 5
_MARGIN = 3.0
_LONGEST_LEASE_S = 60.0
_ANSWER_S = 30.0
"""How long an answer may take that is given when something is on disk: the disk may be busy with what is moved."""

_CODE_LOCKED = "ELOCKED"
_CODE_ENDED = "EENDED"
_LEAVE_S = 2.0
_MOST_RECORDS = 10_000
"""More than any host that tells the truth has: the newest fifty stay of those that have ended."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A request that waits for its turn, and its answer, whatever that says."""

    do: str
    fields: dict[str, Value]
    patience_s: float
    answer: "Future[Message]" = field(default_factory=Future)


class Keeper:
    """One side of a migration, watched over from the host itself: by a process there that outlives this one.

    From `keep` to `end` it holds locks, and hears from here that somebody is there. When it hears nothing for
    the length of its lease (a minute where nothing is in danger), or its connection ends (`close` without `end` is
    that), it sees to it by itself that the container serves: see docs/agent.md. What was acknowledged is on the host's
    disk.

    May be used by several threads. Every call raises `TransferError` where the keeper refuses, which changes nothing,
    or is lost: then `lost` says why, it may have acted, and every later call fails as well. A call that is interrupted
    (Ctrl-C) may still be carried out; the next one is answered after it.
    """

    def __init__(self, agent: Agent, lease_s: float) -> None:
        self._agent = agent
        self._lease_s = lease_s
        self._lost = ""
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._open = True
        self._door = threading.Lock()
        """Held to put a call: none comes behind the one that ends the line."""
        self._on_duty = False
        self._slowest_s = 0.0
        self._patience_s = lease_s
        # Of its own, so that an exception that comes from outside never parts a request from its answer.
        self._line = threading.Thread(target=self._speak, name=f"keeper on {agent.host}", daemon=True)
        self._line.start()

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
        Raises `LockedError` where one is still held by another move after `patience_s` seconds, and `EndedError` where
        the host's own record says that the migration has ended, and `record` does not; then none is taken.
        """
        terms = {"side": side, "locks": list(locks), "lease": self._lease_s, "patience": patience_s}
        answer = self._ask(_Call("guard", {"record": record, **terms}, _ANSWER_S + patience_s))
        if answer.get("code") == _CODE_LOCKED:
            raise _locked(self.host, answer)
        if answer.get("code") == _CODE_ENDED:
            raise EndedError(
                f"migration {record.get('id')} has been ended by somebody else, as {self.host} knows",
                hint=f"transship recover {record.get('id')} writes that down here, too",
            )
        checked(self.host, answer)

    def hear(self) -> None:
        """Hear from it, and let it hear that somebody is here."""
        self._call("beat", lease=self._lease_s)

    def write(self, record: Json) -> None:
        """Have the whole record on the host's disk, with its stage."""
        self._call("write", record=record)

    def records(self) -> list[Json]:
        """What is stored on the host, a migration each, also without `keep`.

        Objects with `file`, `record` (None where it cannot be read; then `why` is a sentence) and `held`: whether
        another keeper is on duty for it.
        """
        found: list[Json] = []
        more = True
        while more:
            answer = self._call("records", after=found[-1]["file"] if found else "")
            page = answer.get("records")
            if not isinstance(page, list) or not all(map(_is_stored, page)) or len(found) > _MOST_RECORDS:
                raise TransferError(f"{self.host} answers what no keeper answers when it is asked for its records")
            found += page
            more = bool(answer.get("more")) and bool(page)
        return found

    def forget(self, migration: str) -> None:
        """Take a record away, also without `keep`. Not there: fine. Kept by somebody: `TransferError`."""
        self._call("forget", id=migration)

    def end(self, outcome: str, detail: str = "") -> None:
        """The migration has ended: that is written down, the locks are dropped, the keeper is on duty no longer."""
        self._call("end", outcome=outcome, detail=detail)

    def close(self) -> None:
        """End the connection to the keeper, which acts by its stage then, unless `end` came before. Twice is fine."""
        with self._door:
            if self._open:
                self._calls.put(None)
            self._open = False
        self._line.join(_LEAVE_S)
        lost = bool(self._lost) or self._line.is_alive()
        # A host that is out of reach, or whose keeper is still at work, keeps what started the agent there.
        with suppress(StepError, HostError):
            self._agent.close(0.0 if lost else _LEAVE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, do: str, **fields: Value) -> Message:
        return checked(self.host, self._ask(_Call(do, fields, _ANSWER_S)))

    def _ask(self, call: _Call) -> Message:
        with self._door:
            if not self._open:
                raise TransferError(f"the keeper on {self.host} was closed before this call")
            self._calls.put(call)
        return call.answer.result()

    def _speak(self) -> None:
        """Carry out calls until `close`; where none come while the keeper is on duty, say that somebody is there."""
        while call := self._next():
            try:
                call.answer.set_result(self._exchange(call))
            except TransferError as error:
                self._lost = self._lost or str(error)
                call.answer.set_exception(error)
            except Exception as error:  # noqa: BLE001 - it is raised where the call was made
                call.answer.set_exception(error)

    def _next(self) -> _Call | None:
        pause = self._lease_s / _BEATS_PER_LEASE if self._on_duty and not self._lost else None
        try:
            return self._calls.get(timeout=pause)
        except Empty:
            slow_s = min(_MARGIN * self._slowest_s, _LONGEST_LEASE_S)
            return _Call("beat", {"lease": max(self._lease_s, slow_s)}, self._patience_s)

    def _exchange(self, call: _Call) -> Message:
        """Raises `TransferError` where there is no answer."""
        if self._lost:
            raise TransferError(self._lost)
        self._agent.patience_s = call.patience_s
        began = time.monotonic()
        self._agent.request(call.do, **call.fields)
        answer = self._agent.answer(self._agent.head())
        if call.do == "beat":
            self._slowest_s = max(self._slowest_s, time.monotonic() - began)
        if "error" not in answer:
            self._on_duty = call.do == "guard" or (self._on_duty and call.do != "end")
            self._patience_s = float(answer.get("patience", self._patience_s))
        return answer


def start_keeper(host: Host, root: RootAccess, *, lease_s: float = LEASE_S) -> Keeper:
    """Start a keeper as root on `host`; it is on duty when it was told what to `keep`. The caller closes it.

    Raises as `start_agent`, also where root cannot be had.
    """
    return Keeper(start_agent(host, root), lease_s)


def _is_stored(each: object) -> bool:
    """Whether it is what a keeper says of one record: a host may say anything."""
    return (
        isinstance(each, dict)
        and isinstance(each.get("file"), str)
        and isinstance(each.get("record"), dict | None)
        and isinstance(each.get("held"), bool)
    )


def _locked(host: str, answer: Message) -> LockedError:
    holder = answer.get("holder") or {}
    return LockedError(
        f"a move of {holder.get('container') or answer.get('lock')} is under way on {host}: begun by "
        f"{holder.get('coordinator') or 'somebody'} at {holder.get('begun') or 'an unknown time'} "
        f"(migration {holder.get('id') or 'unknown'})",
        hint="wait for its end; when the one who began it is gone, its keeper ends within seconds",
    )
