"""What the programs in a container do, as their host sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from transship.hosts.base import Host
from transship.hosts.facts_script import SOCKETS, Listener, listener

_LOOK = rb"""
pid=$1
grep -q "$3" "/proc/$pid/cgroup" 2>/dev/null || exit 0
while read -r key value _; do
    case $key in SigBlk:|SigIgn:|SigCgt:) echo "$key=$value";; esac
done 2>/dev/null <"/proc/$pid/status"
echo "wchan=$(cat "/proc/$pid/wchan" 2>/dev/null)"
[ "$2" = listeners ] || exit 0
group=$(grep -m 1 "$3" "/proc/$pid/cgroup")
for each in /proc/[0-9]*; do
    while read -r of; do
        case $of in "$group"*) ls -l "$each/fd" | sed -n 's/.*socket:\[\([0-9]*\)\]$/inode=\1/p';; esac
    done 2>/dev/null <"$each/cgroup"
done 2>/dev/null
for kind in tcp:0A tcp6:0A udp:07 udp6:07; do
    grep " ${kind#*:} " "/proc/net/${kind%:*}" 2>/dev/null |
        while read -r _ at _ _ _ _ _ _ _ inode _; do echo "${kind%:*}=$at $inode"; done
done
:
"""

_UNTOLD = frozenset({"", "0"})
_PARTS = ("SigBlk:", "SigIgn:", "SigCgt:")


@dataclass(frozen=True, slots=True)
class Inside:
    """A container's first process, and where it listens.

    The sets hold numbers of signals: those that the process handles or blocks, and those that it ignores. `waits` says
    whether it was seen to wait for a signal, as an init does that handles none; None where the kernel does not tell.
    `listeners` are None where they were not asked for.
    """

    handled: frozenset[int]
    ignored: frozenset[int]
    waits: bool | None
    listeners: tuple[Listener, ...] | None


def look_inside(
    host: Host, prefix: Sequence[str], pid: int, container_id: str, *, listeners: bool = False
) -> Inside | None:
    """Look at a container by its first process; None if that cannot be seen, or is another's. Raises as `Host.run`.

    Its `listeners` take root, by the words of `prefix`; they are those of the host's own network.
    """
    words = (str(pid), "listeners" if listeners else "", container_id)
    done = host.run([*prefix, "sh", "-s", "--", *words], stdin=_LOOK)
    pairs = [line.partition("=")[::2] for line in done.stdout.decode(errors="replace").splitlines()]
    masks = {key: int(value, 16) for key, value in pairs if key in _PARTS}
    if len(masks) != len(_PARTS):
        return None
    place = next((value for key, value in pairs if key == "wchan"), "")
    inodes = {value for key, value in pairs if key == "inode"}
    sockets = [(key, *value.split()) for key, value in pairs if key in SOCKETS]
    return Inside(
        handled=_signals(masks["SigBlk:"] | masks["SigCgt:"]),
        ignored=_signals(masks["SigIgn:"]),
        waits=None if place in _UNTOLD else "sigtimedwait" in place,
        listeners=tuple(sorted({listener(SOCKETS[kind], at) for kind, at, inode in sockets if inode in inodes}))
        if listeners
        else None,
    )


def _signals(mask: int) -> frozenset[int]:
    return frozenset(number + 1 for number in range(mask.bit_length()) if mask >> number & 1)
