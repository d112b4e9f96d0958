"""A fuzzer: cases by the thousand, drawn anew in each run, each of which can be had again by its seed."""

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random, SystemRandom
from typing import Any

from transship.errors import TransshipError

SEED = os.environ.get("TRANSSHIP_SEED") or str(SystemRandom().randrange(2**32))
"""Set the variable to the number that a run printed, to draw the same cases again."""
TIMES = int(os.environ.get("TRANSSHIP_FUZZ_TIMES") or 1)
"""Draw so many times more cases than usually."""

declared: dict[str, int] = {}
"""How many cases each test draws in a usual run."""
drawn: dict[str, int] = {}
"""How many each has drawn in this one."""


def fuzz(cases: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test of a function: it is called `cases` times, first argument a generator of this case's own."""

    def decorate(one: Callable[..., None]) -> Callable[..., None]:
        name = f"{one.__module__}.{one.__name__}"
        declared[name] = cases

        @functools.wraps(one)
        def test(**fixtures: Any) -> None:
            for number in range(cases * TIMES):
                try:
                    one(Random(f"{SEED} {name} {number}"), **fixtures)  # noqa: S311 - no secret
                except Exception as error:
                    raise AssertionError(f"case {number}; the same again: TRANSSHIP_SEED={SEED}") from error
                drawn[name] = number + 1

        signature = inspect.signature(one)
        test.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=list(signature.parameters.values())[1:]
        )
        return test

    return decorate


@contextmanager
def refused(*kinds: type[Exception]) -> Iterator[None]:
    """The block may raise one of `kinds`, and says then in one sentence why."""
    try:
        yield
    except kinds as error:
        check_sentence(error)


def check_sentence(error: Exception) -> None:
    """What a person is told must be a sentence, and end the program with a code that is not that of our own bugs."""
    text = str(error)
    assert text
    assert " object at 0x" not in text, text[:500]
    if isinstance(error, TransshipError):
        assert error.exit_code > 1, f"{type(error).__name__} has no exit code of its own"
