from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

from . import docker_api
from .abandoned import Rescue
from .faults import AgentError, ProtocolError, from_os
from .holding import LockedError, Locks
from .migration_record import Migration, migration_id, read
from .record_files import RecordFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from .docker_api import Docker

SIDES = ("source", "target")
_URGENT = ("fenced", "stopping", "released")
"""The stages at which something is to be done when the coordinator is lost."""

_UNHURRIED_S = 60.0
"""The least lease at other stages: there silence costs nothing but the locks, and a slow link may be full of data."""

_KEPT = 50
"""How many records of migrations that have ended stay."""

_LONGEST_LEASE_S = 3600.0
_MOST_LOCKS = 1000
_LONGEST_LOCK = 300
_PAGE = 512 << 10
"""Bytes of records in one answer, give or take one record."""


class Duty:
    """What a keeper keeps: a migration's record, one side of it, and for how long without a word."""

    def __init__(self, record: dict[str, Any], side: str, docker: Docker, lease: float) -> None:
        self.record = record
        self.side = side
        self.docker = docker
        self.lease = lease
        self.deadline = 0.0

    @property
    def migration(self) -> Migration:
        return read(self.record)

    @property
    def patience(self) -> float:
        """How long a silence is borne, in seconds."""
        return self.lease if self.record["stage"] in _URGENT else max(self.lease, _UNHURRIED_S)


