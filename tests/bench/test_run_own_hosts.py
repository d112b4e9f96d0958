import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from transship.bench.store import ResultFolder
from transship.lab import Lab, Node

pytestmark = pytest.mark.lab

MATRIX = """
name = "own"
seed = 1
repetitions = 1
timeout_s = 60
port = 18080
cache = ["{cache}"]

[[image]]
name = "busybox"
reference = "busybox:latest"

[[state]]
name = "10KB"
bytes = 10_000
files = 2
where = "volume"

[[strategy]]
name = "sync"

[[strategy]]
name = "export | import"
method = "export-import-pipe"
{more}
"""


@pytest.fixture
def hosts(lab: Lab) -> Iterator[tuple[Node, Node]]:
    """Two hosts that somebody uses: each has a container with a volume."""
    source, target = lab.hosts["h1"], lab.hosts["h2"]
    for node in (source, target):
        lab.load(node, "busybox")
        node.output(["docker", "run", "-d", "--name", "theirs", "-v", "theirs:/data", "busybox", "sleep", "1000"])
    target.output(["docker", "tag", "busybox:latest", "kept-by-them:1"])
    yield source, target
    for node in (source, target):
        node.output(["docker", "rm", "--force", "--volumes", "theirs"])
        node.output(["docker", "volume", "rm", "theirs"])
        for image in node.docker.images():
            node.docker.remove_image(image["Id"], force=True)


def run(lab: Lab, matrix: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    file = folder.with_suffix(".toml")
    file.write_text(matrix)
    here, there = (f"ssh://{node.ssh_alias}" for node in lab.nodes)
    argv = [sys.executable, "-m", "transship", "bench", "run", str(file), "--out", str(folder)]
    return subprocess.run(
        [*argv, "--from", here, "--to", there],
        check=False, capture_output=True, text=True, timeout=300,
        env={**os.environ, "TRANSSHIP_SSH_CONFIG": str(lab.ssh_config)},
    )  # fmt: skip


def names(node: Node) -> set[str]:
    return {name for each in node.docker.containers() for name in each["Names"]}


def tags(node: Node) -> set[str]:
    return {name for each in node.docker.images() for name in each["RepoTags"]}


def test_what_is_not_the_experiments_stays(lab: Lab, hosts: tuple[Node, Node], tmp_path: Path) -> None:
    done = run(lab, MATRIX.format(cache="warm", more=""), tmp_path / "results")
    assert done.returncode == 0, done.stderr
    folder = ResultFolder.open(tmp_path / "results")
    runs = folder.runs()
    assert [(each.outcome, each.kept.volume) for each in runs] == [("moved", True)] * 2
    assert all(each.measures.link_bytes is None and each.measures.usage["source"].cpu_s for each in runs)
    assert {each.place for each in folder.environments().values()} == {"hosts"}
    for node in hosts:
        assert names(node) == {"/theirs"}
        assert node.output(["docker", "volume", "ls", "--quiet"]).split() == ["theirs"]
        assert "busybox:latest" in tags(node)


def test_an_image_that_the_target_has_is_not_removed_to_make_it_cold(
    lab: Lab, hosts: tuple[Node, Node], tmp_path: Path
) -> None:
    done = run(lab, MATRIX.format(cache="cold", more=""), tmp_path / "results")
    assert done.returncode == 3
    assert "has the image busybox:latest, and a cold cell needs it to lack it" in done.stderr
    assert ResultFolder.open(tmp_path / "results").runs() == ()
    assert tags(hosts[1]) == {"busybox:latest", "kept-by-them:1"}


def test_links_of_ones_own_hosts_are_not_shaped(lab: Lab, hosts: tuple[Node, Node], tmp_path: Path) -> None:
    done = run(lab, MATRIX.format(cache="warm", more="[[link]]\nmbit = 10\n"), tmp_path / "results")
    assert done.returncode == 2
    assert "stay as they are" in done.stderr
