"""Nodes, tasks and services of a swarm, as far as a move has to know them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import ceil
from typing import Self

from transship.hosts.base import Json

STATES = ("new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running",
          "complete", "shutdown", "failed", "rejected", "remove", "orphaned")  # fmt: skip
"""What becomes of a task, in Swarm's words and order. From `complete` on it has ended."""

_RUNNING = STATES.index("running")
_NANO = 1e9


def seconds_of(timestamp: str) -> float:
    """A time that Docker wrote, in seconds since 1970."""
    return datetime.fromisoformat(timestamp).timestamp()


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the swarm. `name` is its hostname, `availability` is `active`, `pause` or `drain`."""

    id: str
    version: int
    name: str
    role: str
    availability: str
    state: str
    address: str
    os: str
    architecture: str
    cpus: float
    memory: int
    labels: Mapping[str, str]
    engine_labels: Mapping[str, str]
    spec: Json = field(repr=False)

    @classmethod
    def read(cls, told: Json) -> Self:
        """From the API's description, which says little of a node that has just joined."""
        spec, description, status = told["Spec"], told.get("Description") or {}, told.get("Status") or {}
        platform, resources = description.get("Platform") or {}, description.get("Resources") or {}
        return cls(
            id=told["ID"],
            version=told["Version"]["Index"],
            name=description.get("Hostname") or told["ID"],
            role=spec["Role"],
            availability=spec["Availability"],
            state=status.get("State", "unknown"),
            address=status.get("Addr", ""),
            os=platform.get("OS", ""),
            architecture=platform.get("Architecture", ""),
            cpus=resources.get("NanoCPUs", 0) / _NANO,
            memory=resources.get("MemoryBytes", 0),
            labels=spec.get("Labels") or {},
            engine_labels=(description.get("Engine") or {}).get("Labels") or {},
            spec=spec,
        )

    @property
    def takes_tasks(self) -> bool:
        """Whether Swarm may give it a task now."""
        return (self.state, self.availability) == ("ready", "active")

    @property
    def lost(self) -> bool:
        """Whether the managers have given it up: what they tell of its tasks may be long past."""
        return self.state in {"down", "disconnected"}


@dataclass(frozen=True, slots=True)
class Task:
    """One copy of a service, on one node (empty while none is chosen). `at` is when it came into its state."""

    id: str
    service: str
    node: str
    state: str
    desired: str
    at: str
    message: str
    error: str
    container: str
    spec: Json = field(repr=False)

    @classmethod
    def read(cls, told: Json) -> Self:
        """From the API's description."""
        status = told["Status"]
        return cls(
            id=told["ID"],
            service=told.get("ServiceID", ""),
            node=told.get("NodeID", ""),
            state=status["State"],
            desired=told["DesiredState"],
            at=status["Timestamp"],
            message=status.get("Message", ""),
            error=status.get("Err", ""),
            container=(status.get("ContainerStatus") or {}).get("ContainerID", ""),
            spec=told.get("Spec") or {},
        )

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def ended(self) -> bool:
        return STATES.index(self.state) > _RUNNING

    @property
    def wanted(self) -> bool:
        """Whether the swarm wants it to run, now or soon."""
        return STATES.index(self.desired) <= _RUNNING


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """How Swarm replaces a service's tasks; where the service says nothing, Swarm's own defaults."""

    order: str
    parallelism: int
    delay_s: float
    monitor_s: float
    on_failure: str

    @classmethod
    def read(cls, told: Json) -> Self:
        """From the API's description; empty where the service says nothing."""
        return cls(
            order=told.get("Order") or "stop-first",
            parallelism=told.get("Parallelism", 0) if told else 1,
            delay_s=told.get("Delay", 0) / _NANO,
            monitor_s=(told.get("Monitor") or 5 * _NANO) / _NANO,
            on_failure=told.get("FailureAction") or "pause",
        )

    def describe(self) -> str:
        """For a person."""
        count = f"{self.parallelism} at a time" if self.parallelism else "all at once"
        pause = f", {self.delay_s:g} s between" if self.delay_s else ""
        return f"{self.order}, {count}{pause}, watched for {self.monitor_s:g} s, on failure {self.on_failure}"


