"""Marked secrets are planted wherever a container can have some; a move leaves them there, and shows them nowhere."""

import base64
import json
import os
import re
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.move.conftest import WRITES, Ended, Hosts, wait_for
from transship.lab.node import Node
from transship.metrics.downtime import Probe

pytestmark = pytest.mark.lab

MARK = f"m4rk{secrets.token_hex(4)}"
PORT = 8080
KINDS = (
    "env",
    "label",
    "arg",
    "entrypoint",
    "health",
    "log",
    "volume-label",
    "network-label",
    "layer",
    "data",
    "login",
)
LOG_HOST = f"{MARK}-log.example"

DOCKER = re.compile(r"dockerd|containerd|containerd-shim.*|runc.*|docker-proxy|docker-init")
"""Docker's own programs, which must be told what they shall start."""
IN_CONTAINER = re.compile(rb"docker[/-][0-9a-f]{64}")
AGENT = b"transship_agent"
FOR_RUNC = "tmp/runc-process"
"""How Docker tells runc what to run in a container, such as a health check."""
DOCKERS_FOLDERS = ("var/lib/docker", "var/lib/containerd", "run/docker", "run/containerd", "run/transship-lab")
NO_FILES = ("proc", "sys", "dev")
LARGEST_FILE = 1 << 22


def secret(kind: str) -> str:
    return f"{MARK}-{kind}"


def plant_logins(hosts: Hosts) -> None:
    login = base64.b64encode(f"user:{secret('login')}".encode()).decode()
    for node in (hosts.h1, hosts.h2):
        config = node.root / "root/.docker/config.json"
        config.parent.mkdir(mode=0o700, exist_ok=True)
        config.write_text(json.dumps({"auths": {"registry.example": {"auth": login}}}))


def run_marked(h1: Node, *log: str) -> None:
    """A container that is full of secrets, and serves."""
    h1.output(["docker", "network", "create", "--label", f"a={secret('network-label')}", "back"])
    h1.output(["docker", "volume", "create", "--label", f"a={secret('volume-label')}", "data"])
    script = f"mkdir -p /www; echo {secret('layer')} >/www/file; echo {secret('data')} >/data/file; {WRITES}"
    h1.output(
        [
            *("docker", "run", "--detach", "--name", "web", "--publish", f"{PORT}:80", "--restart", "always"),
            *("--network", "back", "--volume", "data:/data", "--env", f"TOKEN={secret('env')}"),
            *("--label", f"owner={secret('label')}", *log, "--log-opt", f"tag={secret('log')}"),
            *("--health-cmd", f"test -e /www/count || echo {secret('health')}", "--health-interval", "1s"),
            *("--entrypoint", "env", "busybox", f"X={secret('entrypoint')}", "sh", "-c", f"{script} # {secret('arg')}"),
        ]
    )
    wait_for(lambda: Probe("http", PORT, "/count").answers(h1.address))


@dataclass
class Watch:
    """What every process of this machine, the hosts' too, shows of itself to whoever lists it, and files on the way."""

    folders: tuple[Path, ...]
    hits: set[tuple[str, str]] = field(default_factory=set)
    """Where a mark was: in a file, or in the environment or the arguments of a program."""
    inside: set[tuple[str, str]] = field(default_factory=set)
    """The same of Docker's own programs, and of those that it runs in containers, but for those of transship."""
    looks: int = 0
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            self._look_at_processes()
            for folder in self.folders:
                self.hits |= {("file", path) for path in holding(folder, since=0)}
            self.looks += 1
            self._end.wait(0.005)

    def _look_at_processes(self) -> None:
        for name in os.listdir("/proc"):  # noqa: PTH208 - thousands of times
            if name.isdecimal():
                with suppress(OSError):  # it has ended
                    self._look_at(f"/proc/{name}")

    def _look_at(self, process: str) -> None:
        for what in ("cmdline", "environ"):
            if MARK.encode() in read(f"{process}/{what}"):
                program = read(f"{process}/comm").decode().strip()
                contained = IN_CONTAINER.search(read(f"{process}/cgroup")) and AGENT not in read(f"{process}/cmdline")
                (self.inside if contained or DOCKER.fullmatch(program) else self.hits).add((what, program))


