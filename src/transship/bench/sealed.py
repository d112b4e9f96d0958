"""The form of every stored file of an experiment: JSON with a version, and the digest of all else that it says."""

import hashlib
import json
from typing import Any, TypeVar

from transship.codec import MalformedError, decode, encode, loads
from transship.errors import RefusedError

FORMAT = 1
"""Counted up when a stored file changes its shape or the meaning of a field."""

T = TypeVar("T")


class ResultError(RefusedError):
    """A folder of results, or a file in it, cannot be read or written, or is not what it should be."""


def digest(value: object) -> str:
    """SHA-256 of dataclasses, as hexadecimal digits: equal for equal values."""
    return hashlib.sha256(_plain(encode(value)).encode()).hexdigest()


def seal(value: Any, what: str) -> str:
    """The stored form of a dataclass. Raises `ResultError` for one that could not be read back as it is."""
    body = {"format": FORMAT, **encode(value)}
    text = _plain({**body, "digest": digest(body)}) + "\n"
    if unseal(type(value), text, what) != value:
        raise ResultError(f"{what} cannot be stored without loss")
    return text


def unseal(kind: type[T], text: str | bytes, where: str) -> T:
    """Read what `seal` gave; `where` says where it was found.

    Raises `ResultError` for what was altered or cut short, is of another version, or is something else.
    """
    try:
        members = loads(text)
    except MalformedError as error:
        raise _refused(where, f"is damaged or cut short: {error}") from error
    if not isinstance(members, dict) or not {"format", "digest"} <= set(members):
        raise _refused(where, "was not written by transship bench")
    if members["format"] != FORMAT:
        raise _refused(where, f"has format {members['format']!r:.20}, and this version of transship reads {FORMAT}")
    if members.pop("digest") != digest(members):
        raise _refused(where, "was altered: its digest does not fit what it says")
    del members["format"]
    try:
        return decode(kind, members)
    except MalformedError as error:
        raise _refused(where, f"is not as it must be: {error}") from error


def _refused(where: str, why: str) -> ResultError:
    return ResultError(f"{where} {why}", hint="restore the file, or remove it and resume the experiment")


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
