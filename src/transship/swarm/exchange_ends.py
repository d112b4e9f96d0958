"""Both ends of an adoption and of a release. They go by record and observation, and may be done twice."""

import threading
import time
from contextlib import suppress

from transship.errors import EndedError, NotFoundError, UnhealthyError
from transship.hosts.base import Host, Json
from transship.lifecycle import ProveHealthy
from transship.metrics.events import Recorder
from transship.observe.listed import alive
from transship.observe.source import read_spec
from transship.swarm.base import Swarm
from transship.swarm.change import edit_service, holder, let_go
from transship.swarm.constraints import with_pins
from transship.swarm.edits import constrained, labelled, restored, scaled
from transship.swarm.exchange import TIMEOUT_S, begins_s
from transship.swarm.exchange_record import ExchangeRecord
from transship.swarm.model import Node, Service
from transship.swarm.record import CLAIM
from transship.swarm.translate_back import OF_SWARM
from transship.swarm.watch import Goal, Watch
from transship.undo import Patience

_POLL_S = 0.05
_HEALTH_S = 60.0


def service_of(swarm: Swarm, record: ExchangeRecord) -> Service | None:
    """The service that an adoption has made, or that a release works on, while it has their label."""
    found = (Service.read(each) for each in swarm.services())
    return next((each for each in found if holder(each) == record.id), None)


def keep_service(swarm: Swarm, record: ExchangeRecord) -> None:
    """The adopted service runs: let go of it."""
    let_go(Patience(), swarm, record, _freed)


def give_back_container(swarm: Swarm, host: Host, record: ExchangeRecord) -> None:
    """Remove what an adoption has made, and have the container run as it did."""
    patiently = Patience()
    service = patiently(lambda: service_of(swarm, record))
    made = record.service if service is None else service.id
    if service is not None:
        patiently(lambda: swarm.remove_service(service.id))
    if made:
        patiently(lambda: await_end(host, made, record.grace_s))
    if record.stage != "begun":
        patiently(lambda: _restore(host, record))


def prove_container(host: Host, record: ExchangeRecord, recorder: Recorder) -> None:
    """Wait until a released container is healthy and has stayed up for a moment, without having been restarted.

    Raises `UnhealthyError`, and `NotFoundError` where it is gone.
    """
    docker, container = host.docker, record.container or record.aside
    begins = begins_s(read_spec(docker, docker.inspect_container(container)))
    ProveHealthy(None, _HEALTH_S + begins).prove(host, container, recorder)


def drop_service(swarm: Swarm, record: ExchangeRecord) -> None:
    """The released container runs: remove the service. Raises `EndedError` where it is not the release's any more."""

    def once() -> None:
        with suppress(NotFoundError):
            if holder(Service.read(swarm.service(record.service))) != record.id:
                raise EndedError(f"the service {record.name} is no longer the release's: somebody else has taken it")
            swarm.remove_service(record.service)

    Patience()(once)


def give_back_service(swarm: Swarm, host: Host, record: ExchangeRecord) -> None:
    """Remove what a release has made, and have the service run on its node as it did. Volumes stay."""
    patiently = Patience()
    patiently(lambda: _remove(host, record))
    if record.stage == "begun":  # there may not even be a label
        with suppress(EndedError):
            let_go(patiently, swarm, record, _freed)
        return
    nodes = [Node.read(each) for each in patiently(swarm.nodes)]
    before = (record.before.placement or {}).get("Constraints") or ()
    pins = with_pins(before, [node for node in nodes if node.id == record.node.node], nodes)
    patiently(lambda: edit_service(swarm, record, lambda spec: scaled(constrained(spec, pins), 1)))
    goal = Goal(1, frozenset({record.node.node}))
    Watch(swarm, record.service, frozenset()).arrive(goal, TIMEOUT_S + record.grace_s, patient=True)
    let_go(patiently, swarm, record, lambda spec: _freed(restored(spec, record.before)))


def await_end(host: Host, service: str, grace_s: float) -> None:
    """Wait until no container of a service runs on the host: volumes and ports are free then."""
    deadline = time.monotonic() + grace_s + TIMEOUT_S
    label = f"{OF_SWARM}service.id"
    while any((each.get("Labels") or {}).get(label) == service for each in alive(host.docker.containers())):
        if time.monotonic() > deadline:
            raise UnhealthyError(f"a task of the service still runs on {host.name}, long after its grace period")
        threading.Event().wait(_POLL_S)


def _remove(host: Host, record: ExchangeRecord) -> None:
    container = record.container or record.aside
    with suppress(NotFoundError):
        host.docker.stop(container)  # it may have run, and what it writes at its end is the service's, too
        host.docker.remove_container(container)


def _restore(host: Host, record: ExchangeRecord) -> None:
    docker, container = host.docker, record.container
    inspected = docker.inspect_container(container)
    policy = record.policy or {"Name": "no"}
    fenced = (inspected["HostConfig"].get("RestartPolicy") or {}).get("Name") in {"no", "", None}
    if inspected["State"]["Running"] and fenced:
        docker.stop(container)  # a stop that was cut off may be under way: this waits for its end
    if inspected["Name"] != f"/{record.name}":
        docker.rename(container, record.name)
    docker.start(container)
    docker.set_restart_policy(container, policy)


def _freed(spec: Json) -> Json:
    return labelled(spec, CLAIM, None)
