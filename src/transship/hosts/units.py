from transship.hosts.base import Host

_LOOK = rb"""
grep -lsFw -e "$1" /etc/systemd/system/*.service | while read -r unit; do
    grep -qs docker "$unit" && echo "${unit##*/}"
done
:
"""


def units_naming(host: Host, container: str) -> tuple[str, ...]:
    """The systemd units of the host's own making that speak of Docker and of this name. Raises as `Host.run`."""
    done = host.run(["sh", "-s", "--", container], stdin=_LOOK)
    return tuple(sorted(done.stdout.decode(errors="replace").splitlines()))
