"""What lies at a path of a host, and how much it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from transship.errors import CommandError
from transship.hosts.base import Host
from transship.hosts.facts import RootAccess

PathKind = Literal["missing", "folder", "file", "other"]

_KINDS = get_args(PathKind)
_AS_ROOT: Mapping[RootAccess | None, tuple[str, ...]] = {"root": (), "sudo": ("sudo", "-n")}
_MEASURE_S = 3.0

_LOOK = rb"""
for path; do
    kind=other empty=
    if ! [ -e "$path" ]; then kind=missing empty=1
    elif [ -f "$path" ]; then kind=file
    elif [ -d "$path" ]; then
        kind=folder
        inside=$(ls -A -- "$path") && [ -z "$inside" ] && empty=1
    fi
    printf '%s\0' "$kind" "$empty" "$(readlink -f -- "$path")"
done
"""

# Blocks count what a disk needs, sizes what there is to read: a sparse file has few of the ones and many of the others.
_MEASURE = rb"""
import os, sys, time
end = time.monotonic() + float(sys.argv[1])
for top in sys.argv[2:]:
    names = size = blocks = 0
    complete, seen, folders = 1, set(), [top]
    while folders and complete:
        try:
            entries = list(os.scandir(folders.pop()))
        except NotADirectoryError:
            found = os.stat(top)
            names, size, blocks = 1, found.st_size, found.st_blocks
            continue
        except OSError:
            continue
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
            except OSError:
                continue
            names += 1
            if found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            size += found.st_size
            blocks += found.st_blocks
        complete = int(time.monotonic() < end)
    print(names, size, blocks * 512, complete)
"""


@dataclass(frozen=True, slots=True)
class PathSeen:
    """What is at a path. `empty`: nothing would be lost if it were replaced. `real`: with all symlinks followed."""

    kind: PathKind
    empty: bool
    real: str


@dataclass(frozen=True, slots=True)
class TreeSize:
    """How much a folder or file holds: `size` is to be read, `stored` is what a disk needs, in bytes.

    `names` counts what is in it, None where nobody counted. `complete` is false where time was up before all was seen:
    then there is more.
    """

    size: int
    stored: int
    names: int | None = None
    complete: bool = True


def as_root(root: RootAccess | None) -> tuple[str, ...] | None:
    """The words before a command that is to run as root; None where that takes more than words."""
    return _AS_ROOT.get(root)


def look_at(host: Host, prefix: Sequence[str], paths: Sequence[str]) -> dict[str, PathSeen]:
    """What lies at each path. `prefix` makes the command run as somebody else. Raises as `Host.run`."""
    if not paths:
        return {}
    done = host.run([*prefix, "sh", "-s", "--", *paths], stdin=_LOOK)
    words = done.stdout.decode(errors="surrogateescape").split("\0")[:-1]
    if len(words) != 3 * len(paths) or not set(words[::3]) <= set(_KINDS):
        raise CommandError(f"the program that looks at paths of {host.name} failed with status {done.status}")
    found = zip(paths, words[::3], words[1::3], words[2::3], strict=True)
    return {path: PathSeen(_kind(kind), bool(empty), real or path) for path, kind, empty, real in found}


def measure(host: Host, prefix: Sequence[str], paths: Sequence[str]) -> dict[str, TreeSize]:
    """How much each path holds, as far as a few seconds suffice. It takes Python there. Raises as `Host.run`."""
    if not paths:
        return {}
    argv = [*prefix, "python3", "-I", "-", str(_MEASURE_S / len(paths)), *paths]
    done = host.run(argv, stdin=_MEASURE)
    rows = [[int(word) for word in line.split()] for line in done.stdout.decode().splitlines()]
    if done.status or len(rows) != len(paths):
        raise CommandError(f"the program that measures paths of {host.name} failed with status {done.status}")
    return {
        path: TreeSize(size, stored, names, bool(complete))
        for path, (names, size, stored, complete) in zip(paths, rows, strict=True)
    }


def _kind(word: str) -> PathKind:
    return next(kind for kind in _KINDS if kind == word)
