"""What the process of one run is told, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from transship.bench.result import Bytes, Events, PhaseRow, RoundRow
from transship.hosts import contexts
from transship.hosts.address import SshAddress
from transship.hosts.base import Host
from transship.hosts.open import open_host
from transship.hosts.ssh_master import config_words, configuration, login_words

_ALONE = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10")


@dataclass(frozen=True, slots=True)
class Ends:
    """From where to where, as `--from` and `--to` take it. An empty `ssh_config` means the user's own."""

    source: str
    target: str
    ssh_config: str = ""

    @property
    def config(self) -> Path | None:
        return Path(self.ssh_config) if self.ssh_config else None

    def connect(self, address: str) -> Host:
        """Connect to one of them. Raises `HostError`."""
        return open_host(address, ssh_config=self.config)

    def login(self, address: str) -> list[str]:
        """The words that make ssh log in to one of them; what it shall run there follows."""
        return ["ssh", "-T", "-o", "BatchMode=yes", *config_words(self.config), *login_words(_by_ssh(address))]

    def onward(self) -> tuple[list[str], str]:
        """How the source logs in to the target by itself: ssh with its options, and the target's name or address.

        Both are as the configuration here has them; that the source has a key for it, and knows the target's, is not.
        """
        told = configuration(_by_ssh(self.target), self.config)
        options = [*_ALONE, "-p", told.get("port", "22"), "-l", told["user"]]
        return ["ssh", *options], told["hostname"]


def _by_ssh(address: str) -> SshAddress:
    where = contexts.resolve(address)
    if not isinstance(where, SshAddress):
        raise TypeError(f"{address} is not reached by ssh")
    return where


@dataclass(frozen=True, slots=True)
class Job:
    """One move that shall be made and measured.

    `volume` is the volume's name, empty without one. `settings` and `command` are the words of `docker run` before and
    after `image`. `nodes` are the names of source and target in the swarm, where a service is moved.
    """

    method: str
    options: Mapping[str, Any]
    ends: Ends
    container: str
    image: str
    volume: str
    settings: tuple[str, ...]
    command: tuple[str, ...]
    probe: str
    state_dir: str
    nodes: tuple[str, ...] = ()

    def docker(self, verb: str, image: str) -> list[str]:
        """The command line that makes the container anew: `run --detach`, or `create`."""
        words = ["run", "--detach"] if verb == "run" else [verb]
        return ["docker", *words, "--name", self.container, *self.settings, image, *self.command]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. None is not measured. `peak_memory_bytes` is the largest resident size of this process."""

    moved: bool
    reason: str
    total_s: float | None
    engine_downtime_s: float | None
    client_downtime_s: float | None
    by_class: Mapping[str, Bytes]
    phases: tuple[PhaseRow, ...]
    rounds: tuple[RoundRow, ...]
    predicted: Mapping[str, Any]
    events: Events
    peak_memory_bytes: int | None

    @classmethod
    def refused(cls, reason: str, events: Events) -> Self:
        """That of a move which ended before anything could be measured."""
        return cls(
            moved=False,
            reason=reason,
            total_s=None,
            engine_downtime_s=None,
            client_downtime_s=None,
            by_class={},
            phases=(),
            rounds=(),
            predicted={},
            events=events,
            peak_memory_bytes=None,
        )
