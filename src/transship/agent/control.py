"""JSON as far as requests, replies and events need it: a minimal Python has no `json`."""

from __future__ import annotations

import ast
from typing import Any

from .faults import ProtocolError


def dumps(value: Any) -> str:
    """JSON of objects, lists, ASCII or other text, and numbers."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumps(key)}: {dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dumps(item) for item in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(_escaped(c) for c in value) + '"'
    return repr(int(value) if isinstance(value, bool) else value)


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if " " <= character <= "~" else "".join(f"\\u{unit:04x}" for unit in _utf16(character))


def _utf16(character: str) -> list[int]:
    raw = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def request(payload: bytes) -> dict[str, Any]:
    """The object in a request."""
    found = loads(payload)
    if not isinstance(found.get("do"), str):
        raise ProtocolError("a request says nothing to do")
    return found


def loads(payload: bytes) -> dict[str, Any]:
    """The object in a message. It holds text and numbers only: in these JSON and Python are written alike."""
    try:
        found = ast.literal_eval(payload.decode("utf-8"))
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ProtocolError("a request cannot be read") from error
    if not isinstance(found, dict):
        raise ProtocolError("a request says nothing to do")
    return found
