"""How a good value becomes a bad one."""

import marshal
from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

WORDS = (
    "", " ", "\0", "\n", "\t", "\x1b[31m", "\u202e", "é", "日本", "😀", "\udcff", "\ud800", "%", "%00", "%2e%2e",
    "..", ".", "/", "//", "../..", "-", "--", "-o", "-oProxyCommand=x", "$(x)", "`x`", "'", '"', "\\", "{}",
    "{0}", "%s", "@", ":", "::", "[", "]", "[::1]", "?", "#", "=", ",", ";", "*", "0", "00", "-1", "1e9",
    "0x10", "9" * 20, "9" * 5000, "nan", "inf", "١", "٣s", "²", "A" * 300, "sha256:", "sha256:" + "0" * 64,
    "0" * 64, "true", "null", "localhost", "tcp://", "ssh://",
)  # fmt: skip
"""Texts that somebody has tripped over."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**400, -(2**70), 0.5, -0.0, 1e308, float("inf"), float("nan"),
    "", "x", "0", "a:b", "/", "\0", "\udcff", "/\n", [], [[]], [None], [""], [0], [{}], ["a", 1], {}, {"": None},
    {"a": {}}, {"Id": "x"}, {"Name": None}, "::", "999.999.999.999", "10.0.0.0/33", "fd00::/64",
)  # fmt: skip
"""Values of the wrong kind for any place."""


def text(random: Random, good: Sequence[str]) -> str:
    """One of `good`, changed in a few places; now and then not at all."""
    found = random.choice(good)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        found = _changed_text(random, found, good)
    return found


def _changed_text(random: Random, old: str, good: Sequence[str]) -> str:
    at, to = sorted((random.randint(0, len(old)), random.randint(0, len(old))))
    match random.randrange(6):
        case 0:
            return old[:at] + random.choice(WORDS) + old[at:]
        case 1:
            return old[:at] + old[to:]
        case 2:
            return old[:at] + chr(random.choice((random.randrange(256), random.randrange(0x11_0000)))) + old[at + 1 :]
        case 3:
            return old[:to] + old[at:]
        case 4:
            return old[:at] + random.choice(good)[at:]
        case _:
            return old[:at] + random.choice(WORDS) + old[to:]


def data(random: Random, good: Sequence[bytes]) -> bytes:
    """The same of bytes."""
    found = random.choice(good)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 8))):
        at, to = sorted((random.randint(0, len(found)), random.randint(0, len(found))))
        match random.randrange(6):
            case 0:
                found = found[:at] + random.randbytes(random.choice((1, 2, 4, 8, 600))) + found[at:]
            case 1:
                found = found[:at] + found[to:]
            case 2 | 3:
                found = found[:at] + bytes([random.randrange(256)]) + found[at + 1 :]
            case 4:
                found = found[:to] + found[at:]
            case _:
                found = found[:at] + random.choice(good)[at:]
    return found


class Documents:
    """JSON documents of which changed copies are made."""

    def __init__(self, *good: Any) -> None:
        self._good = [(marshal.dumps(each), tuple(_paths(each))) for each in good]

    def draw(self, random: Random) -> Any:
        """One of them, changed in a few places."""
        blob, paths = random.choice(self._good)
        found = marshal.loads(blob)  # noqa: S302 - our own
        for _ in range(random.choice((0, 1, 1, 1, 1, 2, 3))):
            found = _changed_at(random, found, random.choice(paths))
        return found


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in members:
        found += _paths(child, (*path, key))
    return found


def _changed_at(random: Random, document: Any, path: tuple[Any, ...]) -> Any:
    """The document, changed at `path`; as it is where an earlier change has taken that away."""
    if not path:
        return random.choice((document, deepcopy(random.choice(VALUES))))
    parent = document
    try:
        for key in path[:-1]:
            parent = parent[key]
        old = parent[path[-1]]
        if not isinstance(parent, (dict, list)):
            return document
    except (LookupError, TypeError):
        return document
    _change(random, parent, path[-1], old)
    return document


def _change(random: Random, parent: Any, key: Any, old: Any) -> None:
    match random.randrange(6):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            del parent[key]
            parent[text(random, [str(key)])] = old
        case 1:
            parent.insert(key, old)
        case 2 if isinstance(old, str):
            parent[key] = text(random, [old])
        case 3 if isinstance(old, int):
            parent[key] = random.choice((old + 1, -old, old * 2**32, old / 3)) if abs(old) < 2**64 else 0
        case 4:
            parent[key] = {str(key): old} if random.random() < 0.5 else [old]
        case _:
            parent[key] = deepcopy(random.choice(VALUES))
