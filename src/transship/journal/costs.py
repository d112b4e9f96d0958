"""What `bench fit` has learned of costs, kept beside the journal for every plan that this machine makes."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transship.codec import MalformedError, decode, encode, loads
from transship.journal.store import default_folder
from transship.journal.stored import JournalError
from transship.plan.predict import Model

_FILE = "costs.json"
_FORMAT = 1
_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Costs:
    """A fitted model, and what it was fitted to: so many cells of so many runs, at a time in ISO 8601, UTC."""

    format: int
    model: Model
    cells: int
    runs: int
    fitted: str


def write_costs(model: Model, *, cells: int, runs: int, fitted: str, folder: Path | None = None) -> Path:
    """Keep the costs in the state folder, instead of those that were there. Raises `JournalError` where it cannot."""
    place = default_folder() if folder is None else folder
    text = json.dumps(encode(Costs(_FORMAT, model, cells, runs, fitted)), indent=1) + "\n"
    draft = place / f"{_FILE}.{os.getpid()}.part"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        return draft.replace(place / _FILE)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise JournalError(f"{place} cannot keep the costs: {error.strerror}") from error


def read_costs(folder: Path | None = None) -> Model | None:
    """The fitted model, None where nothing was fitted.

    Raises `JournalError` for a file that is damaged, or of another version of transship.
    """
    file = (default_folder() if folder is None else folder) / _FILE
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(file, error.strerror or "it cannot be read") from error
    try:
        found = decode(Costs, loads(text[:_LARGEST]))
    except MalformedError as error:
        raise _unusable(file, str(error)) from error
    if found.format != _FORMAT:
        raise _unusable(file, f"it has format {found.format}, and this version of transship reads {_FORMAT}")
    return found.model


def _unusable(file: Path, why: str) -> JournalError:
    return JournalError(f"{file} cannot be used: {why}", hint="remove it, or fit again: transship bench fit DIR --keep")
