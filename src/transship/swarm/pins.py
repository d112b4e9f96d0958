"""What moves have made of a service's constraints: which they put there, and which of its own these replaced."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from transship.codec import MalformedError, decode, encode, loads
from transship.swarm.constraints import admits
from transship.swarm.model import Node
from transship.swarm.record import PIN


@dataclass(frozen=True, slots=True)
class Pins:
    """`own` are those of moves, `replaced` those that a person had set and that led to another node."""

    own: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Self:
        """As a service's label says; none where it says nothing that can be read."""
        try:
            return decode(cls, loads(labels.get(PIN, "")))
        except MalformedError:
            return cls()

    @property
    def text(self) -> str | None:
        """For the label; None where there is nothing to say."""
        return json.dumps(encode(self)) if self.own or self.replaced else None

    def after(self, before: Sequence[str], now: Sequence[str]) -> Self:
        """What is to be remembered when a move has made `now` of the constraints that a service had `before`."""
        own = (pin for pin in now if pin not in before or pin in self.own)
        theirs = (each for each in (*self.replaced, *before) if each not in now and each not in self.own)
        return type(self)(tuple(own), tuple(dict.fromkeys(theirs)))

    def without(self, constraints: Sequence[str], where: Sequence[Node]) -> tuple[str, ...]:
        """The constraints without those of moves, for a service that runs on these nodes and stays there.

        Of those that were replaced, the ones come back that admit all of the nodes.
        """
        kept = [each for each in constraints if each not in self.own]
        back = (each for each in self.replaced if all(admits(each, node) for node in where))
        return tuple(dict.fromkeys((*kept, *back)))
