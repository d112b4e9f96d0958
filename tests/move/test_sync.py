import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import MakeLab, own_name
from tests.move.conftest import PORT, Hosts, clean, count, run_web, serving, snapshot, wait_for
from tests.move.test_errors import assert_refused, assert_restored, untouched
from transship import api
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node
from transship.metrics.events import Event
from transship.plan.options import MoveOptions

pytestmark = pytest.mark.lab

FILL = """
for d in 1 2 3; do
    mkdir -p /data/$d
    for f in 1 2 3 4 5 6 7 8 9; do head -c 20000 /dev/urandom > /data/$d/$f; done
done
ln /data/1/1 /data/1/hard; ln -s 1/1 /data/soft; mkfifo /data/fifo; : > /data/empty
chmod 4751 /data/2/2; chown 70:71 /data/3
rm /bin/wget; rm -r /etc/inside; mkdir /etc/inside; : > /etc/inside/new
"""
LIST = (
    "cd /data; find . -exec stat -c '%n %F %a %u %g %s %Y %h' {} + | sort; find . -type f -exec sha256sum {} + | sort"
)


@pytest.fixture(scope="module")
def stores() -> Iterator[Lab]:
    """h1 stores images as ever, h2 with containerd, and its sshd forwards no sockets."""
    other = HostOptions(suite="sid", store="containerd", sshd={"AllowStreamLocalForwarding": "no"})
    with Lab(LabOptions(name=own_name(), hosts=(HostOptions(), other))) as running:
        yield running


def listing(node: Node, volume: str = "data") -> str:
    path = node.docker.inspect_volume(volume)["Mountpoint"]
    return node.output(["sh", "-c", LIST.replace("/data", path, 1)])


def run_full(node: Node, *options: str) -> None:
    """A container with files of all kinds in a volume, and with deletions in its own filesystem."""
    run_web(node, options=("-v", "data:/data", *options))
    node.output(["docker", "exec", "web", "sh", "-c", f"mkdir -p /etc/inside; : > /etc/inside/old; {FILL}"])


@pytest.mark.parametrize("user", ["root", "admin", "mover"])
def test_volumes_and_writable_layer_move_between_stores_and_versions_and_back(stores: Lab, user: str) -> None:
    hosts = Hosts(stores, stores.hosts["h1"], stores.hosts["h2"])
    for node in (hosts.h1, hosts.h2):
        clean(node)
        node.output(["usermod", "-aG", "docker", "admin"])
    stores.load(hosts.h1, "busybox")
    run_full(hosts.h1)
    wanted = listing(hosts.h1)
    assert "regular empty file" in wanted

    there = hosts.move("web", "--probe", f"http:{PORT}/count", "--verify", "full", "--json", user=user)
    assert there.code == 0, there.err
    assert there.result["strategy"] == "sync"
    assert there.result["verified"] == ["image", "spec", "volume data (full)", "the writable layer (full)"]
    assert listing(hosts.h2) == wanted
    hosts.h1.output(["docker", "cp", f"{there.result['source']['container_id']}:/www/count", "/run/count"])
    assert count(hosts.h2) >= int(hosts.h1.output(["cat", "/run/count"]))
    inside = hosts.h2.output(["docker", "exec", "web", "sh", "-c", "ls /bin/wget || ls -l /etc/inside"])
    assert "new" in inside
    assert "old" not in inside

    hosts.h2.output(
        ["docker", "exec", "web", "sh", "-c", "rm /data/1/1; echo more > /data/2/2; mv /data/empty /data/4"]
    )
    wanted = listing(hosts.h2)
    back = hosts.move("web", "--replace-data", "--yes", "--source", "remove", "--json", user=user, back=True)
    assert back.code == 0, back.err
    assert listing(hosts.h1) == wanted
    assert back.result["bytes"]["volumes"]["wire"] < 30_000, "the data that was there was no base for the way back"
    assert "transship" not in hosts.h2.output(["docker", "images"])


