import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from transship.errors import LabError
from transship.lab import netns, places
from transship.lab.options import LabOptions
from transship.lab.processes import ProcessId

FORBIDDEN = "the labs of this machine belong to root"


@dataclass(frozen=True, slots=True)
class LabRecord:
    """What is written down about a lab before anything of it exists, so that it can be removed whatever happens."""

    options: LabOptions
    index: int
    """Which subnet it has."""
    owner: ProcessId | None
    """The process that the lab lives and dies with; None once it stays up by itself."""
    disks: Path
    """Where the disks of its hosts lie: on a real filesystem, because Docker's overlays cannot sit on an overlay."""

    @property
    def name(self) -> str:
        return self.options.name

    @property
    def folder(self) -> Path:
        return places.STATE / self.name

    @property
    def leash(self) -> Path:
        """What the owner and the programs that it runs keep locked."""
        return self.folder / "owner.lock"

    @property
    def state(self) -> str:
        if self.owner is None:
            return "up"
        return f"in use by process {self.owner.pid}" if self.owner.alive else "abandoned"

    @property
    def abandoned(self) -> bool:
        """Whether the process died that should have taken the lab down."""
        return self.owner is not None and not self.owner.alive

    def save(self) -> None:
        places.private_folder(self.folder)
        owner = [self.owner.pid, self.owner.started] if self.owner else None
        data = {"options": self.options.as_json(), "index": self.index, "owner": owner, "disks": str(self.disks)}
        places.write_private(self.folder / "lab.json", json.dumps(data, indent=1))

    def detached(self) -> Self:
        """The same lab, from now on without an owner."""
        record = replace(self, owner=None)
        record.save()
        return record


def load(name: str) -> LabRecord | None:
    """What is written down about a lab, or None if there is none of that name."""
    try:
        data = json.loads((places.STATE / name / "lab.json").read_text())
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise LabError(FORBIDDEN, hint="run it as root") from error
    owner = ProcessId(*data["owner"]) if data["owner"] else None
    return LabRecord(LabOptions.from_json(data["options"]), data["index"], owner, Path(data["disks"]))


def load_all() -> list[LabRecord]:
    """Every lab of this machine, by name."""
    if places.STATE.exists() and not os.access(places.STATE, os.R_OK | os.X_OK):
        raise LabError(FORBIDDEN, hint="run it as root")
    names = sorted(file.parent.name for file in places.STATE.glob("*/lab.json"))
    return [record for name in names if (record := load(name))]


@contextmanager
def free_subnet(name: str) -> Iterator[int]:
    """Find a subnet for a new lab of this name. Nobody else finds it before the block, which saves the record, ends.

    Raises `LabError` when the name is taken; what an abandoned lab of this name left must have been removed before.
    """
    with places.locked(places.STATE / ".lock"):
        if load(name):
            raise LabError(
                f"the lab {name} exists already",
                hint=f"transship lab down --name {name}, or take another name",
            )
        taken = {record.index for record in load_all()} | netns.used_indexes()
        free = next((index for index in range(netns.LABS) if index not in taken), None)
        if free is None:
            raise LabError(f"no subnet of {netns.RANGE} is free on this machine", hint="take labs down")
        yield free
