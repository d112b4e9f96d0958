from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from transship.errors import CommandError
from transship.hosts.agent import Agent, Message, Value, as_root, checked, greeted
from transship.hosts.base import Host
from transship.hosts.facts import RootAccess
from transship.hosts.login import Login
from transship.hosts.pair import Asked, Relayed
from transship.hosts.ssh import SshHost
from transship.hosts.ssh_failures import login_failure


@dataclass(frozen=True, slots=True)
class Beyond:
    """The target's agent, as it is asked through the source's."""

    host: str
    agent: Agent

    def call(self, do: str, **fields: Value) -> Message:
        """See `Asked`."""
        return self.answer(self.agent.call("pass", peer={"do": do, **fields}))

    def answer(self, reply: Message) -> Message:
        """What it said, in the reply of the source's agent. Raises `TransferError` where it says that it failed."""
        return checked(self.host, reply["peer"])


@dataclass(frozen=True, slots=True)
class DirectPair:
    """The source's agent has logged in to the target by itself; this process hears of the data only. See `Pair`."""

    source: Agent
    beyond: Beyond
    codecs: frozenset[int]

    @property
    def target(self) -> Asked:
        return self.beyond

    @property
    def codec(self) -> int:
        return max(self.source.codecs & self.codecs)

    def both(self, source: Message, target: Message) -> tuple[Message, Message]:
        reply = self.source.call(**source, peer=target)
        return reply, self.beyond.answer(reply)

    def forth(self, source: Message, target: Message) -> Relayed:
        reply, received = self._exchange(source, target)
        return Relayed(reply, received, int(reply["wire"]))

    def back(self, source: Message, target: Message) -> Relayed:
        reply, sent = self._exchange(source, target)
        return Relayed(sent, reply, int(sent["wire"]))

    def _exchange(self, source: Message, target: Message) -> tuple[Message, Message]:
        try:
            return self.both(source, target)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(source: Host, target: Host, root: tuple[RootAccess, RootAccess]) -> DirectPair:
    """Start the agent on `source`, and have that log in to `target` and start the agent there. The caller closes both.

    The ssh-agent of this machine is forwarded to `source` meanwhile; no key and no file is left there. Raises
    `CommandError` where that way is not possible or an agent does not start, and `HostKeyError` where no key of
    `target` is known here: `source` believes only what is.
    """
    if not isinstance(source, SshHost) or not isinstance(target, SshHost):
        raise CommandError(
            f"{source.name} or {target.name} is this machine, or offers Docker alone", hint="--path relay serves there"
        )
    if not {*root} <= {"root", "sudo"}:
        raise CommandError(
            "root is had through Docker only on one of the hosts, where no ssh-agent is forwarded to",
            hint="--path relay serves there",
        )
    login = target.login()
    process = source.popen_forwarding(as_root(root[0], keep="SSH_AUTH_SOCK"))
    agent = greeted(Agent(source.name, process, lambda _: None))
    try:
        hello = _linked(agent, target.name, login, as_root(root[1]))
    except BaseException:
        agent.close()
        raise
    return DirectPair(agent, Beyond(target.name, agent), frozenset(hello["codecs"]))


def _linked(agent: Agent, target: str, login: Login, argv: Sequence[str]) -> Message:
    """Have `agent` start its like on `target`, and return what that says of itself."""
    answer = agent.call("connect", words=login.words(argv), known_hosts=login.known_hosts)
    if "refused" in answer:
        why = login_failure(f"{target} from {agent.host}", login.host, answer["refused"])
        raise CommandError(str(why), hint="ssh-add here, or ssh from host to host, may show more; or say --path relay")
    hello: Message = answer["peer"]
    return hello
