import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Self

from transship.errors import NeedsRecoveryError, TransferError, TransshipError
from transship.hosts.base import Host, Json
from transship.hosts.facts import RootAccess
from transship.hosts.keeper import LEASE_S, Keeper, Side, start_keeper
from transship.journal.store import Journal
from transship.journal.stored import JournalError, from_json, to_json
from transship.plan.record import Record, Stage, StepEvent

WAIT_S = 60.0
"""How long a keeper that acts on its own is waited for: a container's grace period may be part of that."""

_LOOK_S = 0.2

_SERVES: frozenset[Stage | None] = frozenset({"forward", "committed"})
"""Where these are written down on the target's host, it serves without, or in spite of, this process."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where a keeper stands: the host, how one becomes root there (None: no program can be run), what it locks."""

    host: Host
    root: RootAccess | None
    locks: tuple[str, ...]


class Ledger:
    """The record of a migration in its three copies: the journal here, and one with a keeper on each host.

    See `plan.steps.Custody`. What is written is on disk before a call returns. A host where no keeper can be started
    has no copy, and nobody there who acts when this process is lost.
    """

    def __init__(self, record: Record, journal: Journal, posts: Mapping[Side, Post], *, resumed: bool = False) -> None:
        """`resumed`: the same migration was begun before, by a process that has ended."""
        self.record = record
        self._resumed = resumed
        self._journal = journal
        self._posts = posts
        self._keepers: dict[Side, Keeper] = {}

    def claim(self) -> None:
        """See `Custody`. If it fails nothing is locked, and nothing of it is left but that it was refused."""
        if self._resumed:
            self.take_over({}, LEASE_S + 1.0)
            return
        self._journal.begin(self.record)  # first: else a record on a host could be one that nobody knows of
        try:
            self._lock(dict.fromkeys(self._kept(), self.record.stage), 0.0)
        except BaseException as error:
            for keeper in self._keepers.values():
                with suppress(TransshipError):  # who reads a record of what was never begun sees that
                    keeper.end("refused")
                    keeper.forget(self.record.id)
            self.close()
            self._journal.save(replace(self.record, stage="ended", outcome="refused", detail=str(error)))
            raise

    def take_over(self, stages: Mapping[Side, Stage], patience_s: float = WAIT_S) -> None:
        """Lock what another process has left, when nobody is at work on it any more. Raises as `claim`.

        `stages` are those that are written down on the hosts: each keeper goes on from its own.
        """
        try:
            self._lock({side: stages.get(side, self.record.stage) for side in self._kept()}, patience_s)
            self._journal.save(self.record)
        except BaseException:
            self.close()
            raise

    def save(self) -> None:
        """See `Custody`: what is made lies on the target, so that its keeper must know."""
        self._journal.save(self.record)
        self._write("target")

    def advance(self, stage: Stage) -> None:
        """See `Custody`. If it fails, this side takes the further stage for true."""
        if stage == "released" and "target" in self._keepers:
            self._keepers["target"].hear()  # to a host that is gone by now nothing is handed over
        self.record = replace(self.record, stage=stage)
        self._journal.save(self.record)
        if stage == "committed":
            for side in self._kept():
                with suppress(TransshipError):  # it serves on the target: that is what recovery would find there
                    self._regain(side)
                    self._write(side)
            return
        self._write("source")
        if stage != "stopping":
            self._write("target")

    def note(self, step: str, event: StepEvent, at: float) -> None:
        """See `Custody`."""
        self._journal.note(self.record.id, step, event, at)

    def revoke(self) -> None:
        """See `Custody`.

        Raises `NeedsRecoveryError` where the target has served on its own since its keeper was lost: what it has
        written since is nobody's to throw away.
        """
        self._regain("target", "fenced")
        self._write("target", stage="fenced")

    def reclaim(self) -> bool:
        """See `Custody`. From now on the source's keeper brings it back if this process is lost.

        Raises `EndedError` where somebody else has ended the migration: it is no business of this process any more.
        """
        if self._regain("source") == "restored":
            return True
        self._write("source", stage="fenced" if self.record.stage == "fenced" else "stopping")
        return False

    def settle(self) -> None:
        """See `Custody`."""
        self.record = replace(self.record, stage="restored")
        self._save_if_possible()
        self._write("source")
        with suppress(TransshipError):  # it never was released there, or that was taken back: it stays as it is
            self._write("target")

    def end(self, outcome: str, detail: str = "") -> None:
        """See `Custody`."""
        self.record = replace(self.record, stage="ended", outcome=outcome, detail=detail)
        self._save_if_possible()
        for side in self._kept():
            with suppress(TransshipError):  # what it has of the record is looked at together with the journal
                self._regain(side)
                self._keepers[side].end(outcome, detail)

    def _save_if_possible(self) -> None:
        """That it cannot be written down here does not change how it ended: recovery would find that on the hosts."""
        with suppress(JournalError):
            self._journal.save(self.record)

    def close(self) -> None:
        """End the keepers. What is not ended they take for abandoned, and act. Twice is fine."""
        with ExitStack() as stack:
            for keeper in self._keepers.values():
                stack.callback(keeper.close)
        self._keepers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _kept(self) -> tuple[Side, ...]:
        return tuple(side for side, post in self._posts.items() if post.root is not None)

    def _lock(self, stages: Mapping[Side, Stage], patience_s: float) -> None:
        with ThreadPoolExecutor(2) as pool:
            started = {side: pool.submit(self._start, side) for side in stages}
        self._keepers = {side: each.result() for side, each in started.items() if each.exception() is None}
        for each in started.values():
            each.result()
        # One after the other, in the same order everywhere: of two who want both, one gets both.
        for side in sorted(stages):
            record = replace(self.record, stage=stages[side])
            self._keepers[side].keep(dict(to_json(record)), side, self._posts[side].locks, patience_s)

    def _start(self, side: Side) -> Keeper:
        post = self._posts[side]
        return start_keeper(post.host, post.root or "none")

    def _write(self, side: Side, *, stage: Stage | None = None) -> None:
        if side not in self._keepers:
            return
        record = self.record if stage is None else replace(self.record, stage=stage)
        self._keepers[side].write(dict(to_json(record)))

    def _regain(self, side: Side, stage: Stage | None = None) -> Stage | None:
        """Have a keeper that answers, and goes on from `stage` (or the record's).

        Returns the stage that a lost one has left on its host; None if none was lost. A lost keeper may still be at
        work: that is waited for.
        """
        lost = self._keepers.get(side)
        if lost is None or not lost.lost:
            return None
        post = self._posts[side]
        lost.close()
        with ExitStack() as undo:
            keeper = undo.enter_context(start_keeper(post.host, post.root or "none"))
            found = self._left_by(keeper)
            if side == "target" and stage == "fenced" and found in _SERVES:
                raise NeedsRecoveryError(f"{post.host.name} serves by itself since the connection to it was lost")
            record = replace(self.record, stage=stage or self.record.stage)
            keeper.keep(dict(to_json(record)), side, post.locks, WAIT_S)
            undo.pop_all()
        self._keepers[side] = keeper
        return found

    def _left_by(self, keeper: Keeper) -> Stage | None:
        deadline = time.monotonic() + WAIT_S
        while True:
            mine = next((each for each in keeper.records() if _id(each) == self.record.id), None)
            if mine is None or not mine["held"]:
                return from_json(mine["record"], keeper.host).stage if mine else None
            if time.monotonic() > deadline:
                raise TransferError(f"the keeper on {keeper.host} still acts on its own")
            threading.Event().wait(_LOOK_S)


def _id(stored: Json) -> str:
    return str((stored["record"] or {}).get("id"))