def test_folders_and_files_that_are_mounted_go_along_when_asked_for(hosts: Hosts) -> None:
    hosts.h1.output(["sh", "-c", "mkdir -p /srv/site/deep; echo one > /srv/site/deep/a; chmod 2750 /srv/site"])
    hosts.h1.output(["sh", "-c", "echo setting=1 > /srv/app.conf; chmod 640 /srv/app.conf; echo private > /srv/other"])
    run_web(hosts.h1, options=("-v", "/srv/site:/site", "-v", "/srv/app.conf:/etc/app.conf:ro"))
    try:
        moved = hosts.move("web", "--binds", "copy", "--yes")
        assert moved.code == 0, moved.err
        stat = ["stat", "-c", "%n %a %F", "/srv/site", "/srv/site/deep/a", "/srv/app.conf"]
        assert hosts.h2.output(stat) == hosts.h1.output(stat)
        assert hosts.h2.output(["docker", "exec", "web", "cat", "/site/deep/a", "/etc/app.conf"]) == "one\nsetting=1\n"
        assert hosts.h2.run(["ls", "/srv/other"]).status != 0
    finally:
        for node in (hosts.h1, hosts.h2):
            node.output(["rm", "-rf", "/srv/site", "/srv/app.conf", "/srv/other"])


def test_a_bind_mount_that_the_target_has_is_not_overwritten(hosts: Hosts) -> None:
    for node, text in ((hosts.h1, "mine"), (hosts.h2, "theirs")):
        node.output(["sh", "-c", f"mkdir -p /srv/site; echo {text} > /srv/site/a"])
    run_web(hosts.h1, options=("-v", "/srv/site:/site"))
    try:
        with untouched(hosts):
            assert_refused(hosts.move("web", "--binds", "copy", "--yes"), "/srv/site")
        assert hosts.h2.output(["cat", "/srv/site/a"]) == "theirs\n"
    finally:
        for node in (hosts.h1, hosts.h2):
            node.output(["rm", "-rf", "/srv/site"])


def test_a_volume_with_data_or_with_other_users_needs_a_word(hosts: Hosts) -> None:
    run_full(hosts.h1)
    hosts.h2.output(["docker", "volume", "create", "data"])
    path = hosts.h2.docker.inspect_volume("data")["Mountpoint"]
    hosts.h2.output(["touch", f"{path}/precious"])
    with untouched(hosts):
        assert_refused(hosts.move("web"), "has data in a volume data")
    hosts.h2.output(["rm", f"{path}/precious"])
    hosts.h1.output(["docker", "run", "-d", "--name", "reader", "-v", "data:/data:ro", "busybox", "sleep", "1d"])
    with untouched(hosts):
        assert_refused(hosts.move("web"), "also used by reader")
    wanted = listing(hosts.h1)
    moved = hosts.move("web", "--shared-volumes", "--yes")
    assert moved.code == 0, moved.err
    assert listing(hosts.h2) == wanted


def test_a_container_that_writes_faster_than_the_link_needs_a_yes(make_lab: MakeLab) -> None:
    mine = make_lab(LabOptions(hosts=(HostOptions(), HostOptions(rate="8mbit"))))
    for node in mine.nodes:
        mine.load(node, "busybox")
    hosts = Hosts(mine, mine.hosts["h1"], mine.hosts["h2"])
    # In place, and never waiting for the disk: at any moment four megabytes differ from what was sent.
    writes = "while :; do dd if=/dev/urandom of=/data/big bs=4000000 count=1 conv=notrunc; sleep 0.2; done & "
    run_web(hosts.h1, options=("-v", "data:/data", "-e", "X=1"))
    hosts.h1.output(["docker", "exec", "-d", "web", "sh", "-c", writes + "wait"])
    before = snapshot(hosts.h2)
    with serving(hosts.h1) as prober:
        refused = hosts.move("web", "--max-downtime", "500ms")
    assert_refused(refused, "--max-downtime is 0.5 s", code=4)
    assert prober.report().outages == ()
    assert_restored(hosts, before)

    moved = hosts.move("web", "--max-downtime", "500ms", "--yes", "--json")
    assert moved.code == 0, moved.err
    assert len([each for each in moved.result["rounds"] if each["tree"] == "volume data"]) >= 3


