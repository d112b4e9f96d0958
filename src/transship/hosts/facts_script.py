"""The one program that gathers what Docker does not tell, and the reading of its answer."""

import ipaddress
import re
from dataclasses import dataclass

GATHER = ("sh", "-s", "--")
"""Runs `GATHER_SCRIPT`; its one argument is a folder whose free space is asked for."""

# The login shell of a plain user often has no sbin in its PATH, where criu lies. Of a busy host's sockets only the
# listening ones (state 0A, for UDP 07) are worth the way.
GATHER_SCRIPT = rb"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
free() { df -Pk -- "$1" 2>/dev/null | { read -r _; read -r _ _ _ free _ && echo "$2=$free"; }; }
if [ "$(id -u)" = 0 ]; then echo root=root
elif command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then echo root=sudo
fi
free "$1" docker_free
free "${TMPDIR:-/tmp}" temporary_free
python=$(command -v python3) && echo "python=$python" && echo "python_version=$(python3 --version 2>/dev/null)"
command -v criu >/dev/null 2>&1 && echo "criu=$(criu --version 2>/dev/null)"
while read -r key value _; do [ "$key" = MemAvailable: ] && echo "memory_available=$value"; done </proc/meminfo
while read -r nodes; do echo "memory_nodes=$nodes"; done 2>/dev/null </sys/devices/system/node/online
for each in /sys/class/net/*; do echo "interface=${each##*/}"; done
ip -o addr show 2>/dev/null | while read -r _ _ _ address _; do echo "address=${address%%/*}"; done
if [ -e /dev/nvidiactl ] && command -v nvidia-container-runtime-hook >/dev/null 2>&1; then echo nvidia=1; fi
[ -r /etc/docker/daemon.json ] && echo "daemon_file=$(head -c 65536 /etc/docker/daemon.json | tr -d '\n')"
for each in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$each/comm" && [ "$name" = dockerd ] &&
        echo "daemon_words=$(tr '\0' '\t' 2>/dev/null <"$each/cmdline")"
done
listening() { grep " $2 " "/proc/net/$1" 2>/dev/null | while read -r _ at _; do echo "$1=$at"; done; }
listening tcp 0A; listening tcp6 0A; listening udp 07; listening udp6 07
:
"""

SOCKETS = {"tcp": "tcp", "tcp6": "tcp", "udp": "udp", "udp6": "udp"}
"""The files of /proc/net, and the protocol of each."""

_WRITTEN = re.compile(r"((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4})")


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """Something listens on a host, in Docker or outside. `address` is `0.0.0.0` or `::` where it is every one."""

    protocol: str
    address: str
    port: int


def read_answer(text: str) -> tuple[dict[str, str], tuple[Listener, ...]]:
    """Take the script's lines apart: what it found by name, and the listeners. Lines of another kind are left out.

    What is said more than once has a line for each.

    Raises `ValueError` for a listener that no kernel would write so.
    """
    found: dict[str, str] = {}
    listeners = set()
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if key in SOCKETS:
            listeners.add(listener(SOCKETS[key], value))
        elif equals:
            found[key] = f"{found[key]}\n{value.strip()}" if key in found else value.strip()
    return found, tuple(sorted(listeners))


def listener(protocol: str, written: str) -> Listener:
    """Read an address of /proc/net: 32-bit words, least byte first as on all that Docker commonly runs on, and port."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise ValueError(f"{written!r} is no address of a socket")
    address, port = match.groups()
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    return Listener(protocol, str(ipaddress.ip_address(b"".join(words))), int(port, 16))
