from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from transship.codec import MalformedError
from transship.errors import UsageError
from transship.hosts.base import Json
from transship.journal.store import Journal
from transship.journal.stored import JournalError, read


class Stored(Protocol):
    """A record that the journal keeps: one whose stage is `ended` has ended."""

    @property
    def id(self) -> str: ...
    @property
    def stage(self) -> str: ...


R = TypeVar("R", bound=Stored)


@dataclass(frozen=True)
class Entry(Generic[R]):
    """What the journal knows of a record. `happened` is what was measured, `ended` empty while it is open."""

    record: R
    happened: Json | None
    ended: str


@dataclass(frozen=True, slots=True)
class Form(Generic[R]):
    """How records of one kind are kept: in which table, what they are called, and how they are written and read."""

    table: str
    called: str
    to_text: Callable[[R], str]
    from_text: Callable[[str], R]


class Records(Generic[R]):
    """The records of one kind in the journal's database. Raises what the journal raises, and keeps its promises."""

    def __init__(self, journal: Journal, form: Form[R]) -> None:
        self._path = journal.path
        self._form = form
        self._writing, self._reading = journal._writing, journal._reading  # noqa: SLF001 - tables beside the journal's
        with self._writing() as database:
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {form.table} ("
                "number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL, happened TEXT, ended TEXT)"
            )

    def save(self, record: R) -> None:
        """Write a record down as it is now."""
        ended = datetime.now(UTC).isoformat(timespec="seconds") if record.stage == "ended" else None
        with self._writing() as database:
            database.execute(
                f"INSERT INTO {self._form.table} (id, record, ended) VALUES (?, ?, ?)"  # noqa: S608 - our own name
                " ON CONFLICT (id) DO UPDATE SET record = excluded.record, ended = coalesce(ended, excluded.ended)",
                (record.id, self._form.to_text(record), ended),
            )

    def measured(self, id_: str, result: str) -> None:
        """Write down what was done: the JSON of its result."""
        with self._writing() as database:
            database.execute(
                f"UPDATE {self._form.table} SET happened = ? WHERE id = ?",  # noqa: S608 - our own name
                (result, id_),
            )

    def open(self) -> list[Entry[R]]:
        """Those that have not ended, newest first. What cannot be read is left out: see the damaged."""
        return readable(self._entries("WHERE ended IS NULL ORDER BY number DESC"))

    def history(self, limit: int = 50) -> list[Entry[R]]:
        """Those that were begun last, newest first. What cannot be read is left out."""
        return readable(self._entries("ORDER BY number DESC LIMIT ?", limit))

    def damaged(self, *, ended: bool = True) -> list[JournalError]:
        """Why some cannot be read, each; not `ended`: only of those that have not ended."""
        which = "ORDER BY number DESC" if ended else "WHERE ended IS NULL ORDER BY number DESC"
        return [each for each in self._entries(which) if isinstance(each, JournalError)]

    def find(self, prefix: str) -> Entry[R] | None:
        """The one with this id, or the only one whose id begins so; None for none. Raises `UsageError` for several."""
        found = [each for each in readable(self._entries("ORDER BY number DESC")) if each.record.id.startswith(prefix)]
        exact = [each for each in found if each.record.id == prefix]
        if len(exact or found) > 1:
            raise UsageError(f"{prefix!r} may be any of several {self._form.called}s", hint="give more of the id")
        return next(iter(exact or found), None)

    def _entries(self, which: str, *values: int) -> list[Entry[R] | JournalError]:
        with self._reading() as database:
            query = f"SELECT id, record, happened, ended FROM {self._form.table} {which}"  # noqa: S608 - our own words
            rows = database.execute(query, values).fetchall()
        return [self._entry(*row) for row in rows]

    def _entry(self, id_: str, text: str, happened: str | None, ended: str | None) -> Entry[R] | JournalError:
        where = f"{self._path} ({self._form.called} {id_})"
        try:
            record = self._form.from_text(text)
            result = None if happened is None else read(happened, where)
        except MalformedError as error:
            return JournalError(f"{where} is damaged: {error}", hint="docker service inspect tells of its labels")
        except JournalError as error:
            return error
        return Entry(record, result if isinstance(result, dict) else None, ended or "")


def readable(entries: Iterable[Entry[R] | JournalError]) -> list[Entry[R]]:
    """Those that could be read."""
    return [each for each in entries if isinstance(each, Entry)]
