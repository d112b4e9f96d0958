import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import own_name
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node

PORT = 8080
TASK = "com.docker.swarm.task.id"
SERVES = "trap 'exit 0' TERM; httpd -p 80 -h /www; while :; do sleep 0.05 & wait $!; done"
"""Serves /www, and ends as soon as it is told to."""


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The object on the last line of stdout."""
        value: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return value


@dataclass(frozen=True)
class Cluster:
    """A swarm of three hosts: h1 is its manager."""

    lab: Lab
    h1: Node
    h2: Node
    h3: Node

    def address(self, node: Node) -> str:
        return f"ssh://root@{node.ssh_alias}"

    @property
    def reach(self) -> tuple[str, ...]:
        """The words that say where the swarm is."""
        at = [word for node in (self.h1, self.h2, self.h3) for word in ("--at", f"{node.name}={self.address(node)}")]
        return ("--manager", self.address(self.h1), *at)

    def start(self, *words: str, program: tuple[str, ...] = ("-m", "transship")) -> subprocess.Popen[str]:
        environment = {**os.environ, "TRANSSHIP_SSH_CONFIG": str(self.lab.ssh_config), "COLUMNS": "200"}
        pipe = subprocess.PIPE
        argv = [sys.executable, *program, *words]
        return subprocess.Popen(argv, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True, env=environment)

    def transship(self, *words: str) -> Ended:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=240)
        return Ended(process.returncode, out, err)

    def move(self, service: str, to: str, *words: str) -> Ended:
        return self.transship("swarm", "move", service, "--to", to, *self.reach, "--json", *words)

    def kill_at(self, phase: str, service: str, to: str, *words: str) -> None:
        """Begin a move, and kill its process when it comes to a phase."""
        with self.start("swarm", "move", service, "--to", to, *self.reach, *words) as process:
            self.await_phase(process, phase)
            process.kill()

    def await_phase(self, process: subprocess.Popen[str], phase: str) -> None:
        """Read what a command says until it comes to a phase."""
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.strip().split(":")[0] == phase:
                return
        pytest.fail(f"it never came to {phase}: {''.join(lines)}")

    def create(self, name: str, program: str, *words: str, image: str = "busybox") -> None:
        """Create a service that runs on h2, and wait until it does."""
        options = ("--detach", "--no-resolve-image", "--name", name, "--constraint", "node.role==worker", *words)
        self.h1.output(["docker", "service", "create", *options, image, "sh", "-c", program])
        wait_for(lambda: len(self.nodes_of(name)) == int(self.spec(name)["Mode"]["Replicated"]["Replicas"]))

    def web(self, *words: str) -> None:
        """A service that answers on h2."""
        program = f"mkdir -p /www; echo here > /www/index.html; {SERVES}"
        publish = ("--publish", f"mode=host,target=80,published={PORT}")
        self.create("web", program, "--constraint", "node.hostname==h2", *publish, *words)

    def spec(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.h1.output(["docker", "service", "inspect", service]))[0]["Spec"]
        return found

    def nodes_of(self, service: str) -> list[str]:
        """The names of the nodes where its tasks run."""
        words = ("--filter", "desired-state=running", "--format", "{{.Node}} {{.CurrentState}}")
        lines = self.h1.output(["docker", "service", "ps", *words, service]).splitlines()
        return [line.split()[0] for line in lines if line.split()[1:2] == ["Running"]]

    def availability(self, node: Node) -> tuple[str, dict[str, str]]:
        spec = json.loads(self.h1.output(["docker", "node", "inspect", node.name]))[0]["Spec"]
        return spec["Availability"], spec["Labels"]


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        threading.Event().wait(0.1)


@pytest.fixture(scope="session")
def three_hosts() -> Iterator[Cluster]:
    """A swarm of three hosts with busybox, and a registry, shared by all tests."""
    with Lab(LabOptions(name=own_name(), hosts=(HostOptions(),) * 3, registry="insecure")) as lab:
        yield made_swarm(lab)


def made_swarm(lab: Lab) -> Cluster:
    """A swarm of the lab's three hosts."""
    made = Cluster(lab, *lab.nodes)
    made.h1.output(["docker", "swarm", "init", "--advertise-addr", made.h1.address])
    token = made.h1.output(["docker", "swarm", "join-token", "-q", "worker"]).strip()
    for node in (made.h2, made.h3):
        node.output(["docker", "swarm", "join", "--token", token, f"{made.h1.address}:2377"])
    return made


@pytest.fixture
def cluster(three_hosts: Cluster) -> Iterator[Cluster]:
    """The swarm without services, with busybox on h1 and h2."""
    clean(three_hosts)
    for node in (three_hosts.h1, three_hosts.h2):
        three_hosts.lab.load(node, "busybox")
    yield three_hosts
    clean(three_hosts)


def clean(made: Cluster) -> None:
    """Remove all services, and from all hosts all that is left of them."""
    names = made.h1.output(["docker", "service", "ls", "-q"]).split()
    if names:
        made.h1.output(["docker", "service", "rm", *names])
    for node in (made.h1, made.h2, made.h3):
        plain = [each["Id"] for each in node.docker.containers(all=True) if TASK not in each["Labels"]]
        for container in plain:
            node.docker.remove_container(container, force=True)
        wait_for(lambda node=node: not node.output(["docker", "ps", "-aq"]).split())  # type: ignore[misc]
        node.output(["docker", "volume", "prune", "--all", "--force"])
        node.output(["docker", "image", "prune", "--all", "--force"])
        availability, labels = made.availability(node)
        if (availability, labels) != ("active", {}):
            words = [word for label in labels for word in ("--label-rm", label)]
            made.h1.output(["docker", "node", "update", "--availability", "active", *words, node.name])
