import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from transship.errors import LabError

STATE = Path("/run/transship-lab")
"""What runs, one folder per lab. It is one place for the whole machine, as the names of network namespaces are."""


def cache() -> Path:
    """What is worth keeping between labs: root filesystems, images, and beside them the disks of running hosts.

    Raises `LabError` for a path that cannot be written into the options of an overlay mount.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = base / "transship" / "lab"
    if any(char in str(path) for char in ":,\\"):
        raise LabError(
            f"the cache folder {path} has a colon, comma or backslash in its name", hint="set XDG_CACHE_HOME"
        )
    return path


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner may enter, and its missing parents, and return it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep every other process out of the block; the kernel frees the lock of a process that dies."""
    private_folder(file.parent)
    with file.open("w") as handle:
        flock(handle, LOCK_EX)
        yield


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner may read."""
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
