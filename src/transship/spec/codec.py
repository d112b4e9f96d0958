from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from transship import codec
from transship.codec import Json, encode
from transship.errors import StepError

__all__ = ["Json", "SpecError", "decode", "encode", "loads", "understood"]

T = TypeVar("T")


class SpecError(StepError):
    """A document cannot be read as what it should be: an inspect document, or a stored spec."""


def decode(kind: type[T], value: object) -> T:
    """Read `value` as the dataclass `kind`. Raises `SpecError`."""
    try:
        return codec.decode(kind, value)
    except codec.MalformedError as error:
        raise SpecError(f"the stored container spec is damaged: {error}") from error


def loads(text: str | bytes) -> object:
    """Parse the JSON of a stored spec. Raises `SpecError`."""
    try:
        return codec.loads(text)
    except codec.MalformedError as error:
        raise SpecError(f"the stored container spec is damaged: {error}") from error


@contextmanager
def understood(document: str) -> Iterator[None]:
    """Read a document of Docker's in the block. Raises `SpecError` where it is not what Docker would write."""
    try:
        yield
    except KeyError as error:
        raise SpecError(f"{document} lacks {error}") from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        # not the error's own words: they may quote a value
        raise SpecError(f"{document} has a part that Docker would not write so") from error
