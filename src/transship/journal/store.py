import json
import math
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from transship.codec import Json, MalformedError, decode
from transship.errors import UsageError
from transship.journal.stored import JournalError, from_text, read, to_json
from transship.plan.record import Record, StepEvent

VERSION = 1
"""Of the tables, in the database's `user_version`. A newer one is refused."""

PATIENCE_S = 10.0
"""How long another process may be writing before we give up."""


_FILE = "journal.sqlite"

_TABLES = (
    """CREATE TABLE migrations (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL,
        predicted TEXT, happened TEXT, ended TEXT
    )""",
    """CREATE TABLE steps (
        number INTEGER PRIMARY KEY, migration TEXT NOT NULL REFERENCES migrations (id),
        step TEXT NOT NULL, event TEXT NOT NULL, at REAL NOT NULL
    )""",
    "CREATE INDEX steps_of ON steps (migration)",
)
_ENTRY = "id, record, predicted, happened, ended"
_OPEN = "WHERE ended IS NULL ORDER BY number DESC"
_STEPS = "SELECT step, event, at FROM steps WHERE migration = ? ORDER BY number"

_AGAIN_S = 0.02


@dataclass(frozen=True, slots=True)
class Note:
    """What became of a step, `at` seconds after the migration began."""

    step: str
    event: StepEvent
    at: float


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal knows of one migration.

    `predicted` and `happened` are None until they were written down. `begun` and `ended` are ISO 8601, UTC; `ended` is
    empty while something may be left to do.
    """

    record: Record
    steps: tuple[Note, ...]
    predicted: Json | None
    happened: Json | None
    begun: str
    ended: str


class Journal:
    """What this machine began, in an SQLite database: it survives the end of the process, and of the machine.

    What a method has written is on disk when it returns, `note` aside. Several threads and several processes may use it
    at once. Every method raises `JournalError` where the journal cannot be read or written; then nothing was changed.
    It holds nothing of a container's environment, labels or files.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, folder: Path | None = None) -> Self:
        """Open the journal in `folder`, or in the user's own state folder, and make what is missing of it.

        The folder is made with mode 0700, the database with 0600. Raises `JournalError` for a folder that others may
        write, a database that is damaged, somebody else's, or written by a newer version of transship.
        """
        folder = default_folder() if folder is None else folder.absolute()
        path = folder / _FILE
        with _explained(path):
            _make(folder, path)
            connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        try:
            with _explained(path):
                _set_up(connection, path)
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    def begin(self, record: Record) -> None:
        """Take up a new migration."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO migrations (id, record) VALUES (?, ?)", (record.id, json.dumps(to_json(record)))
            )

    def save(self, record: Record) -> None:
        """Write a record down as it is now. One that another machine began is taken up."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO migrations (id, record, ended) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " record = excluded.record, ended = CASE WHEN excluded.ended IS NULL THEN NULL"
                " ELSE coalesce(ended, excluded.ended) END",
                (record.id, json.dumps(to_json(record)), _now() if record.stage == "ended" else None),
            )

    def note(self, migration: str, step: str, event: StepEvent, at: float) -> None:
        """Write down what becomes of a step, `at` seconds after the migration began.

        It outlives this process; a power cut only where a record was saved since. Nothing is decided by it, and to wait
        for the disk before and after each step made the interruption longer (benchmarks/journal.py).
        """
        with self._writing(synced=False) as database:
            database.execute(
                "INSERT INTO steps (migration, step, event, at) VALUES (?, ?, ?, ?)", (migration, step, event, at)
            )

    def predicted(self, migration: str, prediction: Json) -> None:
        """Write down what was predicted of a migration: numbers and words without anything secret."""
        self._update("predicted", migration, _finite(prediction))

    def happened(self, migration: str, result: Json) -> None:
        """Write down what a move did (`MoveResult.to_json()`): of that, what says nothing of the container."""
        self._update("happened", migration, measured(result))

    def get(self, prefix: str) -> Entry:
        """The migration with this id, or the only one whose id begins so. Raises `UsageError` for none or several."""
        with self._reading() as database:
            known = [str(row[0]) for row in database.execute("SELECT id FROM migrations ORDER BY number DESC")]
        found = [prefix] if prefix in known else [each for each in known if prefix and each.startswith(prefix)]
        if not found:
            raise UsageError(
                f"no migration {prefix!r} is known here", hint="transship history lists those that this machine knows"
            )
        if len(found) > 1:
            raise UsageError(f"{prefix!r} may be any of {', '.join(found[:5])}", hint="give more of the id")
        return self._entry(found[0])

    def open_(self) -> list[Entry]:
        """The migrations that have not ended, newest first. What cannot be read is left out: see `damaged`."""
        return [each for each in self._found(_OPEN) if isinstance(each, Entry)]

    def history(self, limit: int = 50) -> list[Entry]:
        """The migrations that were begun last, newest first. What cannot be read is left out: see `damaged`."""
        found = self._found("ORDER BY number DESC LIMIT ?", limit)
        return [each for each in found if isinstance(each, Entry)]

    def damaged(self, *, ended: bool = True) -> list[JournalError]:
        """What cannot be read of migrations, an error each; `ended`: also of those that have ended."""
        found = self._found("" if ended else _OPEN)
        return [each for each in found if isinstance(each, JournalError)]

    def close(self) -> None:
        """Close the database. Twice is fine."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _update(self, column: Literal["predicted", "happened"], migration: str, value: Json) -> None:
        with self._writing() as database:
            statement = f"UPDATE migrations SET {column} = ? WHERE id = ?"  # noqa: S608 - ours
            if not database.execute(statement, (json.dumps(value), migration)).rowcount:
                raise self._unknown(migration)

    def _unknown(self, migration: str) -> JournalError:
        return JournalError(f"{self.path} knows no migration {migration}")

    def _entry(self, migration: str) -> Entry:
        found = self._found("WHERE id = ?", migration)
        if not found:
            raise self._unknown(migration)
        if isinstance(found[0], JournalError):
            raise found[0]
        return found[0]

    def _found(self, which: str, *values: str | int) -> list[Entry | JournalError]:
        with self._reading() as database:
            rows = database.execute(f"SELECT {_ENTRY} FROM migrations {which}", values).fetchall()  # noqa: S608 - ours
            steps = {row[0]: database.execute(_STEPS, (row[0],)).fetchall() for row in rows}
        return [_entry(row, steps[row[0]], f"{self.path} (migration {row[0]})") for row in rows]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _explained(self.path):
            yield self._connection

    @contextmanager
    def _writing(self, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        with self._reading() as database:
            database.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            with _transaction(database):
                yield database


def default_folder() -> Path:
    """`$XDG_STATE_HOME/transship`, else `~/.local/state/transship`. Raises `JournalError` for a user without a home."""
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (given if given.is_absolute() else Path.home() / ".local" / "state") / "transship"
    except RuntimeError as error:
        raise JournalError("this user has no home folder for a journal", hint="name a folder: --state-dir") from error


def measured(result: Json) -> dict[str, Any]:
    """Of the object of `move --json`, the outcome, the strategy and what was measured: numbers, no texts beside."""
    kept: dict[str, Any] = {name: result[name] for name in ("outcome", "strategy") if name in result}
    numbers = ("downtime_s", "total_s", "bytes", "rounds")
    kept.update({name: _numbers(result[name]) for name in numbers if name in result})
    kept["phases"] = [{"name": each["name"], **_numbers(each)} for each in result.get("phases", ())]
    return kept


def _numbers(value: Any) -> Any:
    """What there is of numbers in `value`: an object's other members are left out."""
    if isinstance(value, Mapping):
        return {key: _numbers(each) for key, each in value.items() if not isinstance(each, str)}
    if isinstance(value, list | tuple):
        return [_numbers(each) for each in value if not isinstance(each, str)]
    return _finite(value)


