import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, TypeAlias

from transship.errors import LockedError
from transship.journal.store import Journal
from transship.swarm.exchange_record import EXCHANGES, ExchangeRecord
from transship.swarm.record import ServiceMove, from_text, to_text
from transship.swarm.records import Entry, Form, Records

ServiceEntry: TypeAlias = Entry[ServiceMove]

_MOVES = Form("services", "move of a service", to_text, from_text)


class SwarmJournal(Journal):
    """The journal, with the moves of services, and adoptions and releases, beside the moves of containers.

    The same promises hold.
    """

    moves: Records[ServiceMove]
    exchanges: Records[ExchangeRecord]

    @classmethod
    def open(cls, folder: Path | None = None) -> Self:
        """As `Journal.open`."""
        journal = super().open(folder)
        journal.moves, journal.exchanges = Records(journal, _MOVES), Records(journal, EXCHANGES)
        return journal

    @contextmanager
    def at_work(self, move: str) -> Iterator[None]:
        """Be the only process of this machine that works on a move. Raises `LockedError` where another one does.

        The lock is a file that is gone afterwards; one that a killed process has left locks nobody out.
        """
        path = self.path.parent / f"service-{move}.lock"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _held(file, path):
                raise LockedError(f"a process of this machine is at work on the move {move}")
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _held(file: int, path: Path) -> bool:
    """Lock the file, and see that it is still the one of this name: whoever had it may just have removed it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False
