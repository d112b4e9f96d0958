"""What a service takes along to its new node before Swarm moves it: the image, and the data of its volumes."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from transship.creation import CreateVolume
from transship.errors import CommandError, DockerError, NotFoundError, TransferError, TransshipError
from transship.hosts.agent import Agent, start_agent
from transship.hosts.base import Docker, Host, Json
from transship.metrics.events import Recorder
from transship.plan.findings import Agreement, Finding
from transship.plan.record import End, Made, Record, Stage, StepEvent
from transship.plan.steps import Move, Step
from transship.spec.model import VolumeSpec
from transship.strategies.image import ends_of
from transship.swarm.observe import OF_SERVICE
from transship.swarm.options import SwarmOptions
from transship.swarm.record import ServiceMove
from transship.swarm.seen import HostSeen
from transship.transfer.image import ProvideImage, remove_image
from transship.transfer.trees import (
    LastRound,
    OpenTrees,
    PreCopy,
    StartAgents,
    TakeStock,
    Tree,
    VerifyTrees,
    neighbours_of,
)
from transship.undo import remove_volume

_ASKS_WHO = "docker login"
"""What the hint says of a registry that refuses a stranger."""
_OVER = frozenset({"created", "exited", "dead"})


@dataclass
class _Ledger:
    """The steps that move data write down through it what they make.

    Who runs the service is Swarm's to decide, and no keeper's: what is about that is no work here.
    """

    kept: Record
    write: Callable[[Made], None]

    @property
    def record(self) -> Record:
        return self.kept

    def save(self) -> None:
        self.write(self.kept.made)

    def claim(self) -> None:
        return

    def advance(self, stage: Stage) -> None:  # noqa: ARG002 - the port's
        return

    def note(self, step: str, event: StepEvent, at: float) -> None:  # noqa: ARG002 - the port's
        return

    def revoke(self) -> None:
        return

    def reclaim(self) -> bool:
        return False

    def settle(self) -> None:
        return

    def end(self, outcome: str, detail: str = "") -> None:  # noqa: ARG002 - the port's
        return


@dataclass(frozen=True, slots=True)
class Ends:
    """Source and target of what is taken along: their hosts, and what was seen of them."""

    source: Host
    target: Host
    here: HostSeen
    there: HostSeen


class Belongings:
    """Carries image and volumes from one host to the other, in the steps that move those of a container.

    What is made on the target is written down (`write`) before it is made. `close` ends what is at work on the hosts.
    """

    def __init__(self, record: ServiceMove, ends: Ends, recorder: Recorder, write: Callable[[Made], None]) -> None:
        self._ends = ends
        self._volumes = record.volumes
        self._resources = ExitStack()
        self._agreed: Agreement = lambda _: True
        self._agent: Agent | None = None
        self._move = Move(
            ends.source,
            ends.target,
            recorder,
            custody=_Ledger(as_container(record), write),
            agreed=self._ask,
            resources=self._resources,
        )

    @property
    def bytes(self) -> dict[str, int]:
        """What crossed, by kind."""
        return dict(self._move.measured.bytes)

    @property
    def verified(self) -> tuple[str, ...]:
        """What was proven equal."""
        return tuple(self._move.measured.verified)

    def bring_image(self, name: str) -> None:
        """Give the target what it lacks of the image, and its name, so that the node need not pull it.

        Raises `TransferError` where what arrived is another image, or no registry tells the digest that Swarm knows. A
        registry that wants to know who asks is left to the node: Swarm keeps the service's credentials to itself.
        """
        here, there = self._ends.here, self._ends.there
        if here.image is None:
            raise TransferError(f"{self._ends.source.name} has no image {name}, though a task of it runs there")
        if there.image is None:
            ProvideImage(here.image, here.image_bytes, ends_of(here.facts, there.facts), pull=False).run(self._move)
        repository, at, digest = name.partition("@")
        if at and not _has(self._ends.target.docker, name):
            self._learn_digest(f"{_untagged(repository)}@{digest}", name)

    def _learn_digest(self, digest: str, name: str) -> None:
        """A name by digest is the registry's word: the layers are there, so that it costs a question and no data."""
        target = self._ends.target
        with self._move.recorder.phase("digest", digest):
            try:
                self._move.made.pulled.append(digest)
                self._move.custody.save()
                target.docker.pull(digest)
            except DockerError as error:
                if _ASKS_WHO in error.hint:
                    return
                raise TransferError(
                    f"{target.name} has the layers of {name} now, but no registry tells it the digest: {error}",
                    hint="--image pull leaves it to the node; or name the image in the service without a digest",
                ) from error

    def copy(self, options: SwarmOptions, agreed: Agreement) -> None:
        """Copy the volumes in rounds, while the service runs. Raises as the steps of `transfer.trees`."""
        self._agreed = agreed
        here, there = self._ends.here, self._ends.there
        trees = tuple(Tree("volumes", name, replace=options.replace_data) for name in self._volumes)
        roots = (here.facts.root_access or "none", there.facts.root_access or "none")
        missing = (CreateVolume(_volume(here.volumes[name])) for name in self._volumes if name not in there.volumes)
        rounds = PreCopy(trees, options.max_downtime_s, options.limit_rate)
        self._run(*missing, StartAgents(roots), OpenTrees("", trees), TakeStock(), rounds)

    def finish(self, options: SwarmOptions) -> None:
        """Copy what changed since, now that nobody writes, and prove that all has arrived. Raises `TransferError`."""
        self._run(LastRound(), VerifyTrees(full=options.verify == "full"))

    def stand_by(self) -> None:
        """Have somebody on the target who can `announce`, where that is possible."""
        access = self._ends.there.facts.root_access
        if access is None or access == "none" or not self._ends.there.facts.python_path:
            return
        with suppress(CommandError, TransferError):  # without one, a client may wait a second longer
            self._agent = self._resources.enter_context(start_agent(self._ends.target, access))

    def announce(self, containers: Iterable[str]) -> None:
        """Let no client wait for what has just begun to run on the target: see `agent.neighbours`."""
        if self._agent is None:
            return
        with suppress(TransshipError):  # at worst the kernel asks again a second later
            for each in containers:
                inspected = self._ends.target.docker.inspect_container(each)
                self._agent.call("neighbours", addresses=neighbours_of(inspected))

    def close(self) -> None:
        """End the agents. Twice is fine."""
        self._resources.close()

    def _run(self, *steps: Step) -> None:
        for step in steps:
            if step.phase:
                with self._move.recorder.phase(step.phase, step.describe()):
                    step.run(self._move)
            else:
                step.run(self._move)

    def _ask(self, findings: Sequence[Finding]) -> bool:
        return self._agreed(findings)


