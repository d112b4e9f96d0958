import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.conftest import WITH_LIMITS, own_name
from transship.errors import UsageError
from transship.lab import HostOptions, Lab, LabOptions, images
from transship.lab.node import Node
from transship.lab.processes import wait_until

pytestmark = pytest.mark.lab

SERVES = {
    "nginx": (["curl", "-sf", "http://127.0.0.1:80/"], b"nginx"),
    "redis": (["redis-cli", "-h", "127.0.0.1", "set", "a", "1"], b"OK"),
    "postgres": (["docker", "exec", "postgres", "psql", "-U", "postgres", "-c", "select 41 + 1"], b"42"),
    "python": (["curl", "-sf", "http://127.0.0.1:8000/"], b"Directory listing"),
}
PORTS = {"nginx": 80, "redis": 6379, "postgres": 5432, "python": 8000}


@pytest.fixture(scope="module")
def mixed() -> Iterator[Lab]:
    """A host with each store and each version of Docker, and a registry with TLS."""
    hosts = (
        HostOptions(),
        HostOptions(suite="sid", store="containerd"),
        HostOptions(suite="bookworm", cgroup=WITH_LIMITS),
    )
    with Lab(LabOptions(name=own_name(), hosts=hosts, registry="tls")) as running:
        yield running


def inspect(node: Node, reference: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(node.output(["docker", "image", "inspect", reference]))
    return found[0]


def answers(node: Node, name: str) -> bool:
    question, answer = SERVES[name]
    return answer in node.run(question).stdout


def start(node: Node, name: str) -> None:
    command = ["python3", "-m", "http.server", "8000"] if name == "python" else []
    published = f"{PORTS[name]}:{PORTS[name]}"
    node.output(["docker", "run", "-d", "--name", name, "-p", published, "-e", "POSTGRES_PASSWORD=x", name, *command])


@pytest.mark.parametrize("host", ["h1", "h2"])
def test_every_image_starts_and_serves(mixed: Lab, host: str) -> None:
    node = mixed.hosts[host]
    for name in SERVES:
        mixed.load(node, name)
        start(node, name)
    for name in SERVES:
        wait_until(partial(answers, node, name), 30, f"{name} answered")
    node.output(["docker", "rm", "-f", "-v", *SERVES])


def test_images_share_the_layer_of_debian(mixed: Lab) -> None:
    node = mixed.hosts["h1"]
    layers = [inspect(node, mixed.load(node, name))["RootFS"]["Layers"] for name in ("nginx", "redis")]
    assert layers[0][0] == layers[1][0]
    assert layers[0][1] != layers[1][1]


def test_the_foreign_busybox_says_that_it_is_foreign(mixed: Lab) -> None:
    node = mixed.hosts["h1"]
    own, foreign = (inspect(node, mixed.load(node, name)) for name in ("busybox", "busybox-foreign"))
    assert own["Architecture"] == images.own_architecture() != foreign["Architecture"]


def test_a_synthetic_image_has_the_layers_that_were_asked_for(mixed: Lab) -> None:
    node = mixed.hosts["h1"]
    image = inspect(node, mixed.load_synthetic(node, "noise:1", [3, 5]))
    assert len(image["RootFS"]["Layers"]) == 3
    assert image["Size"] == pytest.approx(10_000_000, rel=0.1)


def test_suites_differ_in_dockers_version(mixed: Lab) -> None:
    versions = [int(node.docker.version()["Version"].split(".")[0]) for node in mixed.nodes]
    assert versions[1] > versions[0] > versions[2] == 20


def test_what_one_host_pushes_the_others_pull_with_tls(mixed: Lab) -> None:
    source, *others = mixed.nodes
    reference = mixed.push(source, mixed.load(source, "busybox"))
    for node in others:
        assert node.output(["docker", "run", "--rm", reference, "echo", "ahoy"]) == "ahoy\n"


def test_an_unknown_image_is_refused(mixed: Lab) -> None:
    with pytest.raises(UsageError, match="no image teapot"):
        mixed.load(mixed.nodes[0], "teapot")
