import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from transship.errors import ConflictError, NeedsRecoveryError, NotFoundError, PreflightError
from transship.hosts.base import Host, Json
from transship.lifecycle import SETTLE_S
from transship.observe.source import changed_paths, read_spec
from transship.plan.findings import Finding
from transship.spec.model import ContainerSpec
from transship.strategies.record import coordinator
from transship.swarm.change import edit_service
from transship.swarm.edits import labelled, scaled
from transship.swarm.exchange import TIMEOUT_S, Exchange, Outcome, Undertaking, begins_s, by_lasting_name
from transship.swarm.exchange_ends import give_back_container, keep_service
from transship.swarm.exchange_record import ExchangeRecord, aside, to_label
from transship.swarm.model import Node, Service
from transship.swarm.record import CLAIM, Place
from transship.swarm.translate import COMPOSE, dropped, not_kept, service_spec
from transship.swarm.translate_back import OF_SWARM
from transship.swarm.watch import Goal, Watch

_GRACE_S = 10.0
"""How long Docker lets a container stop where nobody says anything."""


def adoption(exchange: Exchange, container: str) -> "Adoption":
    """Say what is to be done to make a service of a running container, on its node. Nothing is touched.

    Volumes are used on; what it wrote into its own filesystem stays in the old container, which stays, stopped and
    renamed. Raises `PreflightError`: it cannot be, or nobody agreed to the differences.
    """
    inspected = _running(exchange.host, container)
    docker = exchange.host.docker
    spec = _by_digest(by_lasting_name(docker, read_spec(docker, inspected)))
    if any(Service.read(each).name == spec.name for each in exchange.swarm.services()):
        raise PreflightError(f"the swarm has a service {spec.name} already", hint="rename the container first")
    differences = (*not_kept(spec, docker.info()), *_written(exchange.host, inspected["Id"], spec))
    exchange.ask(differences, *_notes(spec))
    identity = secrets.token_hex(4)
    stop_s = spec.config.get("StopTimeout")
    record = ExchangeRecord(
        id=identity,
        kind="adopt",
        begun=datetime.now(UTC).isoformat(),
        coordinator=coordinator(),
        manager=exchange.manager,
        node=Place(exchange.node.id, exchange.node.name, exchange.host.name),
        name=spec.name,
        aside=aside("adopt", spec.name, identity),
        grace_s=_GRACE_S if stop_s is None else float(stop_s),
        container=str(inspected["Id"]),
        policy=inspected["HostConfig"].get("RestartPolicy") or {},
    )
    return Adoption(exchange, record, differences, spec)


@dataclass
class Adoption(Undertaking):
    """An adoption. Swarm is asked for the service before the container is stopped: what it refuses costs nothing."""

    spec: ContainerSpec

    done: ClassVar[Outcome] = "adopted"

    def begin(self) -> None:
        swarm, record = self.exchange.swarm, self.record
        with self.exchange.recorder.phase("create", "the service, without a task"):
            asked = service_spec(self.spec, record.name, record.node.node)
            self.save(service=swarm.create_service(scaled(labelled(asked, CLAIM, to_label(record)), 0)))

    def change(self) -> None:
        docker, container = self.exchange.host.docker, self.record.container
        self._see_what_was_taken()
        with self.exchange.recorder.phase("stop", f"the container, which is called {self.record.aside} from now on"):
            self._require_unchanged()
            self.save(stage="stopping")
            docker.set_restart_policy(container, {"Name": "no"})
            docker.stop(container)
            docker.rename(container, self.record.aside)
        with self.exchange.recorder.phase("arrive", "until the service runs"):
            swarm, service = self.exchange.swarm, self.record.service
            self.save(stage="changed")
            edit_service(swarm, self.record, partial(scaled, replicas=1))
            goal, watch = Goal(1, frozenset({self.record.node.node})), Watch(swarm, service, frozenset())
            watch.arrive(goal, TIMEOUT_S + begins_s(self.spec))
            watch.stay(goal, SETTLE_S)

    def finish(self) -> None:
        try:
            keep_service(self.exchange.swarm, self.record)
        except Exception as error:
            raise NeedsRecoveryError(
                f"{self.record.name} runs as a service, but its label {CLAIM} could not be taken away: {error}",
                hint=f"transship recover {self.record.id} tries again",
            ) from error

    def take_back(self) -> None:
        give_back_container(self.exchange.swarm, self.exchange.host, self.record)

    def _see_what_was_taken(self) -> None:
        """Swarm leaves out without a word what its version does not know; only now that can be seen."""
        asked = service_spec(self.spec, self.record.name, self.record.node.node)
        kept = self.exchange.swarm.service(self.record.service)["Spec"]
        lost = [f"its {each}" for each in dropped(asked["TaskTemplate"], kept["TaskTemplate"])]
        self.exchange.ask(lost)
        self.differences += tuple(lost)

    def _require_unchanged(self) -> None:
        inspected = self.exchange.host.docker.inspect_container(self.record.container)
        if inspected["Name"] != f"/{self.record.name}" or not inspected["State"]["Running"]:
            raise ConflictError(f"somebody has stopped or renamed {self.record.name} meanwhile")


