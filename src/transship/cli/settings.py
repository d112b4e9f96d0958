from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that stand before the command and hold for all of them."""

    ssh_config: Path | None
    verbose: bool
    color: bool
    state_dir: Path | None = None


def settings(context: typer.Context) -> Settings:
    """Those of this call."""
    found = context.find_object(Settings)
    if found is None:
        raise LookupError("the command was called without transship's own entry point")
    return found
