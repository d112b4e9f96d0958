from dataclasses import dataclass
from typing import Protocol, Self

from transship.hosts.agent import REPLY, Agent, Message, Value


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


@dataclass(frozen=True, slots=True)
class AgentPair:
    """The way leads through this process, see `Pair`.

    Nothing is changed on the way: frames are forwarded as they come, with back-pressure from the slower side.
    """

    source: Agent
    target: Agent

    @property
    def codec(self) -> int:
        return max(self.source.codecs & self.target.codecs)

    def both(self, source: Message, target: Message) -> tuple[Message, Message]:
        self.source.request(**source)
        self.target.request(**target)
        return self.source.reply(), self.target.reply()

    def forth(self, source: Message, target: Message) -> Relayed:
        self.target.request(**target)
        self.source.request(**source)
        return self.relay(self.source, self.target)

    def back(self, source: Message, target: Message) -> Relayed:
        self.source.request(**source)
        self.target.request(**target)
        return self.relay(self.target, self.source)

    def relay(self, sender: Agent, receiver: Agent) -> Relayed:
        """Forward what `sender` produces for a request until both have answered theirs.

        Both requests have been made. Raises `TransferError` with the sentence of the side that failed.
        """
        count = 0
        try:
            while True:
                head = sender.head()
                if head.type == REPLY:
                    return Relayed(sender.message(head), receiver.reply(), count)
                receiver.forward(head, sender)
                count += len(head.raw) + head.length
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.source.close()
        self.target.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