def node_of(host: Host, nodes: tuple[Node, ...]) -> Node:
    """The node that the host is, if it takes tasks. Raises `PreflightError`."""
    id_ = str((host.docker.info().get("Swarm") or {}).get("NodeID", ""))
    node = next((each for each in nodes if each.id == id_), None)
    if node is None:
        names = ", ".join(each.name for each in nodes)
        raise PreflightError(f"{host.name} is no node of this swarm", hint=f"its nodes are {names}; --on names one")
    if not node.takes_tasks:
        activate = f"docker node update --availability active {node.name}"
        raise PreflightError(
            f"the node {node.name} takes no tasks: it is {node.state}, and its availability is {node.availability}",
            hint=activate if node.state == "ready" else "docker node ls shows the nodes as the managers see them",
        )
    return node


def _running(host: Host, container: str) -> Json:
    """Raises `PreflightError`."""
    try:
        inspected = host.docker.inspect_container(container)
    except NotFoundError as error:
        raise PreflightError(
            f"{host.name} has no container {container!r}",
            hint="--on NODE looks on another one",
        ) from error
    if not inspected["State"]["Running"] or inspected["State"]["Paused"]:
        raise PreflightError(f"{container} on {host.name} does not run", hint="docker start it first")
    if any(label.startswith(OF_SWARM) for label in inspected["Config"].get("Labels") or {}):
        raise PreflightError(f"{container} on {host.name} is a service's task already")
    if inspected["HostConfig"].get("AutoRemove"):  # it is stopped, and would be gone if the service did not come up
        raise PreflightError(
            f"{container} on {host.name} was started with --rm, so it is removed as soon as it stops",
            hint="make the service with docker service create",
        )
    return inspected


def _by_digest(spec: ContainerSpec) -> ContainerSpec:
    """With its image called by name and digest, where that is known: a name alone is pulled anew for each task."""
    reference = spec.image.reference
    digest = next((each for each in spec.image.digests if _repository(each) == _repository(reference)), "")
    if "@" in reference or not digest:
        return spec
    return replace(spec, image=replace(spec.image, reference=f"{reference}@{digest.partition('@')[2]}"))


def _repository(name: str) -> str:
    name = name.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return (head if colon and "/" not in tag else name).removeprefix("docker.io/").removeprefix("library/")


def _notes(spec: ContainerSpec) -> Iterator[Finding]:
    reference = spec.image.reference
    if "@" not in reference and reference != spec.image.id:
        text = f"{reference} has no digest here: where a registry has an image of this name, the service's tasks get it"
        yield Finding("note", "no-digest", text)
    project = spec.config.get("Labels", {}).get(f"{COMPOSE}project")
    if project:
        yield Finding(
            "warning",
            "compose",
            f"the stopped container stays one of the Compose project {project}: docker compose up would start it "
            "again beside the service, on the same volumes",
            f"take {spec.name} out of the project's files first; when the service has proven itself, remove the "
            "stopped container",
        )


def _written(host: Host, container: str, spec: ContainerSpec) -> list[str]:
    count = changed_paths(host.docker.changes(container), spec)
    return [f"what it wrote into its own filesystem ({count} paths)"] if count else []
