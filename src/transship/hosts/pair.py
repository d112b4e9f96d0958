from dataclasses import dataclass
from typing import Protocol, Self

from transship.hosts.agent import Message, Value


@dataclass(frozen=True, slots=True)
class Relayed:
    """What passed from one agent to another, and what both said about it. `bytes` is what crossed the network."""

    sender: Message
    receiver: Message
    bytes: int


class Asked(Protocol):
    """An agent that can be asked, wherever it is."""

    @property
    def host(self) -> str: ...

    def call(self, do: str, **fields: Value) -> Message:
        """Ask for something that moves no data and return the answer. Raises `TransferError`."""
        ...


class Pair(Protocol):
    """The agents on both hosts, and a way between them for what they send each other.

    A request is an object with `do` and what goes with that. Use it from one thread at a time, and as a context
    manager. After `TransferError` in `forth` or `back`, Ctrl-C included, both agents are closed: half a round cannot be
    continued, only begun anew.
    """

    @property
    def source(self) -> Asked: ...

    @property
    def target(self) -> Asked: ...

    @property
    def codec(self) -> int:
        """The best compression that both can do."""
        ...

    def both(self, source: Message, target: Message) -> tuple[Message, Message]:
        """Ask both at the same time for what moves no data. Raises `TransferError`."""
        ...

    def forth(self, source: Message, target: Message) -> Relayed:
        """Have the source send and the target receive. Raises `TransferError` of the side that failed."""
        ...

    def back(self, source: Message, target: Message) -> Relayed:
        """The other way round: the target sends, the source receives."""
        ...

    def close(self) -> None:
        """End both agents. Twice is fine."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
