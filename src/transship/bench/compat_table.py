"""The table of what came of each program and mode."""

from collections.abc import Sequence
from dataclasses import dataclass

from transship.bench.compat import MODES, Tried

_SOURCE_WENT_ON = "the source went on as if nothing had happened"


@dataclass(frozen=True, slots=True)
class CompatTable:
    """Rows of words, and notes that cells refer to by number, from 1. `title` says what was tried on."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def tabulate(tried: Sequence[Tried]) -> CompatTable:
    """A row a program, in the order in which they were tried, and a column a mode."""
    notes: list[str] = []
    cells = {(each.subject.program, each.subject.mode): _cell(each, notes) for each in tried}
    firsts = {each.subject.program: each for each in reversed(tried)}
    programs = dict.fromkeys(each.subject.program for each in tried)
    rows = tuple((name, _version(firsts[name]), *(cells.get((name, mode), "") for mode in MODES)) for name in programs)
    columns = ("program", "version", *(mode.title for mode in MODES.values()))
    return CompatTable(_title(tried), columns, rows, tuple(notes))


def markdown(table: CompatTable) -> str:
    """The table with its notes."""
    head = f"| {' | '.join(table.columns)} |\n|{'---|' * len(table.columns)}\n"
    rows = "".join(f"| {' | '.join(_escaped(cell) for cell in row)} |\n" for row in table.rows)
    notes = "".join(f"{number}. {_escaped(note)}\n" for number, note in enumerate(table.notes, start=1))
    return f"{table.title}\n\n{head}{rows}" + (f"\n{notes}" if notes else "")


def _cell(tried: Tried, notes: list[str]) -> str:
    if tried.verdict == "works":
        return "works"
    note = _note(tried)
    if note not in notes:
        notes.append(note)
    return f"{tried.verdict} ({notes.index(note) + 1})"


def _note(tried: Tried) -> str:
    if tried.source is None:
        return tried.reason
    return f"{tried.reason}. After it {_SOURCE_WENT_ON if not tried.source else f'on the source {tried.source}'}"


def _version(tried: Tried) -> str:
    return tried.subject.versions.program


def _title(tried: Sequence[Tried]) -> str:
    """The versions of the hosts, each once where all are alike."""
    versions = [each.subject.versions for each in tried]
    docker, criu, runc = (
        "/".join(dict.fromkeys(word for pair in pairs for word in pair))
        for pairs in ([v.docker for v in versions], [v.criu for v in versions], [v.runc for v in versions])
    )
    kernel = "/".join(dict.fromkeys(each.kernel for each in versions))
    return f"Docker {docker}, CRIU {criu}, runc {runc}, kernel {kernel}."


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
