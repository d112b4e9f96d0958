from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from transship.engine import first_interrupt_only
from transship.errors import NeedsRecoveryError, PreflightError, RolledBackError, TransshipError
from transship.hosts.base import Json
from transship.lifecycle import ProveHealthy
from transship.observe.source import api_version, read_spec
from transship.spec.model import ContainerSpec
from transship.spec.render import connections, create_body
from transship.swarm.edits import scaled
from transship.swarm.exchange import OF_SWARM, TIMEOUT_S, Exchange, Exchanged
from transship.swarm.model import Service, Task
from transship.swarm.reason import reason_of
from transship.swarm.record import CLAIM
from transship.swarm.watch import Goal, Watch
from transship.undo import Patience

_POLICIES = {"any": "unless-stopped", "on-failure": "on-failure", "none": "no"}
_HEALTH_S = 60.0


def releasable(service: Service, tasks: tuple[Task, ...]) -> Task:
    """The one task of a service that can become an ordinary container. Raises `PreflightError` for any other."""
    name = service.name
    if CLAIM in service.labels:
        raise PreflightError(f"a move of {name} is under way, or was cut off", hint="transship status")
    if service.mode != "Replicated" or service.replicas != 1:
        raise PreflightError(f"{name} has not one task but a number of them", hint=f"docker service scale {name}=1")
    if service.container.get("Configs") or service.container.get("Secrets"):
        raise PreflightError(
            f"{name} uses configs or secrets of the swarm, which stay inside it and are not read out",
            hint="give it what it needs in another way first",
        )
    running = [task for task in tasks if task.running and task.wanted]
    if len(running) != 1 or not running[0].container:
        raise PreflightError(f"{name} does not run as it should", hint="docker service ps tells why")
    return running[0]


def release(exchange: Exchange, service: Service, task: Task) -> Exchanged:
    """Make an ordinary container of a service's task, on the node where it is, and remove the service.

    Volumes are used on; what the task wrote into its own filesystem is lost with it.

    Raises:
        PreflightError: nobody agreed to the differences; nothing was touched.
        RolledBackError: the container did not come up; the service runs as before.
        NeedsRecoveryError: that could not be reached; the hint says what to type.

    """
    docker = exchange.host.docker
    spec = read_spec(docker, docker.inspect_container(task.container))
    differences = tuple(_not_kept(service, spec))
    exchange.ask(differences)
    undertaking = _Release(exchange, service, task, as_container(service, spec))
    with first_interrupt_only() as interrupts:
        try:
            undertaking.run()
        except BaseException as cause:
            interrupts.armed = False
            raise undertaking.taken_back(cause) from cause
        interrupts.armed = False
        exchange.swarm.remove_service(service.id)
    return Exchanged(service.name, exchange.host.name, "", differences)


def as_container(service: Service, spec: ContainerSpec) -> ContainerSpec:
    """What the service's container is without Swarm. Pure."""
    labels = {key: value for key, value in spec.config.get("Labels", {}).items() if not key.startswith(OF_SWARM)}
    config = {key: value for key, value in spec.config.items() if key != "Labels"}
    networks = tuple(item for item in spec.networks if item.network.attachable)
    mode = spec.network_mode if spec.network_mode in {"host", "none"} else "bridge"
    restart = service.template.get("RestartPolicy") or {}
    policy: dict[str, Any] = {"Name": _POLICIES[restart.get("Condition", "any")]}
    if policy["Name"] == "on-failure" and restart.get("MaxAttempts"):
        policy["MaximumRetryCount"] = restart["MaxAttempts"]
    return replace(
        spec,
        name=service.name,
        network_mode=networks[0].network.name if networks else mode,
        networks=networks,
        config={**config, **({"Labels": labels} if labels else {})},
        host_config={**spec.host_config, "RestartPolicy": policy, "PortBindings": _bindings(service)},
    )


def _bindings(service: Service) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for port in service.ports:
        key = f"{port['TargetPort']}/{port.get('Protocol', 'tcp')}"
        found.setdefault(key, []).append({"HostIp": "", "HostPort": str(port.get("PublishedPort") or "")})
    return found


def _not_kept(service: Service, spec: ContainerSpec) -> Iterator[str]:
    for item in spec.networks:
        if item.network.scope == "swarm" and not (item.network.attachable or item.network.ingress):
            yield f"the network {item.network.name}, which only services may join,"
    for port in service.ports:
        if port.get("PublishMode", "ingress") == "ingress":
            yield f"the port {port.get('PublishedPort')} on every other node"
    yield "what its task wrote into its own filesystem"


@dataclass
class _Release:
    """One release under way; `container` is the id of what was made."""

    exchange: Exchange
    service: Service
    task: Task
    spec: ContainerSpec
    container: str = field(default="", init=False)

    def run(self) -> None:
        docker, recorder = self.exchange.host.docker, self.exchange.recorder
        version = api_version(docker.version()["ApiVersion"])
        with recorder.phase("create", f"the container {self.spec.name}"):
            body = create_body(self.spec, image=self.spec.image.id, api_version=version)
            self.container = docker.create_container(self.spec.name, body)
            for network, endpoint in connections(self.spec, version):
                docker.connect(network, self.container, endpoint)
        with recorder.phase("stop", "scale the service to zero"):
            swarm = self.exchange.swarm
            swarm.update_service(self.service.id, self.service.version, scaled(self.service.spec, 0))
            Watch(swarm, self.service.id, frozenset()).arrive(Goal(0, frozenset()), TIMEOUT_S, patient=True)
            self.exchange.await_end(self.service.id)
        with recorder.phase("start"):
            docker.start(self.container)
        ProveHealthy(None, _HEALTH_S).prove(self.exchange.host, self.container, recorder)

    def taken_back(self, cause: BaseException) -> TransshipError:
        """Remove the container and scale the service up again; return the error that says how that ended."""
        name = self.service.name
        try:
            Patience()(self._restore)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody must look
            return NeedsRecoveryError(
                f"{reason_of(cause)}; and the service {name} could not be started again: {error}",
                hint=f"docker rm --force {name} on {self.exchange.host.name}, then docker service scale {name}=1",
            )
        return RolledBackError(f"{reason_of(cause)}; the service {name} runs as before")

    def _restore(self) -> None:
        swarm = self.exchange.swarm
        if self.container:
            self.exchange.host.docker.remove_container(self.container)
        now = Service.read(swarm.service(self.service.id))
        if now.replicas == 0:
            swarm.update_service(now.id, now.version, scaled(now.spec, 1))
        watch = Watch(swarm, self.service.id, frozenset())
        watch.arrive(Goal(1, frozenset({self.task.node})), TIMEOUT_S, patient=True)
