from dataclasses import dataclass

from transship.hosts.pair import Pair
from transship.live.pages import PageWay
from transship.live.source import LiveSource
from transship.live.target import LiveTarget
from transship.plan.steps import Move


@dataclass(frozen=True, slots=True)
class Memory:
    """Both sides of a container's memory on its way, and what carries it. `way` is that of pages which come later."""

    source: LiveSource
    target: LiveTarget
    pair: Pair
    way: PageWay | None


def memory_of(move: Move) -> Memory:
    """The memory of a move, whose plan has prepared it before it needs it."""
    if not isinstance(move.work.memory, Memory):
        raise TypeError("a step needs both sides of a container's memory, and the plan prepared none")
    return move.work.memory
