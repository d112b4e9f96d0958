import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from transship.codec import MalformedError
from transship.errors import LockedError, UsageError
from transship.hosts.base import Json
from transship.journal.store import Journal
from transship.journal.stored import JournalError, read
from transship.swarm.record import ServiceMove, from_text, to_text

_TABLE = """CREATE TABLE IF NOT EXISTS services (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL, happened TEXT, ended TEXT
)"""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """What the journal knows of one move of a service. `happened` is what was measured, `ended` empty while open."""

    record: ServiceMove
    happened: Json | None
    ended: str


class SwarmJournal(Journal):
    """The journal, with the moves of services beside those of containers. The same promises hold."""

    @classmethod
    def open(cls, folder: Path | None = None) -> Self:
        """As `Journal.open`."""
        journal = super().open(folder)
        with journal._writing() as database:  # noqa: SLF001 - our own
            database.execute(_TABLE)
        return journal

    @contextmanager
    def at_work(self, move: str) -> Iterator[None]:
        """Be the only process of this machine that works on a move. Raises `LockedError` where another one does."""
        path = self.path.parent / f"service-{move}.lock"
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LockedError(f"a process of this machine is at work on the move {move}") from error
            yield
            with suppress(FileNotFoundError):
                path.unlink()

    def save_service(self, record: ServiceMove) -> None:
        """Write a move down as it is now."""
        ended = datetime.now(UTC).isoformat(timespec="seconds") if record.stage == "ended" else None
        with self._writing() as database:
            database.execute(
                "INSERT INTO services (id, record, ended) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " record = excluded.record, ended = coalesce(ended, excluded.ended)",
                (record.id, to_text(record), ended),
            )

    def measured_service(self, move: str, result: str) -> None:
        """Write down what a move did: the JSON of its result."""
        with self._writing() as database:
            database.execute("UPDATE services SET happened = ? WHERE id = ?", (result, move))

    def open_services(self) -> list[ServiceEntry]:
        """The moves of services that have not ended, newest first. What cannot be read is left out: see the damaged."""
        return _readable(self._service_entries("WHERE ended IS NULL ORDER BY number DESC"))

    def service_history(self, limit: int = 50) -> list[ServiceEntry]:
        """The moves of services that were begun last, newest first. What cannot be read is left out."""
        return _readable(self._service_entries("ORDER BY number DESC LIMIT ?", limit))

    def damaged_services(self, *, ended: bool = True) -> list[JournalError]:
        """Why moves of services cannot be read, each; not `ended`: only of those that have not ended."""
        which = "ORDER BY number DESC" if ended else "WHERE ended IS NULL ORDER BY number DESC"
        return [each for each in self._service_entries(which) if isinstance(each, JournalError)]

    def find_service(self, prefix: str) -> ServiceEntry | None:
        """The move with this id, or the only one whose id begins so; None for none. Raises `UsageError` for several."""
        entries = _readable(self._service_entries("ORDER BY number DESC"))
        found = [each for each in entries if each.record.id.startswith(prefix)]
        if len(found) > 1:
            raise UsageError(f"{prefix!r} may be any of several moves of services", hint="give more of the id")
        return found[0] if found else None

    def _service_entries(self, which: str, *values: int) -> list[ServiceEntry | JournalError]:
        with self._reading() as database:
            query = f"SELECT id, record, happened, ended FROM services {which}"  # noqa: S608 - ours
            rows = database.execute(query, values).fetchall()
        return [self._service_entry(*row) for row in rows]

    def _service_entry(
        self, id_: str, text: str, happened: str | None, ended: str | None
    ) -> ServiceEntry | JournalError:
        where = f"{self.path} (service move {id_})"
        try:
            record = from_text(text)
            result = None if happened is None else read(happened, where)
        except MalformedError as error:
            return JournalError(f"{where} is damaged: {error}", hint="the label of the service has it, too")
        except JournalError as error:
            return error
        return ServiceEntry(record, result if isinstance(result, dict) else None, ended or "")


def _readable(entries: Iterable[ServiceEntry | JournalError]) -> list[ServiceEntry]:
    return [each for each in entries if isinstance(each, ServiceEntry)]