def test_the_limit_of_the_rate_holds_for_running_rounds(hosts: Hosts) -> None:
    hosts.lab.load(hosts.h2, "busybox")
    run_web(hosts.h1, options=("-v", "data:/data"))
    hosts.h1.output(["docker", "exec", "web", "sh", "-c", "head -c 6000000 /dev/urandom > /data/big"])
    heard: list[Event] = []
    journey = api.Journey("web", hosts.address(hosts.h2), hosts.address(hosts.h1), hosts.lab.ssh_config)
    moved = api.move(journey, MoveOptions(strategy="sync", limit_rate=3e6), listener=heard.append)
    (first,) = (phase for phase in moved.phases if phase.name == "round-1")
    assert first.bytes / first.seconds < 3_600_000
    assert moved.downtime_s < first.seconds
    told = [event.bytes for event in heard if (event.phase, event.kind) == ("round-1", "progress")]
    assert len(set(told)) > 2, "nobody was told how far the round was"
    assert told == sorted(told)


def test_without_python_sync_says_what_remains(hosts: Hosts) -> None:
    run_full(hosts.h1)
    real = hosts.h2.output(["readlink", "-f", "/usr/bin/python3"]).strip()
    hosts.h2.output(["mv", "/usr/bin/python3", "/usr/bin/python3.away"])
    try:
        with untouched(hosts):
            ended = hosts.move("web", "--strategy", "sync")
        assert_refused(ended, "there is no Python 3.8 or newer")
        assert "stop-start and export-import remain" in ended.err
    finally:
        hosts.h2.output(["mv", "/usr/bin/python3.away", "/usr/bin/python3"])
    assert real


def test_ctrl_c_during_the_first_round_leaves_nothing(hosts: Hosts) -> None:
    hosts.lab.load(hosts.h2, "busybox")
    run_web(hosts.h1, options=("-v", "data:/data"))
    hosts.h1.output(["docker", "exec", "web", "sh", "-c", "head -c 6000000 /dev/urandom > /data/big"])
    before = snapshot(hosts.h2)
    ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
    with serving(hosts.h1) as prober, hosts.start("move", "web", *ends, "--limit-rate", "500kB/s") as process:
        assert process.stderr is not None
        while "round-1" not in (line := process.stderr.readline()):
            assert line, "the command ended before the first round"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert prober.report().outages == ()
    assert_restored(hosts, before)


