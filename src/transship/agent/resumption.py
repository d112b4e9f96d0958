"""Processes that go on with their memory: where they were, or where they went, by what a migration's record says."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from . import cgroup, dumping, memory_folder
from .containerd_copies import remove_copies
from .faults import AgentError
from .netns import Namespace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .docker_api import Docker
    from .migration_record import Migration

_PAGES_S = 3600.0
_LOOK_S = 0.02
SANDBOX_POLICY = {"Name": "always", "MaximumRetryCount": 0}


def let_go(docker: Docker, migration: Migration) -> None:
    """Return when the source may be thawed: CRIU does nothing with it any more. Raises `AgentError`.

    It is frozen then: where CRIU was killed it is not, and Docker refuses to thaw what it has frozen and is not.
    """
    dumping.end(migration.id)
    if docker.inspect(migration.source)["State"]["Paused"]:
        cgroup.freeze(migration.source)


def speak(docker: Docker, migration: Migration) -> None:
    """Let the source, which runs, be heard again; say to its neighbours where it is; wipe what was written of it."""
    _tell_network(docker, migration.source, ("speak", "announce", "calm"))
    memory_folder.sweep()


def complete(docker: Docker, migration: Migration) -> None:
    """Return when the target's processes go on with all of their memory, and everybody may speak to them.

    Where they do not go on, nothing is left to restore them from: a request for that may still be on its way, and must
    not be carried out when somebody has thawed the source. Raises `AgentError`, which says so.
    """
    # Docker answers when a restore that is under way has ended.
    if docker.inspect(migration.target)["State"]["Running"]:
        _wait_for_pages(migration)
    # Docker learns a moment later that processes have ended, and it would be told to start them without their memory.
    running = docker.inspect(migration.target)["State"]["Running"] and cgroup.has_processes(migration.target)
    clear(docker, migration)
    if not running:
        raise AgentError("the processes do not go on here: the source has them, frozen, until it is recovered")
    _tell_network(docker, migration.sandbox, ("unhush", "announce"))
    docker.set_restart_policy(migration.sandbox, SANDBOX_POLICY)


def give_up(docker: Docker, migration: Migration) -> None:
    """Let nothing of the target be heard any more, not even that its connections end, and wipe what it came from."""
    if migration.sandbox and docker.inspect(migration.sandbox)["State"]["Running"]:
        _tell_network(docker, migration.sandbox, ("mute",))
    clear(docker, migration)


def clear(docker: Docker, migration: Migration) -> None:
    """Wipe what Docker was given to restore the target from, and what nobody lives on any more."""
    if migration.target:
        path = os.path.join(docker.root(), "containers", migration.target, "checkpoints", migration.id)
        remove_copies(path)
        if os.path.isdir(path):
            memory_folder.remove_tree(path)
    memory_folder.sweep()


def _wait_for_pages(migration: Migration) -> None:
    """Return when all of the target's memory is there, or its processes have ended for want of it."""
    deadline = time.monotonic() + _PAGES_S
    while (images := memory_folder.images(migration.id)) == "held":
        if time.monotonic() > deadline:
            raise AgentError("the memory of the processes does not arrive", "ECRIU")
        time.sleep(_LOOK_S)
    if images == "left":  # CRIU was killed, and what it had not delivered are zeros
        cgroup.end_all(migration.target)


def _tell_network(docker: Docker, container: str, acts: Sequence[str]) -> None:
    pid = docker.inspect(container)["State"]["Pid"]
    if not pid:
        raise AgentError(f"the container {container[:12]} has no network, as it does not run")
    namespace = Namespace(pid)
    try:
        for act in acts:
            namespace.do(act)
    finally:
        namespace.leave()
