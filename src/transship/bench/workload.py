"""What runs in the containers of an experiment: a program that serves, and beside it a state that may change."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from transship.bench.result import Cell

CONTAINER = "transship-bench"
VOLUME = "transship-bench-data"
LABEL = "org.transship.bench"
"""What the container has, also as the task of a service."""

FLAT = f"transship/{CONTAINER}:"
"""What the names of images that moves make of the container begin with."""

_LAYER = "/var/state"
_SERVE_AND_CHANGE = """
folder=$1 change=$2 memory=$3
shift 3
cat /proc/sys/kernel/random/uuid >>/started
mkdir -p /www "$folder"
echo 'transship bench' >/www/index.html
if [ "$change" -gt 0 ]; then
    at=0
    while :; do
        dd if=/dev/urandom of="$folder/changing" bs="$((change / 10 + 1))" count=1 seek="$at" conv=notrunc 2>/dev/null
        at=$(((at + 1) % 50))
        sleep 0.1
    done &
fi
held=$(head -c "$memory" /dev/urandom)
"$@" &
server=$!
trap 'kill -TERM "$server"' TERM INT QUIT
while kill -0 "$server" 2>/dev/null; do wait "$server"; done
"""
_WRITE_STATE = """
folder=$1 files=$2 bytes=$3
mkdir -p "$folder"
number=0
while [ "$number" -lt "$files" ]; do
    part="$folder/$((number / 500))"
    mkdir -p "$part"
    odd="$part/$number"
    while [ "$number" -lt "$files" ]; do
        head -c "$((bytes / files))" /dev/urandom >"$part/$number"
        number=$((number + 1))
        [ "$((number % 500))" -ne 0 ] || break
    done
    chown 1234:4321 "$odd"
    chmod 4750 "$odd"
done
"""
_TELL_STATE = """
cat /started
cd "$1" 2>/dev/null || { echo absent; exit 0; }
for part in */; do
    [ -d "$part" ] || continue
    stat -c '%n %F %a %u %g' "$part"
    stat -c '%n %F %a %u %g %s %Y' "$part"*
    cat "$part"*
done | md5sum
"""


_NGINX = "sed -i 's/^user .*/user root;/' /etc/nginx/nginx.conf && exec nginx -g 'daemon off;'"


@dataclass(frozen=True, slots=True)
class Workload:
    """A program of an image that answers a probe, and where the image expects a volume."""

    serve: tuple[str, ...]
    port: int
    probe: str
    """`tcp` or `http`."""
    volume: str = ""
    """Empty: only where the state lies in one."""
    environment: Mapping[str, str] | None = None


WORKLOADS: Mapping[str, Workload] = {
    "busybox": Workload(("httpd", "-f", "-p", "80", "-h", "/www"), 80, "http"),
    "nginx": Workload(("sh", "-c", _NGINX), 80, "http"),
    "python": Workload(("python3", "-m", "http.server", "80", "--directory", "/www"), 80, "http"),
    "redis": Workload(("redis-server", "--protected-mode", "no", "--dir", "/data"), 6379, "tcp", "/data"),
    "postgres": Workload(
        ("/usr/local/bin/entrypoint", "postgres"),
        5432,
        "tcp",
        "/var/lib/postgresql/data",
        {"PGDATA": "/var/lib/postgresql/data/cluster"},
    ),
}
"""The lab's images. Each has a shell and the tools that the scripts above call.

Where it can be, all of their processes are root's: where root lacks CAP_SYS_RESOURCE, CRIU dumps no others.
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """The container of a cell, or the service, as somebody would type it."""

    cell: Cell
    workload: Workload
    reference: str
    port: int
    """The published one, on both hosts."""

    @property
    def probe(self) -> str:
        """As `--probe` takes it."""
        return f"http:{self.port}/" if self.workload.probe == "http" else f"tcp:{self.port}"

    @property
    def mount(self) -> str:
        """Where the volume is in the container; empty where there is none."""
        return self.workload.volume or ("/data" if self.cell.where == "volume" else "")

    @property
    def folder(self) -> str:
        """Where the state is in the container."""
        return f"{self.mount}/state" if self.cell.where == "volume" else _LAYER

    @property
    def settings(self) -> list[str]:
        """The words of `docker run` between the name and the image."""
        environment = (self.workload.environment or {}).items()
        return [
            "--publish", f"{self.port}:{self.workload.port}",
            "--restart", "unless-stopped",
            "--label", f"{LABEL}=1",
            *chain.from_iterable(("--env", f"{key}={value}") for key, value in environment),
            *(("--volume", f"{VOLUME}:{self.mount}") if self.mount else ()),
            "--entrypoint", "sh",
        ]  # fmt: skip

    @property
    def command(self) -> list[str]:
        """The words of `docker run` after the image."""
        amounts = (self.folder, str(self.cell.change_rate), str(self.cell.memory_bytes))
        return ["-c", _SERVE_AND_CHANGE, "workload", *amounts, *self.workload.serve]

    def run(self) -> list[str]:
        """The command that starts the container."""
        return ["docker", "run", "--detach", "--name", CONTAINER, *self.settings, self.reference, *self.command]

    def serve(self) -> list[str]:
        """The command that makes a service of it, with one task, without a virtual address."""
        environment = (self.workload.environment or {}).items()
        return [
            "docker", "service", "create", "--detach", "--no-resolve-image", "--name", CONTAINER,
            "--endpoint-mode", "dnsrr",
            "--publish", f"mode=host,published={self.port},target={self.workload.port}",
            "--container-label", f"{LABEL}=1",
            *chain.from_iterable(("--env", f"{key}={value}") for key, value in environment),
            *(("--mount", f"type=volume,source={VOLUME},target={self.mount}") if self.mount else ()),
            "--entrypoint", "sh", self.reference, *self.command,
        ]  # fmt: skip

    def write_state(self, container: str) -> tuple[list[str], bytes]:
        """The command that writes the state into the running container, and its input."""
        amounts = (self.folder, str(self.cell.state_files), str(self.cell.state_bytes))
        return _in_container(container, "sh", "-s", "--", *amounts), _WRITE_STATE.encode()

    def tell_state(self, container: str) -> tuple[list[str], bytes]:
        """The command whose last line is the digest of the state, after a line for each start, and its input."""
        return _in_container(container, "sh", "-s", "--", self.folder), _TELL_STATE.encode()


def _in_container(container: str, *argv: str) -> list[str]:
    return ["docker", "exec", "--interactive", container, *argv]