def read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands of times
        return file.read(LARGEST_FILE)


def holding(folder: Path, *, since: float, without: tuple[str, ...] = ()) -> Iterator[str]:
    """The files below `folder` that have a mark in their content or their name, and were changed after `since`."""
    left_out = {str(folder / each) for each in without}
    for where, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if f"{where}/{each}" not in left_out]
        for path in {f"{where}/{name}" for name in files} - left_out:
            with suppress(OSError):  # it is gone
                status = os.lstat(path)
                changed = stat.S_ISREG(status.st_mode) and status.st_ctime >= since
                if MARK in path or (changed and marked(read(path))):
                    yield path


def marked(content: bytes) -> bool:
    """Whether a secret is in it, plain or as a registry's login."""
    encoded = base64.b64encode(f"user:{secret('login')}".encode())
    return MARK.encode() in content or encoded in content


def for_runc(path: str) -> bool:
    return path.partition("/root/")[2].startswith(FOR_RUNC)


@dataclass
class Seen:
    """One command, and all that could be seen of it."""

    ended: Ended
    watch: Watch


class Bench:
    """Runs commands with folders of their own, and watches."""

    def __init__(self, hosts: Hosts, here: Path) -> None:
        self.hosts, self.here = hosts, here
        self.since = time.time()

    def run(self, *words: str, user: str = "root") -> Seen:
        ends = ["--from", self.hosts.address(self.hosts.h1, user), "--to", self.hosts.address(self.hosts.h2, user)]
        on_hosts = [node.root / each for node in self.nodes for each in ("tmp", "run/transship", "var/lib/transship")]
        watch = Watch((self.here, *on_hosts))
        with watch.watching():
            ended = self.hosts.transship("-v", *words, *ends)
        return Seen(ended, watch)

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self.hosts.h1, self.hosts.h2

    def assert_hidden(self, seen: Seen) -> None:
        """No secret was written or listed but in the container, its data, and what is Docker's."""
        assert not marked((seen.ended.out + seen.ended.err).encode()), seen.ended.out + seen.ended.err
        assert seen.watch.looks > 1
        assert {each for each in seen.watch.hits if not for_runc(each[1])} == set()
        assert list(holding(self.here, since=0)) == []
        for node in self.nodes:
            left_out = (*NO_FILES, *DOCKERS_FOLDERS, "etc/hosts", "root/.docker")
            found = holding(node.root, since=self.since, without=left_out)
            assert [each for each in found if not for_runc(each)] == []


