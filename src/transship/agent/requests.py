"""What each request must hold: the one who sends something else is no coordinator of this version."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from . import compress
from .faults import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

_BYTES = re.compile(r"(?:[0-9a-f]{2})+")
_CONTAINER = re.compile(r"[0-9a-f]{64}")
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_LARGEST = (1 << 63) - 1
_OWNER = 3


def _flag(value: Any) -> bool:
    return value in (0, 1)


def _number(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= _LARGEST


def _rate(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= _LARGEST


def _codec(value: Any) -> bool:
    return value in compress.available()


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _path(value: Any) -> bool:
    return isinstance(value, str) and bool(_BYTES.fullmatch(value)) and b"\0" not in bytes.fromhex(value)


def _paths(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_path, value))


def _container(value: Any) -> bool:
    return isinstance(value, str) and bool(_CONTAINER.fullmatch(value))


def _owner(value: Any) -> bool:
    return isinstance(value, list) and len(value) == _OWNER and all(map(_number, value))


def _neighbours(value: Any) -> bool:
    pairs = [pair.partition(" ") for pair in value.split(",") if pair] if isinstance(value, str) else [("", "", "")]
    return all(_is_address(address) and _MAC.fullmatch(mac) for address, _, mac in pairs)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_TREE: dict[str, Callable[[Any], bool]] = {"tree": _number}
_NEEDED: dict[str, dict[str, Callable[[Any], bool]]] = {
    "open": {**_TREE, "path": _path},
    "send": {**_TREE, "rate": _rate, "codec": _codec, "still": _flag},
    "receive": {**_TREE, "devices": _flag, "limit": _number, "sync": _flag},
    "describe": {**_TREE, "contents": _flag, "codec": _codec},
    "adopt": _TREE,
    "manifest": {**_TREE, "of": ("disk", "sent").__contains__, "full": _flag},
    "window": {**_TREE, "window": _number},
    "path": {**_TREE, "position": _number},
    "layer": {"container": _container, "pid": _number},
    "neighbours": {"addresses": _neighbours},
    "look": {"path": _path},
    "provide": {"paths": _paths, "kind": ("folder", "file").__contains__},
    "discard": {"paths": _paths},
    "empty": {"path": _path, "owner": _owner},
    "kill": {"container": _container, "pid": _number},
    "connect": {"words": _texts, "known_hosts": _text},
}
_OPTIONAL: dict[str, Callable[[Any], bool]] = {
    "empty": _flag,
    "name": _path,
    "as": _path,
    "peer": lambda value: isinstance(value, dict),
}


def check(request: dict[str, Any]) -> None:
    """Raise `ProtocolError` where a request lacks something, or holds what could not be meant. What is more is fine."""
    do = request["do"]
    for name, fits in _NEEDED.get(do, {}).items():
        if name not in request:
            raise ProtocolError(f"a request lacks {name!r}, to {do}")
        if not fits(request[name]):
            raise ProtocolError(f"a request to {do} has another {name!r} than can be meant")
    for name, fits in _OPTIONAL.items():
        if name in request and name not in _NEEDED.get(do, {}) and not fits(request[name]):
            raise ProtocolError(f"a request to {do} has another {name!r} than can be meant")
    if ("name" in request) != ("as" in request):
        raise ProtocolError(f"a request to {do} names a file on one side only")