@dataclass(frozen=True, slots=True)
class Mount:
    """Where something from outside is mounted in the containers of a service. `source` is empty where nobody named it.

    `driver` and `options` are those of a volume; `local` without options lies on the node's own disk.
    """

    type: str
    source: str
    target: str
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def stays_behind(self) -> bool:
        """Whether it is data of a name on the node's own disk, which does not follow a task by itself."""
        return self.named and self.driver in {"", "local"} and not self.options

    def as_is(self, volume: Json) -> Self:
        """With driver and options of the volume that is there, in the API's words."""
        return replace(self, driver=volume.get("Driver", ""), options=volume.get("Options") or {})

    @property
    def named(self) -> bool:
        """Whether it is a volume with a name."""
        return self.type == "volume" and bool(self.source)

    @property
    def folder(self) -> str:
        """The node's own folder that is mounted, also by way of a volume; empty where it is none."""
        if self.type == "bind":
            return self.source
        bound = self.driver in {"", "local"} and "bind" in self.options.get("o", "").split(",")
        return self.options.get("device", "") if self.named and bound else ""


@dataclass(frozen=True, slots=True)
class Service:
    """A service, its spec as Docker's API has it, and how far its latest update is (empty: none)."""

    id: str
    version: int
    name: str
    updated: str
    update_state: str
    update_message: str
    spec: Json = field(repr=False)

    @classmethod
    def read(cls, told: Json) -> Self:
        """From the API's description."""
        update = told.get("UpdateStatus") or {}
        return cls(
            id=told["ID"],
            version=told["Version"]["Index"],
            name=told["Spec"]["Name"],
            updated=told["UpdatedAt"],
            update_state=update.get("State", ""),
            update_message=update.get("Message", ""),
            spec=told["Spec"],
        )

    @property
    def template(self) -> Json:
        template: Json = self.spec["TaskTemplate"]
        return template

    @property
    def container(self) -> Json:
        """What its containers are; empty for tasks of another kind."""
        return self.template.get("ContainerSpec") or {}

    @property
    def image(self) -> str:
        return str(self.container.get("Image", ""))

    @property
    def mode(self) -> str:
        """`Replicated`, `Global`, `ReplicatedJob` or `GlobalJob`."""
        return next(iter(self.spec.get("Mode") or {}), "Replicated")

    @property
    def replicas(self) -> int:
        return replicas_of(self.spec)

    @property
    def placement(self) -> Json:
        return self.template.get("Placement") or {}

    @property
    def constraints(self) -> tuple[str, ...]:
        return tuple(self.placement.get("Constraints") or ())

    @property
    def labels(self) -> Mapping[str, str]:
        return self.spec.get("Labels") or {}

    @property
    def mounts(self) -> tuple[Mount, ...]:
        return tuple(map(_mount, self.container.get("Mounts") or ()))

    @property
    def ports(self) -> tuple[Json, ...]:
        """The published ports, in the API's words."""
        return tuple((self.spec.get("EndpointSpec") or {}).get("Ports") or ())

    @property
    def uses_virtual_address(self) -> bool:
        """Whether clients reach it by an address that the kernel's IPVS must turn into a task's."""
        endpoint = self.spec.get("EndpointSpec") or {}
        in_networks = bool(self.template.get("Networks") or self.spec.get("Networks"))
        ingress = any(port.get("PublishMode", "ingress") == "ingress" for port in self.ports)
        return ingress or (in_networks and endpoint.get("Mode", "vip") == "vip")

    @property
    def grace_s(self) -> float:
        """How long a container may take to stop."""
        nanoseconds = self.container.get("StopGracePeriod")
        return 10.0 if nanoseconds is None else nanoseconds / _NANO

    @property
    def update(self) -> UpdateSettings:
        return UpdateSettings.read(self.spec.get("UpdateConfig") or {})

    @property
    def rollback(self) -> UpdateSettings:
        """How Swarm goes back to the spec before, where a failed update shall lead to that."""
        return UpdateSettings.read(self.spec.get("RollbackConfig") or {})

    def rollout_s(self, tasks: int, each_s: float) -> float:
        """How long Swarm may take to replace so many tasks as the service wants it, if each takes `each_s` to run.

        That is one batch after another, with the grace period of its old tasks and the delay behind it.
        """
        batches = ceil(tasks / (self.update.parallelism or tasks)) if tasks else 0
        return batches * (self.grace_s + each_s + self.update.delay_s)


def replicas_of(spec: Json) -> int:
    """How many tasks a service of this spec shall have."""
    return int(((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas") or 0)


def _mount(told: Json) -> Mount:
    config = (told.get("VolumeOptions") or {}).get("DriverConfig") or {}
    return Mount(
        told.get("Type", "volume"),
        told.get("Source", ""),
        told["Target"],
        config.get("Name", ""),
        config.get("Options") or {},
    )