class Counter(threading.Thread):
    """Increments a key in Redis over one connection after the other, and remembers the last value that it was told."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__()
        self.place = (address, port)
        self.acknowledged = 0
        self.end = threading.Event()

    def run(self) -> None:
        while not self.end.is_set():
            try:
                with socket.create_connection(self.place, 1) as connection, connection.makefile("rb") as answers:
                    while not self.end.is_set():
                        connection.sendall(b"INCR n\r\n")
                        answer = answers.readline()
                        if not answer.startswith(b":"):
                            break
                        self.acknowledged = int(answer[1:])
            except OSError:
                continue

    @contextmanager
    def counting(self) -> Iterator[None]:
        self.start()
        try:
            wait_for(lambda: self.acknowledged > 100)
            yield
        finally:
            self.end.set()
            self.join()


def test_redis_loses_no_acknowledged_write(hosts: Hosts) -> None:
    hosts.lab.load(hosts.h1, "redis")
    options = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
    hosts.h1.output(["docker", "run", "-d", "--name", "redis", "-p", "6379:6379", "redis", "redis-server", *options])
    counter = Counter(hosts.h1.address, 6379)
    with counter.counting():
        moved = hosts.move("redis", "--probe", "tcp:6379", "--json")
    assert moved.code == 0, moved.err
    cli = ["docker", "exec", "redis", "redis-cli"]
    kept = int(hosts.h2.output([*cli, "get", "n"]))
    assert 0 <= kept - counter.acknowledged <= 1, "only the answer to the very last increment may have been lost"
    check = ["docker", "exec", "redis", "sh", "-c", "redis-check-aof /data/appendonlydir/*.manifest"]
    assert "is valid" in hosts.h2.output(check)


def test_postgres_loses_no_acknowledged_transaction(hosts: Hosts) -> None:
    hosts.lab.load(hosts.h1, "postgres")
    run = [
        "docker",
        "run",
        "-d",
        "--name",
        "pg",
        "-p",
        "5432:5432",
        "-e",
        "POSTGRES_HOST_AUTH_METHOD=trust",
        "postgres",
    ]
    hosts.h1.output(run)
    psql = ["docker", "exec", "pg", "psql", "-h", "127.0.0.1", "-U", "postgres", "-Atc"]
    wait_for(lambda: hosts.h1.run([*psql, "select 1"]).status == 0, 60)
    hosts.h1.output(
        ["docker", "exec", "pg", "pgbench", "-h", "127.0.0.1", "-U", "postgres", "-i", "-s", "2", "postgres"]
    )
    bench = f"cd /tmp && pgbench -h {hosts.h1.address} -U postgres -n -c 4 -T 120 -l --log-prefix=tx postgres; sleep 1d"
    hosts.h1.output(["docker", "run", "-d", "--name", "client", "--entrypoint", "sh", "postgres", "-c", bench])
    wait_for(lambda: int(hosts.h1.output([*psql, "select count(*) from pgbench_history"])) > 50, 60)

    moved = hosts.move("pg", "--probe", "tcp:5432", "--json")
    assert moved.code == 0, moved.err
    acknowledged = int(hosts.h1.output(["docker", "exec", "client", "sh", "-c", "cat /tmp/tx* | wc -l"]))
    kept = int(hosts.h2.output([*psql, "select count(*) from pgbench_history"]))
    assert acknowledged > 50
    assert kept >= acknowledged
    assert kept - acknowledged <= 4, "at most one transaction per client was committed and not acknowledged"
    check = "/usr/lib/postgresql/*/bin/pg_amcheck -h 127.0.0.1 -U postgres --install-missing --all"
    hosts.h2.output(["docker", "exec", "pg", "sh", "-c", check])
    hosts.h2.output(["docker", "exec", "pg", "sh", "-c", "pg_dumpall -h 127.0.0.1 -U postgres > /dev/null"])
    assert json.loads(moved.out.splitlines()[-1])["verified"][-1].endswith("(meta)")


def test_a_volume_that_docker_fills_from_the_image_arrives_as_it_was_left(hosts: Hosts) -> None:
    """Docker copies what the image has there into a new volume as soon as the target's container is created."""
    run_web(hosts.h1, options=("-v", "conf:/etc"))
    hosts.h1.output(
        ["docker", "exec", "web", "sh", "-c", "rm /etc/group; echo changed >> /etc/passwd; echo new > /etc/new"]
    )
    hosts.h2.output(["docker", "volume", "create", "conf"])
    listed = [
        "docker",
        "exec",
        "web",
        "sh",
        "-c",
        "cd /etc; for f in *; do [ -f $f ] && sha256sum $f; done | grep -v -e host -e mtab -e resolv",
    ]
    before = hosts.h1.output(listed)
    moved = hosts.move("web", "--yes", "--verify", "full")
    assert moved.code == 0, moved.err
    assert hosts.h2.output(listed) == before
