"""What the block of a run costs a machine: processor time and memory."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from transship.bench.result import Usage
from transship.hosts.base import Host
from transship.lab.cgroups import HostGroup

_SAMPLE_S = 0.1
_FIELDS = 7
"""Of those that /proc/stat has of a machine's processors, so many are known."""
_OWN_MEMORY = ("total_rss", "total_shmem", "anon", "shmem")
"""What version 1 and version 2 call the memory that is no cache of files."""


@contextmanager
def metered(groups: Mapping[str, HostGroup]) -> Iterator[dict[str, Usage]]:
    """Measure control groups during the block: memory is looked at ten times a second."""
    used: dict[str, Usage] = {}
    cpu = {name: cpu_s(group) for name, group in groups.items()}
    before = {name: memory_bytes(group) for name, group in groups.items()}
    peak, over = dict(before), threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_S):
            for name, group in groups.items():
                peak[name] = max(peak[name], memory_bytes(group))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield used
    finally:
        over.set()
        thread.join()
        for name, group in groups.items():
            used[name] = Usage(round(cpu_s(group) - cpu[name], 4), peak[name] - before[name])


def cpu_s(group: HostGroup) -> float:
    """Processor time of all that ever ran in a group, in seconds."""
    for folder in group.folders:
        if (usage := folder / "cpuacct.usage").exists():
            return int(usage.read_text()) / 1e9
    unified = next(folder for folder in group.folders if (folder / "cpu.stat").exists())
    return _table(unified / "cpu.stat")["usage_usec"] / 1e6


def memory_bytes(group: HostGroup) -> int:
    """What a group's processes hold now, without the cache of files."""
    folder = next(folder for folder in group.folders if (folder / "memory.stat").exists())
    table = _table(folder / "memory.stat")
    return sum(table.get(name, 0) for name in _OWN_MEMORY)


def _table(file: Path) -> dict[str, int]:
    pairs = (line.split() for line in file.read_text().splitlines())
    return {key: int(value) for key, value in pairs}


def machine_cpu_s(host: Host) -> float | None:
    """Processor time that a whole host has spent since it was booted; None where it cannot be asked."""
    done = host.run(["cat", "/proc/stat"])
    words = done.stdout.split(maxsplit=9)
    if done.status or not words or words[0] != b"cpu":
        return None
    if len(words) <= _FIELDS or not all(word.isdigit() for word in words[1 : _FIELDS + 1]):
        return None
    user, nice, system, _idle, _wait, irq, softirq = (int(word) for word in words[1 : _FIELDS + 1])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
