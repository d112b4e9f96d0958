import os
import sys

import typer


def printable(text: str) -> str:
    """The text without what a terminal would obey: names and labels come from hosts, and anybody may have set them."""
    return "".join(each if each.isprintable() else "?" for each in text)


def say(text: str, *, err: bool = False) -> None:
    """Write one line to stdout or stderr. That nobody reads it any more must not change how the command ends."""
    try:
        typer.echo(printable(text), err=err)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())  # what is buffered is written at the end
        os.close(nowhere)


def confirmed() -> bool:
    """Ask the person at the terminal; nobody there, or Ctrl-C, is a no."""
    try:
        return typer.confirm("Go on?", err=True)
    except typer.Abort:
        return False
