from dataclasses import dataclass
from typing import Self

from transship.hosts.agent import REPLY, Agent, Message


@dataclass(frozen=True, slots=True)
class Relayed:
    """What passed from one agent to another, and what both said about it. `bytes` is what crossed the network."""

    sender: Message
    receiver: Message
    bytes: int


@dataclass(frozen=True, slots=True)
class AgentPair:
    """The agents on both hosts, and the way between them, which leads through this process.

    Nothing is changed on the way: frames are forwarded as they come, with back-pressure from the slower side. After an
    exception, Ctrl-C included, both agents are closed: half a round cannot be continued, only begun anew.
    """

    source: Agent
    target: Agent

    @property
    def codec(self) -> int:
        """The best compression that both can do."""
        return max(self.source.codecs & self.target.codecs)

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
        """End both agents. Twice is fine."""
        self.source.close()
        self.target.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
