"""What containerd leaves of a checkpoint: it unpacks one into a temporary folder before a restore, and forgets it."""

from __future__ import annotations

import filecmp
import glob
import os

from .memory_folder import remove_tree

_PROGRAM = "containerd"
_PREFIX = "ctrd-checkpoint"


def remove_copies(checkpoint: str) -> int:
    """Remove every folder that containerd made of this checkpoint, file by file the same, and return how many."""
    try:
        names = sorted(os.listdir(checkpoint))
    except FileNotFoundError:
        return 0
    removed = 0
    for folder in _temporary_folders():
        for copy in glob.glob(os.path.join(glob.escape(folder), _PREFIX + "*")):
            if os.path.islink(copy) or not _holds(copy, checkpoint, names):
                continue
            remove_tree(copy)
            removed += 1
    return removed


def _holds(copy: str, checkpoint: str, names: list[str]) -> bool:
    """Whether `copy` has all files of the checkpoint, with their contents; an empty checkpoint is nobody's."""
    _, differing, missing = filecmp.cmpfiles(checkpoint, copy, names, shallow=False)
    return bool(names) and not differing and not missing


def _temporary_folders() -> set[str]:
    """Where the containerd processes of this host make theirs, each as that process sees it."""
    found = set()
    for name in os.listdir("/proc"):
        try:
            if not name.isdigit() or _read(f"/proc/{name}/comm").strip() != _PROGRAM.encode():
                continue
            variables = _read(f"/proc/{name}/environ").split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        values = dict(variable.partition(b"=")[::2] for variable in variables)
        folder = values.get(b"XDG_RUNTIME_DIR") or values.get(b"TMPDIR") or b"/tmp"
        found.add(f"/proc/{name}/root{os.fsdecode(folder)}")
    return found


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
