import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeLab
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node
from transship.metrics.downtime import Probe, Prober

PORT = 8080
WRITES = "trap 'exit 0' TERM; httpd -p 80 -h /www; i=$(cat /www/count || echo 0); \
while :; do i=$((i+1)); echo $i > /www/next; mv /www/next /www/count; sleep 0.02 & wait $!; done"
"""Serves /www, and counts in it as long as it lives; it goes on where it left off."""


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
class Hosts:
    """Two hosts, as the command line sees them."""

    lab: Lab
    h1: Node
    h2: Node

    def address(self, node: Node, user: str = "root") -> str:
        return f"ssh://{user}@{node.ssh_alias}"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "TRANSSHIP_SSH_CONFIG": str(self.lab.ssh_config), "COLUMNS": "200"}

    def start(self, *words: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "transship", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            argv, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True, env=self.environment()
        )

    def transship(self, *words: str) -> Ended:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=120)
        return Ended(process.returncode, out, err)

    def move(self, container: str, *words: str, user: str = "root", back: bool = False) -> Ended:
        source, target = (self.h2, self.h1) if back else (self.h1, self.h2)
        ends = ("--from", self.address(source, user), "--to", self.address(target, user))
        return self.transship("move", container, *ends, *words)


def snapshot(node: Node) -> dict[str, set[str]]:
    """All that a Docker host has, by name."""
    docker = node.docker
    return {
        "containers": {f"{each['Names']} {each['State']}" for each in docker.containers(all=True)},
        "images": {f"{each['Id']} {sorted(each['RepoTags'] or ())}" for each in docker.images()},
        "networks": {each["Name"] for each in docker.networks()},
        "volumes": {each["Name"] for each in docker.volumes()["Volumes"] or ()},
    }


def run_web(
    node: Node, name: str = "web", *, port: int = PORT, image: str = "busybox", options: tuple[str, ...] = ()
) -> str:
    """Start a container that serves a page and counts in its own filesystem."""
    words = ("docker", "run", "-d", "--name", name, "-p", f"{port}:80", "--restart", "always", *options)
    container = node.output([*words, image, "sh", "-c", f"mkdir -p /www; {WRITES}"]).strip()
    wait_for(lambda: Probe("http", port, "/count").answers(node.address))
    return container


def wait_for(condition: Callable[[], bool], seconds: float = 30.0, seen: Sequence[str] = ()) -> None:
    """Wait until the condition is true; where it is not in time, the last that was `seen` is told."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not come true; last seen: {seen[-2:]}"
        threading.Event().wait(0.02)


def count(node: Node, name: str = "web") -> int:
    return int(node.output(["docker", "exec", name, "cat", "/www/count"]))


def image_id(node: Node, name: str) -> str:
    return node.output(["docker", "image", "inspect", "--format", "{{.Id}}", name]).strip()


def serving(node: Node, port: int = PORT) -> Prober:
    """A prober of one host: that it never went silent is the proof that a container was left alone."""
    return Prober(Probe("http", port, "/count"), {node.ssh_alias: node.address})


def clean(node: Node, images: tuple[str, ...] = ()) -> None:
    """Remove all containers, networks, volumes, mounted folders and records, and all images but those named."""
    docker = node.docker
    for each in docker.containers(all=True):
        docker.remove_container(each["Id"], force=True, v=True)
    node.output(["sh", "-c", "rm -rf /srv/* /var/lib/transship"])
    node.output(["docker", "network", "prune", "--force"])
    node.output(["docker", "volume", "prune", "--all", "--force"])
    for each in docker.images():
        for name in each["RepoTags"] or [each["Id"]]:
            if name not in images:
                docker.remove_image(name, force=True)


@pytest.fixture
def hosts(lab: Lab) -> Iterator[Hosts]:
    """The two shared hosts, both empty but for busybox on h1, and left empty."""
    pair = Hosts(lab, lab.hosts["h1"], lab.hosts["h2"])
    clean(pair.h1, ("busybox:latest",))
    clean(pair.h2)
    lab.load(pair.h1, "busybox")
    yield pair
    clean(pair.h1)
    clean(pair.h2)


@pytest.fixture(scope="module")
def versions() -> Iterator[Lab]:
    """A host with Docker 26 and one with Docker 28."""
    from tests.conftest import own_name  # noqa: PLC0415 - conftest of the tests' root

    options = LabOptions(name=own_name(), hosts=(HostOptions(suite="trixie"), HostOptions(suite="sid")))
    with Lab(options) as running:
        yield running


@pytest.fixture
def small_disk(make_lab: MakeLab) -> Hosts:
    """Like `hosts`, but h2 has a disk of its own that can be filled."""
    mine = make_lab(LabOptions(hosts=(HostOptions(), HostOptions(disk="1G"))))
    mine.load(mine.hosts["h1"], "busybox")
    return Hosts(mine, mine.hosts["h1"], mine.hosts["h2"])


@pytest.fixture
def other_ssh_config(lab: Lab, tmp_path: Path) -> Callable[[str, str], Path]:
    """A copy of the lab's ssh configuration in which one word is another."""

    def write(old: str, new: str) -> Path:
        text = lab.ssh_config.read_text()
        assert old in text
        path = tmp_path / "ssh_config"
        path.write_text(text.replace(old, new))
        return path

    return write