class Keeper:
    """Watches over one side of a migration for a coordinator that may be lost at any moment.

    From `guard` to `end` it is on duty: it holds locks, and must hear something at least once in a lease. An error is
    an answer like any other: the duty goes on.
    """

    def __init__(self, source: int, locks: Locks, files: RecordFiles) -> None:
        """`source` is where requests come from."""
        self._source = source
        self._duty: Duty | None = None
        self._locks = locks
        self._files = files
        self._requests: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "guard": self._guard,
            "write": self._write,
            "beat": self._beat,
            "records": self._records,
            "forget": self._forget,
            "end": self._end,
        }

    @property
    def requests(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        return dict.fromkeys(self._requests, self._answer)

    @property
    def on_duty(self) -> bool:
        return self._duty is not None

    def read(self, limit: int) -> bytes:
        """Read what was asked. Nothing at its end, or when the lease is over."""
        if self._duty:
            poll = select.poll()
            poll.register(self._source, select.POLLIN)
            left = self._duty.deadline - time.monotonic()
            if not poll.poll(max(left, 0.0) * 1000):
                return b""
        return os.read(self._source, limit)

    def leave(self) -> None:
        """Nobody will ask any more: where that was not agreed, do by oneself what the stage demands."""
        duty = self._duty
        if duty:
            Rescue(duty.migration, duty.docker, self._note).run(duty.side)
            self._locks.drop()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._requests[request["do"]](request)
        except LockedError as refused:
            return {"error": str(refused), "code": refused.code, "lock": refused.name, "holder": refused.holder}
        except AgentError as error:
            return {"error": str(error), "code": error.code}
        except OSError as error:
            failure = from_os(error, os.fsencode(error.filename or "keeper"))
            return {"error": str(failure), "code": failure.code}
        finally:
            if self._duty:
                self._duty.deadline = time.monotonic() + self._duty.patience

    # requests

    def _guard(self, request: dict[str, Any]) -> dict[str, Any]:
        """Begin: take `locks`, waiting up to `patience` seconds for each that is held, and write the `record`.

        `side` is the one that this host is, `lease` the longest silence in seconds. Where it fails nothing is held.
        """
        if self._duty:
            raise AgentError("this keeper is on duty already", "EKEEPER")
        record, side = _field(request, "record", dict), _field(request, "side", str)
        lease, patience = _lease(request), float(_field(request, "patience", int, float))
        migration = read(record)
        locks = [_lock(each) for each in _field(request, "locks", list)]
        if side not in SIDES or len(locks) > _MOST_LOCKS:
            raise AgentError("a request to guard has an impossible side or number of locks", "EKEEPER")
        docker = docker_api.find(migration.source_daemon if side == "source" else migration.target_daemon)
        self._locks.take([_own_lock(migration.id), *locks], migration.holder, patience)
        try:
            self._begin(record, migration.id)
        except BaseException:
            self._locks.drop()
            raise
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._duty = Duty(record, side, docker, lease)
        return {"patience": self._duty.patience}

    def _begin(self, record: dict[str, Any], migration: str) -> None:
        """Have the record on disk, and space for its end. What was begun already goes on without that, too."""
        is_new = migration + ".json" not in self._files.names()
        if not is_new and record["stage"] != "ended" and self._has_ended(migration):
            raise AgentError(f"the migration {migration} has ended", "EENDED")
        self._files.write(record)
        try:
            self._files.reserve(migration)
        except AgentError:
            if is_new:
                self._files.forget(migration)
                raise

    def _has_ended(self, migration: str) -> bool:
        """Whether somebody has ended it: who slept meanwhile must not take it up again."""
        try:
            return bool(self._files.read(migration + ".json")["stage"] == "ended")
        except AgentError:  # what cannot be read says nothing
            return False

    def _write(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write the `record` of the same migration anew, durably."""
        return self._replace(_field(request, "record", dict))

    def _beat(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say that somebody is there, and how long the `lease` is now. The answer says what silence is borne."""
        self._kept().lease = _lease(request)
        return {"patience": self._kept().patience}

    def _records(self, request: dict[str, Any]) -> dict[str, Any]:
        """The records on this host, those whose file's name sorts behind `after`; `more` where there are others.

        Of each the `file`, the `record` or, where that cannot be read, `why`, and whether another keeper that lives
        has `held` it since.
        """
        found: list[dict[str, Any]] = []
        size = 0
        for name in self._files.names():
            if name <= _field(request, "after", str):
                continue
            if size > _PAGE:
                return {"records": found, "more": True}
            found.append(self._stored(name))
            size += len(str(found[-1]))
        return {"records": found, "more": False}

    def _stored(self, name: str) -> dict[str, Any]:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        try:
            record = self._files.read(name)
        except ProtocolError:
            return {"file": shown, "record": None, "held": False, "why": "it holds no JSON"}
        except AgentError as error:
            return {"file": shown, "record": None, "held": False, "why": str(error)}
        held = self._locks.held_elsewhere(_own_lock(record["id"]))
        return {"file": shown, "record": record, "held": held, "why": ""}

    def _forget(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take away the record of the migration `id`, which nobody keeps."""
        migration = migration_id(request.get("id"))
        if self._locks.held_elsewhere(_own_lock(migration)) or (self._duty and self._duty.migration.id == migration):
            raise AgentError(f"the migration {migration} is under way", "ELOCKED")
        self._files.forget(migration)
        return {}

    def _end(self, request: dict[str, Any]) -> dict[str, Any]:
        """The migration has ended: write that, drop the locks, be on duty no longer."""
        outcome = {name: _field(request, name, str) for name in ("outcome", "detail")}
        self._replace({**self._kept().record, **outcome, "stage": "ended"})
        self._files.release(self._kept().migration.id)
        self._duty = None
        self._locks.drop()
        self._locks.sweep()
        self._files.prune(_KEPT)
        return {}

    def _kept(self) -> Duty:
        if not self._duty:
            raise AgentError("this keeper is not on duty", "EKEEPER")
        return self._duty

    def _replace(self, record: dict[str, Any]) -> dict[str, Any]:
        duty = self._kept()
        if read(record).id != duty.migration.id:
            raise AgentError("this is the record of another migration than the one that is kept", "ERECORD")
        self._files.write(record)
        duty.record = record
        return {"patience": duty.patience}

    def _note(self, stage: str, detail: str) -> None:
        """Write down what was done without a coordinator. A full disk must not keep anything from being done."""
        record = self._kept().record
        record = {**record, "stage": stage or record["stage"], "detail": detail}
        try:
            self._files.write(record)
        except AgentError:
            return
        self._kept().record = record


def _own_lock(migration: str) -> str:
    """What says that a keeper of this migration lives."""
    return f"migration:{migration}"


def _lock(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_LOCK:
        raise AgentError("a lock's name is no text, or too long", "EKEEPER")
    return name


def _lease(request: dict[str, Any]) -> float:
    lease = float(_field(request, "lease", int, float))
    if not 0 < lease <= _LONGEST_LEASE_S:
        raise AgentError("a lease is longer or shorter than it can be", "EKEEPER")
    return lease


def _field(request: dict[str, Any], name: str, *kinds: type) -> Any:
    """Something that a request holds. Raises `AgentError` where it is missing or of another kind."""
    found = request.get(name)
    if isinstance(found, bool) or not isinstance(found, kinds):
        raise AgentError(f"a request lacks or misnames {name!r}", "EKEEPER")
    return found
