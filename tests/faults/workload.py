"""The container that is moved: it counts in two files and serves both, so that every write can be accounted for."""

import io
import tarfile

from transship.hosts.base import Json
from transship.lab import Node

NAME = "ledger"
VOLUME = "ledger-data"
NETWORK = "ledger-net"
PORT = 8080
MARK = "a-copy-of-the-ledger"
"""The last word on the command line of the copy's first process."""

LOGS = {"volume": "/data/log", "layer": "/www/log"}
URLS = {"volume": "/data/log", "layer": "/log"}
SCRIPT = """
trap 'exit 0' TERM
mkdir -p /www /data; touch /www/log /data/log; ln -sfn /data /www/data
httpd -p 80 -h /www
read -r me < /proc/sys/kernel/random/uuid; me=${me%%-*}
a=$(tail -n 1 /data/log); a=${a%% *}
b=$(tail -n 1 /www/log); b=${b%% *}
while :; do
    a=$((a + 1)); echo "$a $me" >> /data/log
    b=$((b + 1)); echo "$b $me" >> /www/log
    sleep 0.05 & wait $!
done
"""
"""Each line has the next number, and who wrote it: a word of this run of this copy's own."""


def run(node: Node, *, policy: str, volume: bool, network: bool) -> str:
    """Start it, and return its id. Without a volume `/data` is part of the writable layer."""
    options = ["--name", NAME, "-p", f"{PORT}:80", "--restart", policy]
    options += ["-v", f"{VOLUME}:/data"] if volume else []
    options += ["--network", NETWORK] if network else []
    if network:
        node.output(["docker", "network", "create", NETWORK])
    return node.output(["docker", "run", "-d", *options, "busybox", "sh", "-c", SCRIPT, MARK]).strip()


def written(node: Node, container: str) -> dict[str, list[str]]:
    """The lines that a copy has written, running or not."""
    found = {}
    for name, path in LOGS.items():
        chunks, _ = node.docker.get_archive(container, path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            (member,) = archive.getmembers()
            content = archive.extractfile(member)
            assert content is not None
            found[name] = content.read().decode().splitlines()
    return found


def policy_of(inspected: Json) -> str:
    """The restart policy as `docker run` takes it."""
    policy = inspected["HostConfig"]["RestartPolicy"]
    name, count = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{count}" if count else str(name)
