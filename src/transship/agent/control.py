"""JSON as far as it is needed here: a minimal Python has no `json`."""

from __future__ import annotations

import re
from typing import Any

from .faults import ProtocolError

_TOKEN = re.compile(
    r"[ \t\r\n]*(?:"
    r"(?P<mark>[][{},:])"
    r'|"(?P<text>[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*)"'
    r"|(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<word>true|false|null)"
    r")"
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}
_DEEPEST = 64
_LONGEST_NUMBER = 400


def dumps(value: Any) -> str:
    """JSON of objects, lists, text, numbers, true, false and null; all of it is ASCII."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumps(key)}: {dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dumps(item) for item in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(_escaped(c) for c in value) + '"'
    if value is None:
        return "null"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


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
    """The object in a message. Raises `ProtocolError`."""
    found = parse(payload)
    if not isinstance(found, dict):
        raise ProtocolError("a request says nothing to do")
    return found


def parse(payload: bytes) -> Any:
    """The value that JSON stands for. Raises `ProtocolError` for what is none, or is nested too deep."""
    try:
        reader = _Reader(payload.decode("utf-8"))
        found = reader.value(reader.token(), 0)
    except ValueError as error:
        raise ProtocolError("a request cannot be read") from error
    reader.end()
    return found


class _Reader:
    """Reads one value out of a text, from its beginning."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def token(self) -> re.Match[str]:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise ValueError("no JSON")
        self._at = found.end()
        return found

    def end(self) -> None:
        if self._text[self._at :].strip(" \t\r\n"):
            raise ProtocolError("a request cannot be read")

    def value(self, token: re.Match[str], depth: int) -> Any:
        """The value that begins with `token`."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        if token.lastgroup == "mark":
            if token["mark"] == "{":
                return self._object(depth)
            if token["mark"] == "[":
                return self._list(depth)
            raise ValueError("no value")
        if token.lastgroup == "text":
            return _unescaped(token["text"])
        return _number(token["number"]) if token.lastgroup == "number" else _WORDS[token["word"]]

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        token = self.token()
        while token["mark"] != "}":
            if token["text"] is None or self.token()["mark"] != ":":
                raise ValueError("no name")
            found[_unescaped(token["text"])] = self.value(self.token(), depth + 1)
            token = self._next("}")
        return found

    def _list(self, depth: int) -> list[Any]:
        found: list[Any] = []
        token = self.token()
        while token["mark"] != "]":
            found.append(self.value(token, depth + 1))
            token = self._next("]")
        return found

    def _next(self, closing: str) -> re.Match[str]:
        """What follows an item: the end, or the token after a comma, which is not the end."""
        token = self.token()
        if token["mark"] == closing:
            return token
        if token["mark"] != ",":
            raise ValueError("no comma")
        token = self.token()
        if token["mark"] == closing:
            raise ValueError("nothing after a comma")
        return token


def _number(text: str) -> int | float:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("too long")
    if text.lstrip("-").isdecimal():
        return int(text)
    found = float(text)
    if found in (float("inf"), float("-inf")):
        raise ValueError("too large")
    return found


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text)
    # A character beyond the first 65536 is escaped as two.
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
