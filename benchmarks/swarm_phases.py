"""Where the time of a service's move goes, by the states of Swarm's own tasks.

    python benchmarks/swarm_phases.py [--rate 100mbit] [--grace 10] [--repeat 5] [--only-compare]

nginx (84 MB, in the lab's registry) moves from one worker of a swarm of three lab hosts to another: by a constraint and
by a drain; its image sent before, pulled by the node while it prepares the task, or there already; with a process that
stops at once, and with one that ignores SIGTERM. A client asks both nodes every 10 ms. That is the first table.

The second compares, with the image there: moves (one way and back in turns), restarts by Swarm of the same service
where it is, and `docker stop` plus `docker start` of the same container. Medians of `--repeat`, with their ranges.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from statistics import median
from typing import Any

from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node
from transship.metrics.downtime import Probe, Prober

PORT = 8080
PROBE = Probe("http", PORT, "/")
PROGRAMS = {
    "stops at once": (),
    "ignores SIGTERM": ("sh", "-c", "nginx; trap '' TERM QUIT; while :; do sleep 1; done"),
}
IMAGES = {"sent before": "send", "pulled by the node": "pull", "there already": "pull"}
SPANS = ("orchestrate", "prepare", "stop", "wait", "start", "monitor")
DEADLINE_S = 120.0


@dataclass(frozen=True)
class Cluster:
    """A manager, the worker where services start, and the one that they move to."""

    lab: Lab
    manager: Node
    source: Node
    target: Node
    image: str
    grace: int

    def docker(self, *words: str) -> str:
        return self.manager.output(["docker", *words])

    def create(self, program: tuple[str, ...], *, pinned: bool = False) -> None:
        """Start the service on the source; not `pinned`, it may run on either worker from then on."""
        publish = f"mode=host,target=80,published={PORT}"
        words = ("--constraint", "node.role==worker", "--constraint", f"node.hostname=={self.source.name}")
        grace = ("--stop-grace-period", f"{self.grace}s")
        self.docker("service", "create", "--detach", "--name", "web", "--publish", publish, *words, *grace,
                    self.image, *program)  # fmt: skip
        until(lambda: PROBE.answers(self.source.address))
        if not pinned:
            self.docker("service", "update", "--detach", "--constraint-rm", f"node.hostname=={self.source.name}", "web")

    def move(self, method: str, image: str) -> dict[str, Any]:
        """The result of `transship swarm move`."""
        at = [word for node in self.lab.nodes for word in ("--at", f"{node.name}=ssh://root@{node.ssh_alias}")]
        words = ("--to", self.target.name, "--method", method, "--image", image, "--probe", str(PROBE))
        done = subprocess.run(
            [sys.executable, "-m", "transship", "swarm", "move", "web", *words, "--json", "--yes",
             "--manager", f"ssh://root@{self.manager.ssh_alias}", *at],
            check=False, capture_output=True, text=True,
            env={**os.environ, "TRANSSHIP_SSH_CONFIG": str(self.lab.ssh_config)},
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"transship swarm move failed:\n{done.stderr}")
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    def clear(self, *, keep_image: bool) -> None:
        """Remove the service, and the image from the target."""
        if self.docker("service", "ls", "-q").split():
            self.docker("service", "rm", "web")
        for node in (self.source, self.target):
            until(lambda node=node: not node.output(["docker", "ps", "-aq"]).split())  # type: ignore[misc]
        if keep_image:
            self.target.output(["docker", "pull", "--quiet", self.image])
        else:
            self.target.output(["docker", "image", "prune", "--all", "--force"])


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes within two minutes."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("what was waited for did not come")
        threading.Event().wait(0.05)


def interrupted(cluster: Cluster, restart: Callable[[], None]) -> float:
    """For how long a client is without an answer while the service restarts where it is."""
    with Prober(PROBE, {"source": cluster.source.address}) as prober:
        until(lambda: prober.report().answers["source"] > 0)
        restart()
        until(lambda: bool(prober.report().outages) and PROBE.answers(cluster.source.address))
        return prober.report().downtime_s


def compare(cluster: Cluster, program: tuple[str, ...], repeat: int) -> tuple[list[float], ...]:
    """Seconds without an answer: moves with the image there, Swarm's own restarts, `docker stop` and `docker start`."""
    cluster.clear(keep_image=True)
    cluster.create(program)
    moves, restarts, plain = [], [], []
    for turn in range(repeat):
        there = cluster if turn % 2 == 0 else replace(cluster, source=cluster.target, target=cluster.source)
        moves.append(there.move("constraint", "send")["client"]["downtime_s"])
        now = replace(cluster, source=there.target)  # it is pinned there
        restarts.append(interrupted(now, lambda: void(cluster.docker("service", "update", "--force", "-d", "web"))))
        until(lambda: "completed" in cluster.docker("service", "inspect", "web", "--format", "{{.UpdateStatus.State}}"))
    cluster.clear(keep_image=True)
    grace = ("--stop-timeout", str(cluster.grace))
    run = ("docker", "run", "-d", "--name", "plain", "-p", f"{PORT}:80", *grace, cluster.image, *program)
    cluster.source.output(list(run))
    until(lambda: PROBE.answers(cluster.source.address))

    def stop_and_start() -> None:
        cluster.source.output(["docker", "stop", "plain"])
        cluster.source.output(["docker", "start", "plain"])

    plain = [interrupted(cluster, stop_and_start) for _ in range(repeat)]
    cluster.source.output(["docker", "rm", "--force", "plain"])
    return moves, restarts, plain


