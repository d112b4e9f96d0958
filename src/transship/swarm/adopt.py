import secrets
from dataclasses import dataclass, replace

from transship.engine import first_interrupt_only
from transship.errors import NeedsRecoveryError, NotFoundError, PreflightError, RolledBackError, TransshipError
from transship.hosts.base import Docker, Host, Json
from transship.lifecycle import SETTLE_S
from transship.observe.source import changed_paths, read_spec
from transship.spec.model import ContainerSpec
from transship.swarm.exchange import OF_SWARM, TIMEOUT_S, Exchange, Exchanged
from transship.swarm.model import Service
from transship.swarm.reason import reason_of
from transship.swarm.translate import not_kept, service_spec
from transship.swarm.watch import Goal, Watch
from transship.undo import Patience


def adopt(exchange: Exchange, container: str) -> Exchanged:
    """Make a service of a running container, on the node where it is. The container stays, stopped and renamed.

    Volumes are used on; what it wrote into its own filesystem stays in the old container. A process that is killed in
    the middle leaves that stopped, under a name that tells of it, and the journal knows nothing of it.

    Raises:
        PreflightError: it does not run, the name is taken, or nobody agreed to the differences; nothing was touched.
        RolledBackError: the service did not come up; the container runs as before.
        NeedsRecoveryError: that could not be reached; the hint says what to type.

    """
    node = str((exchange.host.docker.info().get("Swarm") or {}).get("NodeID", ""))
    if not node:
        raise PreflightError(f"{exchange.host.name} is no node of a swarm", hint="docker swarm join makes it one")
    inspected = _running(exchange.host, container)
    spec = _by_lasting_name(exchange.host.docker, read_spec(exchange.host.docker, inspected))
    if any(Service.read(each).name == spec.name for each in exchange.swarm.services()):
        raise PreflightError(f"the swarm has a service {spec.name} already", hint="rename the container first")
    differences = [*not_kept(spec), *_written(exchange.host, inspected["Id"], spec)]
    exchange.ask(differences)
    adoption = _Adoption(exchange, spec, inspected, node, f"{spec.name}.adopted.{secrets.token_hex(4)}")
    with first_interrupt_only() as interrupts:
        try:
            adoption.run()
        except BaseException as cause:
            interrupts.armed = False
            raise adoption.taken_back(cause) from cause
    return Exchanged(spec.name, exchange.host.name, adoption.left, tuple(differences))


@dataclass
class _Adoption:
    """One adoption under way; `service` is the id of what was made."""

    exchange: Exchange
    spec: ContainerSpec
    inspected: Json
    node: str
    left: str
    service: str = ""

    def run(self) -> None:
        docker, container = self.exchange.host.docker, str(self.inspected["Id"])
        with self.exchange.recorder.phase("stop", f"the container, which is called {self.left} from now on"):
            docker.set_restart_policy(container, {"Name": "no"})
            docker.stop(container)
            docker.rename(container, self.left)
        with self.exchange.recorder.phase("arrive", "until the service runs"):
            self.service = self.exchange.swarm.create_service(service_spec(self.spec, self.spec.name, self.node))
            goal, watch = Goal(1, frozenset({self.node})), Watch(self.exchange.swarm, self.service, frozenset())
            watch.arrive(goal, TIMEOUT_S)
            watch.stay(goal, SETTLE_S)

    def taken_back(self, cause: BaseException) -> TransshipError:
        """Remove the service and start the container again; return the error that says how that ended."""
        name, host = self.spec.name, self.exchange.host
        try:
            Patience()(self._restore)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody must look
            return NeedsRecoveryError(
                f"{reason_of(cause)}; and {name} could not be started again: {error}",
                hint=f"docker service rm {name}, then on {host.name}: docker start {self.inspected['Id'][:12]}",
            )
        return RolledBackError(f"{reason_of(cause)}; {name} is an ordinary container as before")

    def _restore(self) -> None:
        docker, container = self.exchange.host.docker, str(self.inspected["Id"])
        ours = [Service.read(each) for each in self.exchange.swarm.services()]
        for service in ours:  # the answer to its creation may have been lost: there was none of this name
            if service.name == self.spec.name:
                self.exchange.swarm.remove_service(service.id)
                self.exchange.await_end(service.id)
        if docker.inspect_container(container)["Name"] != f"/{self.spec.name}":
            docker.rename(container, self.spec.name)
        docker.start(container)
        docker.set_restart_policy(container, self.inspected["HostConfig"].get("RestartPolicy") or {"Name": "no"})


def _by_lasting_name(docker: Docker, spec: ContainerSpec) -> ContainerSpec:
    """With its image called by its id, where its name means another image by now. Swarm does not pull an id."""
    try:
        same = docker.inspect_image(spec.image.reference)["Id"] == spec.image.id
    except NotFoundError:
        same = False
    return spec if same else replace(spec, image=replace(spec.image, reference=spec.image.id))


def _running(host: Host, container: str) -> Json:
    """Raises `PreflightError`."""
    try:
        inspected = host.docker.inspect_container(container)
    except NotFoundError as error:
        raise PreflightError(f"{host.name} has no container {container!r}", hint="--on HOST names a node") from error
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


def _written(host: Host, container: str, spec: ContainerSpec) -> list[str]:
    count = changed_paths(host.docker.changes(container), spec)
    return [f"what it wrote into its own filesystem ({count} paths)"] if count else []
