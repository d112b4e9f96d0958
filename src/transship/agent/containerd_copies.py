"""What containerd leaves of a checkpoint: it unpacks one into a temporary folder before a restore, and forgets it."""

from __future__ import annotations

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
        for name in os.listdir(folder):
            copy = os.path.join(folder, name)
            if not name.startswith(_PREFIX) or os.path.islink(copy) or not _holds(copy, checkpoint, names):
                continue
            remove_tree(copy)
            removed += 1
    return removed


def _holds(copy: str, checkpoint: str, names: list[str]) -> bool:
    """Whether `copy` has all files of the checkpoint, with their contents; an empty checkpoint is nobody's."""
    return bool(names) and all(_same(os.path.join(copy, name), os.path.join(checkpoint, name)) for name in names)


def _same(one: str, other: str) -> bool:
    """Whether two images are the same; those that Docker gets are small."""
    try:
        return os.path.getsize(one) == os.path.getsize(other) and _read(one) == _read(other)
    except FileNotFoundError:
        return False


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