def spread(values: list[float]) -> str:
    """The median, and from where to where they reach."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def void(_answer: str) -> None:
    """What a command says is of no interest."""


def measure(cluster: Cluster) -> None:
    """Print the table of phases as it comes about."""
    print(f"| method | image | process | {' | '.join(SPANS)} | client without answer | command |")
    print("|" + "---|" * (len(SPANS) + 5), flush=True)
    for method, image, process in product(("constraint", "drain"), IMAGES, PROGRAMS):
        cluster.clear(keep_image=image == "there already")
        cluster.create(PROGRAMS[process])
        result = cluster.move(method, IMAGES[image])
        spans = {each["name"]: each["seconds"] for each in result["spans"]}
        cells = [f"{spans[name]:.2f}" if name in spans else "" for name in SPANS]
        ends = f"{result['client']['downtime_s']:.2f} | {result['total_s']:.2f}"
        print(f"| {method} | {image} | {process} | {' | '.join(cells)} | {ends} |", flush=True)


def measure_against_restarts(cluster: Cluster, repeat: int) -> None:
    """Print how long a client waits for a move, and for a restart in place."""
    print("\n| process | moved, image there | service update --force | docker stop, docker start |\n|---|---|---|---|")
    for process, program in PROGRAMS.items():
        cells = " | ".join(map(spread, compare(cluster, program, repeat)))
        print(f"| {process} | {cells} |", flush=True)


def main() -> None:
    """Make the swarm, measure, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", default="100mbit")
    parser.add_argument("--grace", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=5, help="of the comparison with restarts")
    parser.add_argument("--only-compare", action="store_true", help="leave the table of phases out")
    words = parser.parse_args()
    hosts = (HostOptions(rate=words.rate),) * 3
    with Lab(LabOptions(name=f"phases-{os.getpid()}", hosts=hosts, registry="insecure")) as lab:
        manager, source, target = lab.nodes
        manager.output(["docker", "swarm", "init", "--advertise-addr", manager.address])
        token = manager.output(["docker", "swarm", "join-token", "-q", "worker"]).strip()
        for node in (source, target):
            node.output(["docker", "swarm", "join", "--token", token, f"{manager.address}:2377"])
        image = lab.push(manager, lab.load(manager, "nginx"))
        print(
            f"seconds; {words.rate} links, grace period {words.grace} s; load {os.getloadavg()[0]:.1f} at the begin\n"
        )
        cluster = Cluster(lab, manager, source, target, image, words.grace)
        if not words.only_compare:
            measure(cluster)
        measure_against_restarts(cluster, words.repeat)
        print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
