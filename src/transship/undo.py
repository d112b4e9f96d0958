"""How a move is taken back: first the service, then what was made.

Both go by the record alone, which says what may exist, and by what is observed. So it makes no difference whether the
process that moved takes back its own work, or another one does after a crash; and each may be done twice.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from transship.errors import CommandError, ConflictError, HostError, NotFoundError, TransferError, TransshipError
from transship.hosts.agent import start_agent
from transship.hosts.base import Docker, Host, Json
from transship.hosts.facts import RootAccess
from transship.journal.stored import to_json
from transship.lender import lend_again, stop_lender
from transship.metrics.events import Recorder
from transship.plan.record import Record
from transship.plan.steps import Move
from transship.sandbox.whole import LABEL, sandbox_name
from transship.transfer.binds import withdraw
from transship.transfer.filesystem import remove_flat
from transship.transfer.image import remove_image

PATIENCE_S = 60.0
"""How long a host that is gone (a reboot, a daemon that restarts) is waited for before an undo is given up."""

CLEANING_S = 15.0
"""The same for what can be removed at any later time."""

_AGAIN_S = 0.2

_RETIRED = re.compile(r"\.moved-to\.[^/]*\.[0-9a-f]{8}$")
"""How the name ends that a migration gives to the container that it has moved away."""

Resumption = Literal["let_go", "speak", "complete", "give_up", "clear"]

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """Tries again while a host cannot be reached, until a common deadline."""

    deadline: float = field(default_factory=lambda: time.monotonic() + PATIENCE_S)

    def __call__(self, action: Callable[[], Answer]) -> Answer:
        """Do it, which must be harmless to do twice. Raises what happened last."""
        while True:
            try:
                return action()
            except (HostError, TransferError):
                if time.monotonic() > self.deadline:
                    raise
            threading.Event().wait(_AGAIN_S)


def bring_back(move: Move) -> None:
    """See to it that the source is what it was, and that the target does not run.

    In this order: the source is not touched while it is not certain that the target is stopped. Raises what made that
    impossible; then the record still says who may run the container.
    """
    custody, record, patiently = move.custody, move.custody.record, Patience()
    if record.stage == "preparing":
        return
    if record.stage in {"released", "committed", "forward"}:
        patiently(custody.revoke)
        patiently(lambda: stop_target(move.target, move.target_root, record))
    elif record.made.sandbox:
        # It may have the address already, but was never let start: if it cannot be told, the source comes back anyway.
        with suppress(TransshipError):
            stop_target(move.target, move.target_root, record)
    # Where its keeper was quicker it serves, unless a request of ours arrived later than that: no second stop then.
    told_to_stop = not patiently(custody.reclaim) and record.stage != "fenced"
    with move.recorder.phase("restart", "the source serves again"):
        patiently(lambda: restore_source(move.source, move.source_root, record, told_to_stop=told_to_stop))
    patiently(custody.settle)


def stop_target(target: Host, root: RootAccess, record: Record) -> None:
    """Return when the target's container does not run, and will not start by itself.

    Where it has taken over connections, nobody is told that they end: they may go on at the source.
    """
    docker, made = target.docker, record.made
    if record.memory and _runs(docker, made.container):
        with suppress(TransferError, CommandError):  # what matters is that it stops
            ask(target, root, "give_up", record)
    for container in filter(None, (made.container, made.sandbox)):
        with suppress(NotFoundError):  # gone, so it does not run
            docker.set_restart_policy(container, {"Name": "no"})
            docker.stop(container, grace=0)


def _runs(docker: Docker, container: str) -> bool:
    try:
        return bool(container) and bool(docker.inspect_container(container)["State"]["Running"])
    except NotFoundError:
        return False


def ask(host: Host, root: RootAccess, do: Resumption, record: Record) -> None:
    """Have an agent do on one host what memory that moves asks for: see agent/resumption.py.

    Raises `TransferError`, and `CommandError` where no agent can be started.
    """
    with start_agent(host, root) as agent:
        agent.call(do, record=dict(to_json(record)))


def restore_source(source: Host, root: RootAccess, record: Record, *, told_to_stop: bool) -> None:
    """The source runs as before, under its name and with its restart policy, and its connections go on.

    A stop or freeze that was cut off may still be under way: it is asked for again, which waits for its end.
    Raises `ConflictError` where another migration has retired it since: then the container serves elsewhere.
    """
    docker = source.docker
    name = str(docker.inspect_container(record.container_id)["Name"]).removeprefix("/")
    if _RETIRED.search(name) and name not in {record.container, record.retired_name}:
        raise ConflictError(
            f"another migration has moved {record.container} away from {record.source.name} since: it is {name} there",
            hint="transship history, where that was begun, tells where it serves",
        )
    if record.running and told_to_stop:
        if record.memory:
            ask(source, root, "let_go", record)
        if not record.freeze:
            docker.stop(record.container_id)
            stop_lender(docker, record)
    lend_again(docker, record)
    if record.running and told_to_stop and record.freeze:
        _thaw(docker, record.container_id)
    # One that nobody told to stop may have ended with its host or its daemon while its policy was off.
    state = docker.inspect_container(record.container_id)["State"]
    if record.running and state["Paused"]:
        docker.unpause(record.container_id)
    elif record.running and not state["Running"]:
        docker.start(record.container_id)
    if record.memory and told_to_stop:
        ask(source, root, "speak", record)
    docker.set_restart_policy(record.container_id, record.restart_policy)
    if name != record.container:
        docker.rename(record.container_id, record.container)  # its keeper had given it a name that warns


def _thaw(docker: Docker, container: str) -> None:
    with suppress(ConflictError):  # it is frozen already, or has ended
        docker.pause(container)
    if docker.inspect_container(container)["State"]["Paused"]:
        docker.unpause(container)
    else:
        docker.start(container)


def clean_up(record: Record, target: Host, root: RootAccess, recorder: Recorder) -> list[str]:
    """Remove from the target what the migration made, newest first, and return what could not be removed and why."""
    left, patiently = [], Patience(time.monotonic() + CLEANING_S)
    for what, remove in _removals(record, target, root, recorder):
        try:
            patiently(remove)
        except Exception as error:  # noqa: BLE001 - the others must be removed all the same; it is reported
            left.append(f"{what} ({error})")
    return left


def _removals(
    record: Record, target: Host, root: RootAccess, recorder: Recorder
) -> Iterator[tuple[str, Callable[[], None]]]:
    docker, made = target.docker, record.made
    if record.memory and made.container:
        yield "memory images", lambda: ask(target, root, "clear", record)
    yield f"the container {record.arriving}", lambda: remove_container(docker, record)
    if made.sandboxing:
        yield f"the sandbox of {record.arriving}", lambda: remove_sandbox(docker, record)
    if made.flat:
        yield f"the image {made.flat}", lambda: remove_flat(docker, recorder, made.flat)
    yield "the image", lambda: remove_image(docker, recorder, made)
    if made.provided:
        yield "folders for bind mounts", lambda: withdraw(target, root, made.provided)
    for volume in made.volumes:
        yield f"the volume {volume}", lambda volume=volume: remove_volume(target, record, volume)  # type: ignore[misc]
    for network in made.networks:
        yield f"the network {network}", lambda network=network: remove_network(target, record, network)  # type: ignore[misc]


def remove_container(docker: Docker, record: Record) -> None:
    """Remove the target's container. Where its id is not known, one that has run already is left alone."""
    made = record.made
    if made.revived:
        with suppress(NotFoundError):
            docker.set_restart_policy(made.container, {"Name": "no"})  # as the migration that retired it left it
            if docker.inspect_container(made.container)["Name"] != f"/{made.revived}":
                docker.rename(made.container, made.revived)
        return
    if made.container:
        docker.remove_container(made.container)
        return
    with suppress(NotFoundError):
        docker.remove_container(str(find_arrived(docker, record)["Id"]))