def _finite(value: Any) -> Any:
    """`value` as JSON can have it: what is not a finite number is null."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _entry(row: Sequence[object], steps: Sequence[Sequence[object]], where: str) -> Entry | JournalError:
    """What a row says, or why it cannot be read: one that is damaged keeps nobody from the others."""
    identity, text, predicted, happened, ended = row
    try:
        record = from_text(text, where)
        if record.id != identity:
            raise MalformedError("the record is that of another migration")  # noqa: TRY301 - one sentence for all
        notes = tuple(decode(Note, dict(zip(("step", "event", "at"), step, strict=True))) for step in steps)
        return Entry(record, notes, _object(predicted, where), _object(happened, where), record.begun, str(ended or ""))
    except JournalError as error:
        return error
    except MalformedError as error:
        hint = "its hosts have copies: transship status --host HOST --host HOST"
        return JournalError(f"{where} is damaged: {error}", hint=hint)


def _object(text: object, where: str) -> Json | None:
    if text is None:
        return None
    value = read(text, where)
    if not isinstance(value, dict):
        raise MalformedError("a measure is no object")
    return value


def _make(folder: Path, path: Path) -> None:
    """Make the folder and an empty database, which SQLite gives its mode to the files that it puts beside it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    state = folder.stat()
    if not stat.S_ISDIR(state.st_mode):
        raise JournalError(f"{folder} is no folder", hint="name another with --state-dir")
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise JournalError(
            f"the state folder {folder} is another user's, or others may write to it",
            hint="make it your own (chmod 700), or name another with --state-dir",
        )
    # An existing file is not opened: closing it would drop the locks that SQLite has on it elsewhere in this process.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        _sync(folder)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_up(database: sqlite3.Connection, path: Path) -> None:
    # What is no UTF-8 any more shall be told as a damaged record.
    database.text_factory = lambda raw: raw.decode("utf-8", "replace")
    _use_wal(database)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA foreign_keys = ON")
    with _transaction(database):
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            for statement in _TABLES:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {VERSION}")
        elif version > VERSION:
            raise JournalError(
                f"{path} was written by a newer version of transship (its form is {version}, ours {VERSION})",
                hint="use that version, or name another folder with --state-dir",
            )
        elif version != VERSION:
            raise JournalError(f"{path} is no journal of transship", hint="name another folder with --state-dir")


