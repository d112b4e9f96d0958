"""Two sets of CRIU's images out of one: the pages that can come later, and all that a restore reads at once.

Docker copies what it restores from several times over. So it gets images whose lazy pages are named, not held, as a
dump with `--lazy-pages` makes them, while `criu lazy-pages` serves these from the full set.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from .criu_messages import LENGTH, MAGIC_BYTES, message, messages, numbers
from .faults import AgentError

_PAGES_ID = 1
_FEW_PAGES, _FLAGS, _MANY_PAGES = 2, 4, 5
_LAZY, _PRESENT = 0x2, 0x4
_PAGE = 4096
_CHUNK = 1 << 20


class Split(NamedTuple):
    """How many bytes of pages are served later (`lazy`), and how many a restore reads at once (`eager`)."""

    lazy: int
    eager: int


def split(full: str, small: str) -> Split:
    """Write to the folder `small` the images of the folder `full` without the pages that can come later."""
    lazy = eager = 0
    written = set()
    for name in sorted(os.listdir(full)):
        if name.startswith("pagemap-") and name[len("pagemap-") : -len(".img")].isdigit():
            pages, part = _split_process(full, small, name)
            written |= {name, pages}
            lazy, eager = lazy + part.lazy, eager + part.eager
    for name in os.listdir(full):
        if name not in written:
            _copy_file(os.path.join(full, name), os.path.join(small, name))
    return Split(lazy, eager)


def copy_images(source: str, target: str) -> None:
    """Make the folder `target`, for root alone, with copies of the files of `source`."""
    os.mkdir(target, 0o700)
    for name in os.listdir(source):
        _copy_file(os.path.join(source, name), os.path.join(target, name))


def _copy_file(source: str, target: str) -> None:
    with open(source, "rb") as held, open(target, "xb") as copy:
        _copy(held.fileno(), 0, copy.fileno(), os.fstat(held.fileno()).st_size)


def _split_process(full: str, small: str, name: str) -> tuple[str, Split]:
    with open(os.path.join(full, name), "rb") as file:
        data = file.read()
    entries = messages(data, name)
    head = next(entries)
    pages = f"pages-{numbers(head)[_PAGES_ID]}.img"
    written = [data[:MAGIC_BYTES], LENGTH.pack(len(head)), head]
    lazy = offset = eager = 0
    source = os.path.join(full, pages)
    with open(source, "rb") as held, open(os.path.join(small, pages), "wb") as kept:
        for each in entries:
            fields = numbers(each)
            size = (fields.get(_MANY_PAGES) or fields[_FEW_PAGES]) * _PAGE
            flags = fields.get(_FLAGS, 0)
            if flags & _PRESENT and flags & _LAZY:
                fields[_FLAGS] = flags & ~_PRESENT
                lazy += size
            elif flags & _PRESENT:
                _copy(held.fileno(), offset, kept.fileno(), size)
                eager += size
            offset += size if flags & _PRESENT else 0
            entry = message(fields)
            written += [LENGTH.pack(len(entry)), entry]
    if offset != os.path.getsize(source):
        raise AgentError(f"CRIU's {name} and {pages} do not fit together: this version writes another format")
    with open(os.path.join(small, name), "wb") as file:
        file.write(b"".join(written))
    return pages, Split(lazy, eager)


def _copy(source: int, offset: int, target: int, size: int) -> None:
    while size:
        part = os.pread(source, min(size, _CHUNK), offset)
        if not part:
            raise AgentError("an image of CRIU's ends before it should")
        os.write(target, part)
        offset, size = offset + len(part), size - len(part)
