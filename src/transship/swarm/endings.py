"""How several things that were cut off are ended, one after the other."""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol, TypeVar

from transship.errors import TransshipError

Kind = Literal["wait", "finish", "bring-back", "clean-up", "forget", "unreachable", "elsewhere"]
"""What `recover` would do about one. Those that have to `wait`, or were begun `elsewhere`, it leaves alone."""

_LEFT_ALONE: frozenset[Kind] = frozenset({"wait", "elsewhere"})


class Found(Protocol):
    """What was seen of one, and what is to be done about it."""

    @property
    def would(self) -> Kind: ...


S = TypeVar("S", bound=Found)


def end_each(
    found: Iterable[S], end: Callable[[S], S], *, named: bool, damaged: Iterable[TransshipError] = ()
) -> list[S]:
    """End what was found, and return what was done; what has to be left alone, too, unless it was `named`.

    One that cannot be ended keeps none of the others from it. The first such error, or that of a `damaged` record, is
    raised when all were tried, and its `result` is what would have been returned.
    """
    done, failed = [], list(damaged)
    for each in found:
        if each.would in _LEFT_ALONE and not named:
            done.append(each)
            continue
        try:
            done.append(end(each))
        except TransshipError as error:
            failed.append(error)
    if failed:
        failed[0].result = tuple(done)
        raise failed[0]
    return done
