"""Dataclasses to JSON and back. What comes back is checked against the types: a stored text may be anything."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

Json = Mapping[str, Any]
"""An object as Docker's API has it. Never changed in place."""

T = TypeVar("T")

_MAX_DEPTH = 64


class MalformedError(ValueError):
    """What was read is not what it should be.

    The message names the place and never the value, which may be a secret. It is for the caller, who knows what was
    read and says so to the user.
    """


def encode(value: Any) -> Any:
    """Dataclasses as objects, tuples as lists, all else as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: encode(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(kind: type[T], value: object) -> T:
    """Read `value` as the dataclass `kind`. Every field must be there, and nothing else. Raises `MalformedError`."""
    return typing.cast(T, _decode(kind, value, kind.__name__))


def loads(text: str | bytes) -> object:
    """Parse JSON. Raises `MalformedError` for text that is none, nested too deeply, or not finite."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError("it is not valid JSON") from error
    _check_depth(value, 0)
    return typing.cast(object, value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _check_depth(value: object, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise MalformedError(f"it is nested deeper than {_MAX_DEPTH} levels")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _check_depth(child, depth + 1)


def _decode(kind: Any, value: object, where: str) -> object:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _decode_fields(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {tuple, list}:
        items = [_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(_expect(list, value, where))]
        return tuple(items) if origin is tuple else items
    if origin is typing.Literal:
        if value not in arguments:
            raise MalformedError(f"{where} is none of {', '.join(arguments)}")
        return value
    if origin in {types.UnionType, typing.Union}:  # of one kind and None
        return None if value is None else _decode(arguments[0], value, where)
    if origin is not None:
        return {key: _decode(arguments[1], item, f"{where}[…]") for key, item in _expect(dict, value, where).items()}
    return value if kind is Any else _expect(kind, value, where)


def _decode_fields(kind: type, value: object, where: str) -> object:
    members = _expect(dict, value, where)
    hints = typing.get_type_hints(kind)
    names = {item.name for item in dataclasses.fields(kind)}
    if names != set(members):
        odd = ", ".join(sorted(names - set(members))) or "a field that does not belong there"
        raise MalformedError(f"{where} lacks or holds {odd}")
    return kind(**{name: _decode(hints[name], members[name], f"{where}.{name}") for name in names})


def _expect(kind: type[T], value: object, where: str) -> T:
    # bool is an int to isinstance, but never to Docker
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise MalformedError(f"{where} is not of type {kind.__name__}")
    return value
