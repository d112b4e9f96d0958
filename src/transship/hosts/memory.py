"""What the processes of a container hold that is in no file, as their host sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from transship.hosts.base import Host

_LOOK = rb"""
for each in /proc/[0-9]*; do
    grep -q "$1" "$each/cgroup" || continue
    echo process=1
    while read -r key value _; do
        case $key in RssAnon:|RssShmem:|VmSwap:) echo "kib=$value";; TracerPid:) echo "tracer=$value";; esac
    done <"$each/status"
    ls -l "$each/fd" | grep -q 'io_uring' && echo ring=1
done 2>/dev/null
:
"""


@dataclass(frozen=True, slots=True)
class MemorySeen:
    """The memory of `processes` in `bytes`.

    `traced`: a debugger is attached to one. `rings`: one uses io_uring, whose requests are in the kernel.
    """

    bytes: int
    processes: int
    traced: bool = False
    rings: bool = False


def look_at_memory(host: Host, prefix: Sequence[str], container_id: str) -> MemorySeen | None:
    """Look at all processes of a container, as root by the words of `prefix`; None where none is seen.

    Raises as `Host.run`.
    """
    done = host.run([*prefix, "sh", "-s", "--", container_id], stdin=_LOOK)
    found = [line.partition("=")[::2] for line in done.stdout.decode(errors="replace").splitlines()]
    numbers = [(key, int(value)) for key, value in found if value.isdecimal()]
    processes = sum(value for key, value in numbers if key == "process")
    if not processes:
        return None
    return MemorySeen(
        bytes=sum(value for key, value in numbers if key == "kib") * 1024,
        processes=processes,
        traced=any(value for key, value in numbers if key == "tracer"),
        rings=any(key == "ring" for key, _ in numbers),
    )