def remove_sandbox(docker: Docker, record: Record) -> None:
    """Remove the container that was to have the network, and its image. It is told as the other one is."""
    made, name = record.made, sandbox_name(record.arriving)
    with suppress(NotFoundError):
        found = docker.inspect_container(made.sandbox or name)
        is_ours = LABEL in (found["Config"].get("Labels") or {}) and found["State"]["Status"] == "created"
        if made.sandbox or (is_ours and is_since(found["Created"], record.since)):
            docker.remove_container(str(found["Id"]))
    if made.sandbox_image:
        with suppress(ConflictError):  # another sandbox was made of it since
            docker.remove_image(made.sandbox_image)


def find_arrived(docker: Docker, record: Record) -> Json:
    """The target's container, inspected. Raises `NotFoundError`.

    Where its id is not known, one of its name is ours if it was made since and never ran: nothing is started before its
    id is written down.
    """
    made = record.made
    if not (made.container or made.creating):
        raise NotFoundError(f"nothing was made of {record.arriving}")
    found = docker.inspect_container(made.container or record.arriving)
    if not made.container and not is_since(found["Created"], record.since):
        raise NotFoundError(f"{record.arriving} is older than the migration")
    if not made.container and found["State"]["Status"] != "created":
        raise NotFoundError(f"{record.arriving} has run, and so is somebody else's")
    return found


def remove_volume(target: Host, record: Record, name: str) -> None:
    """Remove a volume, but not a later one of its name.

    Where the answer to its creation was lost, one of its name is ours if it was made since and is empty: nothing is
    copied before. Raises `ConflictError` where that cannot be said.
    """
    docker = target.docker
    try:
        found = str(docker.inspect_volume(name).get("CreatedAt", ""))
    except NotFoundError:
        return
    known = record.made.volumes[name]
    if known and found != known:
        return
    if found and not known and not (is_since(found, record.since) and docker.volume_sizes().get(name) == 0):
        raise ConflictError(f"{target.name} has a volume {name} that may be somebody else's")
    docker.remove_volume(name)


def remove_network(target: Host, record: Record, name: str) -> None:
    """Remove a network. Where its id is not known, one of its name is ours if it was made since and nobody uses it."""
    known = record.made.networks[name]
    if not known:
        try:
            found = target.docker.inspect_network(name)
        except NotFoundError:
            return
        if found.get("Containers") or not is_since(found["Created"], record.since):
            raise ConflictError(f"{target.name} has a network {name} that may be somebody else's")
        known = str(found["Id"])
    target.docker.remove_network(known)


def is_since(created: str, since: str) -> bool:
    """Whether a time that Docker wrote is not before another one."""
    # Nanoseconds are more than datetime takes.
    there, then = (datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)) for text in (created, since))
    return there >= then
