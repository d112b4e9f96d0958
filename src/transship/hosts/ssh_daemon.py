import re
from dataclasses import dataclass

from transship.errors import DockerDownError
from transship.hosts.base import Completed
from transship.hosts.ssh_failures import daemon_failure

FIND = ("sh", "-s", "--")
"""Runs `FIND_SCRIPT`; its one argument is the socket that the address names, or empty."""

# In the order of the Docker command line over there, so that both mean the same daemon. It says nothing of a rootless
# daemon outside of contexts: that comes last. The command line itself is only asked where a context is set, for it
# takes longer than everything else here.
FIND_SCRIPT = rb"""
host=${DOCKER_HOST:-} cli=no
command -v docker >/dev/null 2>&1 && cli=yes
[ -z "$1" ] || host=unix://$1
config=${DOCKER_CONFIG:-$HOME/.docker}/config.json
if [ -z "$host" ] && [ "$cli" = yes ]; then
    if [ -n "${DOCKER_CONTEXT:-}" ] || grep -q '"currentContext"' "$config" 2>/dev/null; then
        host=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null)
    fi
fi
if [ -z "$host" ]; then
    host=unix:///var/run/docker.sock
    rootless=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/docker.sock
    [ -w /var/run/docker.sock ] || ! [ -S "$rootless" ] || host=unix://$rootless
fi
socket=${host#unix://} state=usable
if [ "unix://$socket" != "$host" ]; then state=remote
elif ! [ -e "$socket" ]; then state=missing
elif ! [ -w "$socket" ]; then state=denied
fi
printf '%s\n%s\n%s\n' "$state" "$cli" "$host"
"""

# A path with other characters would mean something else to ssh's -L.
_FORWARDABLE = re.compile(r"unix://((?:/[A-Za-z0-9_.@+-]+)+)")


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon that the user's Docker command line on a host would speak to. `socket` is empty if not forwardable."""

    socket: str
    command_line: bool

    @property
    def dial(self) -> list[str]:
        """The program over there that joins its stdin and stdout to the daemon."""
        host = ["--host", f"unix://{self.socket}"] if self.socket else []
        return ["docker", *host, "system", "dial-stdio"]


def find_daemon(name: str, done: Completed) -> Daemon:
    """Read what `FIND_SCRIPT` said on host `name`. Raises why the daemon cannot be used, where that shows."""
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.status != 0 or len(lines) != 3:  # noqa: PLR2004 — three answers
        raise daemon_failure(name, done.stderr.decode(errors="replace"))
    state, command_line, url = lines
    if state == "denied":
        raise daemon_failure(name, "permission denied")
    if state == "missing":
        raise DockerDownError(
            f"cannot use Docker on {name}: there is no socket at {url.removeprefix('unix://')!r}",
            hint="install Docker there, or start it: sudo systemctl start docker",
        )
    match = _FORWARDABLE.fullmatch(url)
    return Daemon(match[1] if match else "", command_line == "yes")
