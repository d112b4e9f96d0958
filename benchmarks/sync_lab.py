"""What the benchmarks of `sync` share: two lab hosts and a container on one of them."""

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node
from transship.metrics.downtime import Probe, Prober

PORT = 8080
PROBE = Probe("http", PORT, "/")
VOLUME = "var/lib/docker/volumes/data/_data"
"""Where a host keeps the volume `data`."""
ASKED_S = 30.0
CUTOVER = ("stop", "last-round", "verify", "start", "announce", "healthy")


@dataclass(frozen=True)
class Hosts:
    """The source and the target of all moves."""

    lab: Lab
    source: Node
    target: Node

    @classmethod
    @contextmanager
    def up(cls, name: str, rate: str = "") -> Iterator["Hosts"]:
        """Two hosts whose links carry `rate`, gone after the block."""
        with Lab(LabOptions(name=name, hosts=(HostOptions(rate=rate), HostOptions(rate=rate)))) as lab:
            yield cls(lab, *lab.nodes)

    def ssh(self, node: Node, *argv: str) -> list[str]:
        """The command that runs `argv` on a host."""
        return ["ssh", "-F", str(self.lab.ssh_config), node.ssh_alias, shlex.join(argv)]

    def move(self, container: str, *words: str) -> dict[str, Any]:
        """The result of `transship move`."""
        ends = ["--from", f"ssh://{self.source.ssh_alias}", "--to", f"ssh://{self.target.ssh_alias}"]
        done = subprocess.run(
            [sys.executable, "-m", "transship", "move", container, *ends, "--probe", str(PROBE), "--json", *words],
            check=False, capture_output=True, text=True,
            env={**os.environ, "TRANSSHIP_SSH_CONFIG": str(self.lab.ssh_config)},
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"transship move failed:\n{done.stderr}")
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    def crossed(self) -> int:
        """Bytes that the shaped link to the target has carried, with the headers of frames of 1,514 bytes."""
        network = self.target.network
        argv = ["tc", "-n", network.switch, "-s", "-j", "qdisc", "show", "dev", self.target.name]
        shown = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
        return int(shown[0]["bytes"])

    def prober(self) -> Prober:
        return Prober(PROBE, {node.name: node.address for node in (self.source, self.target)})

    def volume(self, node: Node) -> Path:
        return node.root / VOLUME

    def clean(self, node: Node, *, keep_data: bool) -> None:
        """Remove all containers of a host, and its images and volumes too unless they are kept."""
        for each in node.docker.containers(all=True):
            node.docker.remove_container(each["Id"], force=True)
        if keep_data:
            return
        for image in node.docker.images():
            node.docker.remove_image(image["Id"], force=True)
        node.output(["docker", "volume", "prune", "--all", "--force"])


def pipe(*commands: Sequence[str]) -> None:
    """Run programs, the output of each the input of the next. Ends this program when one fails."""
    running: list[subprocess.Popen[bytes]] = []
    for number, argv in enumerate(commands):
        before = running[-1].stdout if running else None
        after = subprocess.PIPE if number < len(commands) - 1 else subprocess.DEVNULL
        running.append(subprocess.Popen(argv, stdin=before or subprocess.DEVNULL, stdout=after))
        if before:
            before.close()  # else the one before would not notice when this one ends
    for argv, process in zip(commands, running, strict=True):
        if process.wait():
            raise SystemExit(f"{shlex.join(argv)} failed with status {process.returncode}")


def wait_serving(node: Node, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not PROBE.answers(node.address):
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing answers {PROBE} on {node.ssh_alias}")
        threading.Event().wait(0.01)


def stop_and_start(hosts: Hosts) -> tuple[float, float]:
    """Seconds that `stop` and `start` take on one host, and that a client sees.

    The client has asked for as long as a move takes: the kernel remembers each of its connections, and the more there
    are, the longer Docker takes to stop and start what they led to.
    """
    with hosts.prober() as prober:
        threading.Event().wait(ASKED_S)
        began = time.monotonic()
        hosts.source.docker.stop("web")
        hosts.source.docker.start("web")
        seconds = time.monotonic() - began
        wait_serving(hosts.source)
    return seconds, prober.report().downtime_s


def phases_of(results: Sequence[Mapping[str, Any]]) -> str:
    """The medians of the parts of the cutover, in milliseconds."""
    parts = []
    for name in CUTOVER:
        taken = [sum(each["seconds"] for each in one["phases"] if each["name"] == name) for one in results]
        parts.append(f"{name} {median(taken) * 1000:.0f}")
    return ", ".join(parts)


def load() -> str:
    """How busy this machine is: the benchmarks share it."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def show(rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose first column is words and whose others are numbers."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *others in table:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join((first.ljust(widths[0]), *cells)))
