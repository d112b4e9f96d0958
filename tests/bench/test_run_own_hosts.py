import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from transship.bench.by_hand import MARK
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


def begin(lab: Lab, *words: str) -> "subprocess.Popen[str]":
    here, there = (f"ssh://{node.ssh_alias}" for node in lab.nodes)
    return subprocess.Popen(
        [sys.executable, "-m", "transship", "bench", *words, "--from", here, "--to", there],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        env={**os.environ, "TRANSSHIP_SSH_CONFIG": str(lab.ssh_config)},
    )  # fmt: skip


def run(lab: Lab, matrix: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    file = folder.with_suffix(".toml")
    file.write_text(matrix)
    with begin(lab, "run", str(file), "--out", str(folder)) as process:
        out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def names(node: Node) -> set[str]:
    return {name for each in node.docker.containers() for name in each["Names"]}


def tags(node: Node) -> set[str]:
    return {name for each in node.docker.images() for name in each["RepoTags"]}


def test_what_is_not_the_experiments_stays(lab: Lab, hosts: tuple[Node, Node], tmp_path: Path) -> None:
    """What an experiment before has left is not somebody else's, be it a program or a sandbox."""
    for node in hosts:
        node.output(["docker", "create", "--name", "transship-bench-sandbox", "busybox"])
        node.spawn(["env", MARK, "sleep", "1000"])
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
        assert node.run(["sh", "-c", f"grep -ls {MARK} /proc/[0-9]*/environ"]).stdout == b""


def test_an_image_that_the_target_has_is_not_removed_to_make_it_cold(
    lab: Lab, hosts: tuple[Node, Node], tmp_path: Path
) -> None:
    done = run(lab, MATRIX.format(cache="cold", more=""), tmp_path / "results")
    assert done.returncode == 3
    assert "has the image busybox:latest, and a cold cell needs it to lack it" in done.stderr
    assert ResultFolder.open(tmp_path / "results").runs() == ()
    assert tags(hosts[1]) == {"busybox:latest", "kept-by-them:1"}
    hosts[1].output(["docker", "image", "rm", "busybox:latest"])
    done = run(lab, MATRIX.format(cache="cold", more=""), tmp_path / "other")
    assert done.returncode == 3
    assert "has layers of busybox:latest in the image kept-by-them:1" in done.stderr
    hosts[1].output(["docker", "tag", "kept-by-them:1", "busybox:latest"])


def test_killed_it_knows_afterwards_what_it_had_brought(lab: Lab, hosts: tuple[Node, Node], tmp_path: Path) -> None:
    source, target = hosts
    lab.load(source, "nginx")
    folder, matrix = tmp_path / "results", tmp_path / "matrix.toml"
    matrix.write_text(MATRIX.format(cache="cold", more="").replace("busybox", "nginx"))
    with begin(lab, "run", str(matrix), "--out", str(folder)) as process:
        for _ in range(3000):
            if "nginx:latest" in tags(target) or process.poll() is not None:
                break
            threading.Event().wait(0.1)
        process.kill()
    assert "nginx:latest" in tags(target)
    with begin(lab, "resume", str(folder)) as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert {each.outcome for each in ResultFolder.open(folder).runs()} == {"moved"}
    assert "nginx:latest" not in tags(target)


def test_what_ones_own_hosts_are_not_made_for_is_said_before_the_first_run(
    lab: Lab, hosts: tuple[Node, Node], tmp_path: Path
) -> None:
    more = "".join(f'[[strategy]]\nname = "{name}"\n' for name in ("swarm-drain", "rsync-volumes"))
    more += '[[image]]\nname = "big"\nof = "busybox"\nadd_mb = [1]\n'
    done = run(lab, MATRIX.format(cache="warm", more=f"{more}[[link]]\nmbit = 10\n"), tmp_path / "results")
    assert done.returncode == 3
    said = " ".join(done.stderr.split())
    told = ("links of hosts of one's own stay", "no swarm is made", "image big is one", "cannot log in to")
    assert all(words in said for words in told), said