def _use_wal(database: sqlite3.Connection) -> None:
    """Change to WAL, which SQLite refuses at once while another process does the same: it does not wait for that."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            threading.Event().wait(_AGAIN_S)
        else:
            return


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite has ended it by itself after some failures
            database.execute("ROLLBACK")
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in one sentence what is wrong with the journal."""
    try:
        yield
    except OSError as error:
        raise _cannot(path, error.strerror or str(error)) from error
    except sqlite3.Error as error:
        # an error of the Python module itself (a closed database) has no code
        raise _sentence(path, error, getattr(error, "sqlite_errorcode", 0) & 0xFF) from error
    except UnicodeDecodeError as error:  # SQLite quotes a damaged schema in its message
        raise _damaged(path, "it holds text that is none") from error


def _sentence(path: Path, error: sqlite3.Error, code: int) -> JournalError:
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _damaged(path, str(error))
    if code == sqlite3.SQLITE_FULL:
        return _cannot(path, "the disk is full")
    if code == sqlite3.SQLITE_BUSY:
        return JournalError(
            f"another process has kept the journal {path} locked for {PATIENCE_S:g} s", hint="see which, then try again"
        )
    return _cannot(path, str(error))


def _damaged(path: Path, why: str) -> JournalError:
    return JournalError(
        f"the journal {path} is damaged ({why})",
        hint="rename it: a new one is begun; of what is under way, both hosts have a record of their own",
    )


def _cannot(path: Path, why: str) -> JournalError:
    return JournalError(
        f"the journal {path} cannot be read or written: {why}",
        hint="see to the folder and its disk, or name another folder with --state-dir",
    )
