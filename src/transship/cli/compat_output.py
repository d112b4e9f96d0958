"""Printer of the table of what can be moved while it runs."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transship.bench.compat_table import CompatTable
from transship.cli.output import line
from transship.cli.say import printable

_STYLES = {"works": "green", "refused": "yellow", "fails": "red", "untried": "magenta"}


def print_compat(out: Console, found: CompatTable) -> None:
    """A row a program, and below it a line for each note."""
    out.print(line(found.title, "dim"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for word in found.columns:
        table.add_column(word)
    for row in found.rows:
        table.add_row(*(Text(printable(cell), _STYLES.get(cell.partition(" ")[0], "")) for cell in row))
    out.print(table)
    for number, note in enumerate(found.notes, start=1):
        out.print(line(f"({number}) {note}"), soft_wrap=True)