def withdraw(record: ServiceMove, target: Host, recorder: Recorder) -> None:
    """Remove from the target what was brought there. Raises what keeps something from being removed.

    Containers of failed tasks, which Swarm would keep for a while, go before: they hold on to image and volumes.
    """
    if record.made == Made():
        return
    for each in target.docker.containers():
        if (each.get("Labels") or {}).get(OF_SERVICE) == record.service and each["State"] in _OVER:
            target.docker.remove_container(each["Id"])
    remove_image(target.docker, recorder, record.made)
    for volume in record.made.volumes:
        remove_volume(target, as_container(record), volume)


def removable(record: ServiceMove) -> Made:
    """What may be removed from the target when the service is at home: no data in which it may have written there."""
    return replace(record.made, volumes={}) if record.stage == "changed" else record.made


def staying(record: ServiceMove) -> str:
    """For a person: the volumes that were brought and are not `removable`. Empty where there are none."""
    names = sorted(record.made.volumes.keys() - removable(record).volumes.keys())
    volumes = f"the volume{'s' if len(names) > 1 else ''} {', '.join(names)} on {record.target.name}"
    return f"{volumes}, in which it may have written there, stay{'' if len(names) > 1 else 's'}" if names else ""


def as_container(record: ServiceMove) -> Record:
    """The part of a service's move that moves data, in the words of a container's move."""
    return Record(
        id=record.id,
        begun=record.begun,
        coordinator=record.coordinator,
        since=record.begun,
        strategy=f"swarm-{record.method}",
        container=record.name,
        container_id="",
        arriving=record.name,
        running=True,
        restart_policy={"Name": "no"},
        freeze=False,
        retire="keep",
        retired_name="",
        source=End(record.source.name, ""),
        target=End(record.target.name, ""),
        made=record.made,
    )


def _volume(told: Json) -> VolumeSpec:
    return VolumeSpec(
        name=told["Name"],
        driver=told.get("Driver") or "local",
        anonymous=False,
        destination="",
        options=told.get("Options") or {},
        labels=told.get("Labels") or {},
    )


def _untagged(name: str) -> str:
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _has(docker: Docker, name: str) -> bool:
    try:
        docker.inspect_image(name)
    except NotFoundError:
        return False
    return True
