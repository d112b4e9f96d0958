from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from .faults import AgentError

_ROOT = "/sys/fs/cgroup"
_DYING_S = 0.01


def kill(container: str, pid: int) -> int:
    """Send SIGKILL to every process of a frozen container, and return how many there are.

    `pid` is one of them. Docker's own kill sends the signal to the first one only, then thaws them all, and the
    others run until the kernel has ended that one. Like this none runs again: the signal is there before the thaw.
    """
    found = members(container, pid)
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    return len(found)


def kill_all(container: str) -> int:
    """Send SIGKILL to all processes of a container, and to CRIU where it restores them; returns how many there are."""
    found = _named(container)
    found |= _restorers(found)
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    return len(found)


def end_all(container: str) -> None:
    """End all processes of a container, and return when there are none."""
    kill_all(container)
    while has_processes(container):
        time.sleep(_DYING_S)
        kill_all(container)


def freeze(container: str) -> None:
    """Freeze a container's processes, as they are frozen with control groups of version 2."""
    for folder, _, names in os.walk(_ROOT):
        if os.path.basename(folder) in (container, f"docker-{container}.scope") and "cgroup.freeze" in names:
            with open(f"{folder}/cgroup.freeze", "w", encoding="ascii") as file:
                file.write("1")


def has_processes(container: str) -> bool:
    """Whether a container has any, also one that is just being restored."""
    return bool(_named(container))


def _named(container: str) -> set[int]:
    """The processes in control groups that are named after the container."""
    found: set[int] = set()
    for folder, _, names in os.walk(_ROOT):
        if container in folder and "cgroup.procs" in names:
            with suppress(FileNotFoundError), open(f"{folder}/cgroup.procs", encoding="ascii") as file:
                found.update(map(int, file))
    return found


def _restorers(processes: set[int]) -> set[int]:
    """CRIU's own process: beside the container's first one it is the only child of the runc that restores it."""
    parents = _parents()
    starters = {parents[each] for each in processes if parents.get(each) and _command(parents[each]) == "runc"}
    return {each for each, parent in parents.items() if parent in starters}


def _parents() -> dict[int, int]:
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{name}/stat", "rb") as file:
                found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def _command(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()
    return ""


def members(container: str, pid: int) -> set[int]:
    """All processes of a container, of which `pid` is one. Raises `AgentError` where they cannot be seen."""
    found: set[int] = set()
    for group in _groups(container, pid):
        for folder, _, _ in os.walk(group):
            with open(f"{folder}/cgroup.procs", encoding="ascii") as file:
                found.update(map(int, file))
    if pid not in found:
        raise AgentError(f"the control group of the container {container[:12]} cannot be seen")
    return found


def _groups(container: str, pid: int) -> list[str]:
    """The control groups of the container alone: those that are named after it, in all hierarchies that are mounted."""
    groups = []
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = path.split("/")
        depth = next((at for at, name in enumerate(names) if container in name), None)
        if depth is not None:
            group = os.path.join(_ROOT, controllers.replace("name=", ""), *names[: depth + 1])
            groups += [group] if os.path.isdir(group) else []
    return groups