@pytest.fixture
def bench(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    plant_logins(hosts)
    # A short path: sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="ts") as here:
        for name, folder in (
            ("TMPDIR", "t"),
            ("XDG_STATE_HOME", "s"),
            ("XDG_CACHE_HOME", "c"),
            ("XDG_RUNTIME_DIR", "r"),
        ):
            Path(here, folder).mkdir(mode=0o700)
            monkeypatch.setenv(name, f"{here}/{folder}")
        yield Bench(hosts, Path(here))
    for node in (hosts.h1, hosts.h2):
        (node.root / "root/.docker/config.json").unlink()


@pytest.mark.parametrize(
    ("strategy", "user", "more"),
    [
        ("sync", "root", ()),
        ("sync", "mover", ("--verify", "full")),
        ("stop-start", "root", ("--without-volumes",)),
        ("export-import", "root", ("--without-volumes",)),
    ],
)
def test_a_move_shows_no_secret(bench: Bench, strategy: str, user: str, more: tuple[str, ...]) -> None:
    run_marked(bench.hosts.h1)
    moved = bench.run("move", "web", "--strategy", strategy, "--yes", "--json", *more, user=user)
    assert moved.ended.code == 0, moved.ended.err
    bench.assert_hidden(moved)


def test_the_marks_are_where_they_belong_and_would_be_found(bench: Bench) -> None:
    """What the other tests do not find is there: in the container on the target, and in the list of processes."""
    run_marked(bench.hosts.h1)
    planned = bench.run("plan", "web")
    assert planned.ended.code == 0, planned.ended.err
    bench.assert_hidden(planned)
    moved = bench.run("move", "web", "--yes")
    assert moved.ended.code == 0, moved.ended.err
    arrived = json.dumps(bench.hosts.h2.docker.inspect_container("web"))
    data = bench.hosts.h2.output(["docker", "exec", "web", "cat", "/www/file", "/data/file"])
    whole = arrived + data + json.dumps(bench.hosts.h2.docker.networks() + bench.hosts.h2.docker.volumes()["Volumes"])
    assert [kind for kind in KINDS if kind != "login" and secret(kind) not in whole] == []
    assert {"cmdline", "environ"} <= {what for what, _ in moved.watch.inside}
    (bench.here / "leak").write_text(secret("env"))
    with pytest.raises(AssertionError, match="leak"):
        bench.assert_hidden(moved)


EMPTY = {"sync": (), "stop-start": ("--without-volumes",), "export-import": ("--without-volumes",)}


@pytest.fixture
def log_host(hosts: Hosts) -> Iterator[str]:
    """A name that only the source knows."""
    names = hosts.h1.root / "etc/hosts"
    before = names.read_text()
    names.write_text(f"{before}127.0.0.1 {LOG_HOST}\n")
    words = ("--log-driver", "gelf", "--log-opt", f"gelf-address=udp://{LOG_HOST}:12201")
    wait_for(lambda: hosts.h1.run(["docker", "run", "--rm", *words, "busybox", "true"]).status == 0)  # it keeps names
    yield LOG_HOST
    names.write_text(before)


@pytest.mark.parametrize("strategy", EMPTY)
def test_a_container_that_cannot_be_started_shows_no_secret(bench: Bench, log_host: str, strategy: str) -> None:
    """Docker's own error quotes an option of the log driver."""
    run_marked(bench.hosts.h1, "--log-driver", "gelf", "--log-opt", f"gelf-address=udp://{log_host}:12201")
    failed = bench.run("move", "web", "--strategy", strategy, "--yes", "--json", *EMPTY[strategy])
    assert failed.ended.code == 4, failed.ended.err
    assert "lookup ***" in failed.ended.err
    bench.assert_hidden(failed)


@pytest.mark.parametrize("strategy", EMPTY)
def test_a_container_that_does_not_serve_shows_no_secret(bench: Bench, strategy: str) -> None:
    run_marked(bench.hosts.h1)
    words = ("--probe", "tcp:9", "--health-timeout", "2s", *EMPTY[strategy])
    failed = bench.run("move", "web", "--strategy", strategy, "--yes", "--json", *words)
    assert failed.ended.code == 4, failed.ended.err
    bench.assert_hidden(failed)


def test_a_container_that_cannot_be_created_shows_no_secret(bench: Bench) -> None:
    """The daemon mounts a volume when it creates the container, and quotes the volume's options where it cannot."""
    h1 = bench.hosts.h1
    device = f"/srv/{MARK}-device"
    h1.output(["mkdir", device])
    words = ["--opt", "type=none", "--opt", "o=bind", "--opt", f"device={device}"]
    h1.output(["docker", "volume", "create", *words, "elsewhere"])
    mounted = (
        "--mount",
        "type=volume,source=elsewhere,target=/etc",
    )  # what the image has there is copied to it at once
    h1.output(["docker", "run", "--detach", "--name", "other", *mounted, "busybox", "sleep", "1d"])
    ends = [bench.hosts.address(each) for each in bench.nodes]
    words = ["other", "--from", ends[0], "--to", ends[1], "--strategy", "stop-start", "--without-volumes", "--yes"]
    ended = bench.hosts.transship("move", *words, "--json")
    assert ended.code == 4, ended.err
    assert "cannot create container other" in ended.err
    assert "mount ***" in ended.err
    assert not marked((ended.out + ended.err).encode()), ended.err
    h1.docker.remove_container("other", force=True)
    h1.output(["rm", "-r", device])
