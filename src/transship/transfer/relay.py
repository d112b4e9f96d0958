from dataclasses import dataclass
from typing import Self

from transship.hosts.agent import REPLY, Agent, Message
from transship.hosts.pair import Relayed


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
