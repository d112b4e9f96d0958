"""Frozen dataclasses to JSON and back. What comes back is checked against the types: a stored spec may be anything."""

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from transship.errors import TransshipError

Json = Mapping[str, Any]
"""An object as Docker's API has it. Never changed in place."""

T = TypeVar("T")

_MAX_DEPTH = 64


class SpecError(TransshipError):
    """A document cannot be read as what it should be: an inspect document, or a stored spec."""


def encode(value: Any) -> Any:
    """Dataclasses as objects, tuples as lists, all else as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: encode(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], value: object) -> T:
    """Read `value` as the dataclass `kind`. Every field must be there, and nothing else.

    Raises `SpecError` and names the place, never the value: it may be a secret.
    """
    return typing.cast(T, _decode(kind, value, kind.__name__))


def loads(text: str | bytes) -> object:
    """Parse JSON. Raises `SpecError` for text that is none, nested too deeply, or not finite."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SpecError("the stored container spec is not valid JSON") from error
    _check_depth(value, 0)
    return typing.cast(object, value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _check_depth(value: object, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise SpecError(f"the stored container spec is nested deeper than {_MAX_DEPTH} levels")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _check_depth(child, depth + 1)


def _decode(kind: Any, value: object, where: str) -> object:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _decode_fields(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        items = _expect(list, value, where)
        return tuple(_decode(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if origin is typing.Literal:
        if value not in arguments:
            raise SpecError(f"the stored container spec is damaged: {where} is none of {', '.join(arguments)}")
        return value
    if origin is not None:
        return _expect(dict, value, where)
    return _expect(kind, value, where)


def _decode_fields(kind: type, value: object, where: str) -> object:
    members = _expect(dict, value, where)
    hints = typing.get_type_hints(kind)
    names = {item.name for item in dataclasses.fields(kind)}
    if names != set(members):
        odd = ", ".join(sorted(names - set(members))) or "a field that does not belong there"
        raise SpecError(f"the stored container spec is damaged: {where} lacks or holds {odd}")
    return kind(**{name: _decode(hints[name], members[name], f"{where}.{name}") for name in names})


def _expect(kind: type[T], value: object, where: str) -> T:
    # bool is an int to isinstance, but never to Docker
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SpecError(f"the stored container spec is damaged: {where} is not of type {kind.__name__}")
    return value
