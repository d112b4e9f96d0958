import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from transship.errors import NotFoundError, PreflightError, SourceNotRetiredError
from transship.hosts.base import Docker
from transship.observe.source import api_version, read_spec
from transship.plan.findings import Finding
from transship.spec.model import ContainerSpec
from transship.spec.render import connections, create_body
from transship.strategies.record import coordinator
from transship.swarm.change import edit_service, mark
from transship.swarm.edits import before, scaled
from transship.swarm.exchange import TIMEOUT_S, Exchange, Outcome, Undertaking, by_lasting_name
from transship.swarm.exchange_ends import await_end, drop_service, give_back_service, prove_container
from transship.swarm.exchange_record import ExchangeRecord, aside, to_label
from transship.swarm.model import Service, Task
from transship.swarm.record import CLAIM, Place
from transship.swarm.translate_back import as_container, not_kept
from transship.swarm.watch import Goal, Watch


def releasable(service: Service, tasks: tuple[Task, ...]) -> Task:
    """The one task of a service that can become an ordinary container. Raises `PreflightError` for any other."""
    name = service.name
    if CLAIM in service.labels:
        raise PreflightError(
            f"a move, adoption or release of {name} is under way, or was cut off", hint="transship status tells which"
        )
    if service.mode != "Replicated":
        raise PreflightError(f"{name} is {'global' if service.mode == 'Global' else 'a job'}, and has no one task")
    if service.replicas != 1:
        raise PreflightError(f"{name} has {service.replicas} tasks, not one", hint=f"docker service scale {name}=1")
    if service.update_state == "updating":
        raise PreflightError(f"{name} is being updated", hint="wait for the end of that: docker service ps tells it")
    if service.container.get("Configs") or service.container.get("Secrets"):
        raise PreflightError(
            f"{name} uses configs or secrets of the swarm, which stay inside it and are not read out",
            hint="give it what it needs in another way first",
        )
    running = [task for task in tasks if task.running and task.wanted]
    if len(running) != 1 or not running[0].container:
        raise PreflightError(f"{name} does not run as it should", hint="docker service ps tells why")
    return running[0]


def release_of(exchange: Exchange, service: Service, task: Task) -> "Release":
    """Say what is to be done to make an ordinary container of a service's task, on its node. Nothing is touched.

    Volumes are used on; what the task wrote into its own filesystem is lost with it. Raises `PreflightError`: the
    container's name is taken, or nobody agreed to the differences.
    """
    docker = exchange.host.docker
    if _has(docker, service.name):
        raise PreflightError(
            f"{exchange.host.name} has a container {service.name} already", hint="rename it, or remove it, first"
        )
    was = read_spec(docker, docker.inspect_container(task.container))
    differences = not_kept(service, was, exchange.node)
    exchange.ask(differences, *_notes(service, was))
    identity = secrets.token_hex(4)
    record = ExchangeRecord(
        id=identity,
        kind="release",
        begun=datetime.now(UTC).isoformat(),
        coordinator=coordinator(),
        manager=exchange.manager,
        node=Place(exchange.node.id, exchange.node.name, exchange.host.name),
        name=service.name,
        aside=aside("release", service.name, identity),
        grace_s=service.grace_s,
        service=service.id,
        before=before(service),
    )
    spec = by_lasting_name(docker, as_container(service, was, _aliases(docker, service)))
    return Release(exchange, record, differences, service, spec)


@dataclass
class Release(Undertaking):
    """A release. The container is made before the service is scaled to zero: what Docker refuses costs nothing."""

    service: Service
    spec: ContainerSpec

    done: ClassVar[Outcome] = "released"

    def begin(self) -> None:
        with self.exchange.recorder.phase("claim", "label the service"):
            mark(self.exchange.swarm, self.service, to_label(self.record))

    def change(self) -> None:
        docker, recorder = self.exchange.host.docker, self.exchange.recorder
        with recorder.phase("create", f"the container {self.spec.name}"):
            self._create()
        with recorder.phase("stop", "scale the service to zero"):
            self._stop()
        with recorder.phase("start"):
            self.save(stage="changed")
            docker.start(self.record.container)
        prove_container(self.exchange.host, self.record, recorder)

    def finish(self) -> None:
        try:
            drop_service(self.exchange.swarm, self.record)
        except Exception as error:
            raise SourceNotRetiredError(
                f"{self.record.name} runs as a container on {self.record.node.name}, but the service, which has no "
                f"tasks any more, could not be removed: {error}",
                hint=f"transship recover {self.record.id} tries again",
            ) from error

    def take_back(self) -> None:
        give_back_service(self.exchange.swarm, self.exchange.host, self.record)

    def _create(self) -> None:
        docker = self.exchange.host.docker
        version = api_version(docker.version()["ApiVersion"])
        body = create_body(self.spec, image=self.spec.image.reference, api_version=version)
        # Under a name of its own, so that it is known again where the answer is lost.
        self.save(container=docker.create_container(self.record.aside, body))
        for network, endpoint in connections(self.spec, version):
            docker.connect(network, self.record.container, endpoint)
        docker.rename(self.record.container, self.spec.name)

    def _stop(self) -> None:
        swarm, record = self.exchange.swarm, self.record
        self.save(stage="stopping")
        edit_service(swarm, record, partial(scaled, replicas=0))
        Watch(swarm, record.service, frozenset()).arrive(Goal(0, frozenset()), TIMEOUT_S + record.grace_s, patient=True)
        await_end(self.exchange.host, record.service, record.grace_s)


def _notes(service: Service, was: ContainerSpec) -> Iterator[Finding]:
    named = {mount.source for mount in service.mounts}
    for volume in was.volumes:
        if volume.anonymous and volume.name not in named:
            yield Finding(
                "warning",
                "volume-nameless",
                f"if the container does not come up, {service.name} runs again with a new, empty volume at "
                f"{volume.destination}: nobody gave its volume there a name, so that Swarm makes one for each task",
                f"its data is in {volume.name} on its node, which the container uses on",
            )


def _has(docker: Docker, container: str) -> bool:
    try:
        docker.inspect_container(container)
    except NotFoundError:
        return False
    return True


def _aliases(docker: Docker, service: Service) -> Mapping[str, tuple[str, ...]]:
    """What the service is called beside its name, by the name of the network. The spec has the networks' ids."""
    joined = [*(service.template.get("Networks") or ()), *(service.spec.get("Networks") or ())]
    return {
        str(docker.inspect_network(each["Target"])["Name"]): tuple(each["Aliases"])
        for each in joined
        if each.get("Aliases")
    }
