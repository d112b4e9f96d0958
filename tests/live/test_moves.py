"""`transship move --strategy live`: processes, memory, files and connections go on elsewhere, or where they were."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.live.moving import NETWORK, coordinator, left_behind, policy, run_redis, runs
from tests.live.writer import Writer
from tests.move.conftest import Hosts, snapshot, wait_for
from transship.lab.node import Node
from transship.metrics.downtime import Probe

pytestmark = pytest.mark.lab

MEGABYTES = 16
TIMES = int(os.environ.get("TRANSSHIP_THERE_AND_BACK", "1"))
"""How often a container is moved there and back: a longer trial than a test needs is one of hours."""

LIVE = ("--strategy", "live", "--yes", "--json")


def test_a_client_that_never_stops_writing_loses_nothing(hosts: Hosts, address: str) -> None:
    redis = run_redis(hosts, MEGABYTES, address=address)
    with Writer(address) as writer:
        writer.reach(500)
        moved = hosts.move("cache", *LIVE, "--verify", "full")
        assert moved.code == 0, moved.err
        writer.reach(writer.commands + 500)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h2
    assert redis.is_whole()
    result = moved.result
    assert result["strategy"] == "live"
    assert result["verified"] == ["image", "spec", "volume data (full)", "the writable layer (full)"]
    assert result["bytes"]["memory"]["logical"] > MEGABYTES << 20
    assert policy(hosts.h2) == policy(hosts.h2, "cache-sandbox") == "always"
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""
    assert not runs(hosts.h1)


def test_memory_that_follows_is_all_there_before_the_move_ends(hosts: Hosts, address: str, large_pipes: None) -> None:
    redis = run_redis(hosts, MEGABYTES, address=address)
    with Writer(address) as writer:
        writer.reach(500)
        moved = hosts.move("cache", *LIVE, "--post-copy")
        assert moved.code == 0, moved.err
        writer.reach(writer.commands + 500)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h2
    assert redis.is_whole()
    phases = {each["name"]: each for each in moved.result["phases"]}
    assert phases["memory"]["bytes"] < MEGABYTES << 20
    assert moved.result["bytes"]["memory"]["wire"] > MEGABYTES << 20
    ended = phases["pages"]["start_s"] + phases["pages"]["seconds"]
    assert phases["open"]["start_s"] < ended <= phases["retire"]["start_s"]
    assert [each["code"] for each in moved.result["findings"] if each["severity"] == "warning"] == ["post-copy"]
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


def test_what_cannot_be_restored_goes_on_where_it_was(hosts: Hosts, address: str, tmp_path: Path) -> None:
    before = snapshot(hosts.h2)
    redis = run_redis(hosts, MEGABYTES, address=address)
    with Writer(address) as writer, coordinator(hosts, str(tmp_path / "state"), "started", "restore") as moving:
        writer.reach(500)
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        hosts.h2.output(["docker", "kill", "cache-sandbox"])
        moving.go()
        assert moving.until("ended", time.monotonic() + 120)
        assert moving.said[-1]["outcome"] == "RolledBackError", moving.error
        writer.reach(writer.commands + 500)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h1
    assert redis.is_whole()
    assert policy(hosts.h1) == "always"
    assert snapshot(hosts.h2) == before
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


@pytest.mark.parametrize("mode", [(), ("--post-copy",)], ids=["copied", "following"])
def test_a_connection_without_traffic_survives_a_target_that_does_not_serve(
    hosts: Hosts, address: str, large_pipes: None, mode: tuple[str, ...]
) -> None:
    before = snapshot(hosts.h2)
    redis = run_redis(hosts, MEGABYTES, address=address)
    with socket.create_connection((address, 6379), timeout=30) as connection:
        connection.sendall(b"INCR counter\r\n")
        assert connection.recv(16) == b":1\r\n"
        failed = hosts.move("cache", *LIVE, *mode, "--probe", "tcp:1", "--health-timeout", "1s")
        assert failed.code == 4, failed.err
        connection.sendall(b"INCR counter\r\n")
        assert connection.recv(16) == b":2\r\n"
    assert redis.host is hosts.h1
    assert redis.is_whole()
    assert snapshot(hosts.h2) == before
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


@pytest.mark.parametrize(
    ("phase", "post_copy"), [("dump", False), ("last-round", False), ("release", False), ("release", True)]
)
def test_a_source_whose_coordinator_is_killed_goes_on_by_itself(
    hosts: Hosts, address: str, tmp_path: Path, large_pipes: None, phase: str, *, post_copy: bool
) -> None:
    before = snapshot(hosts.h2)
    redis = run_redis(hosts, MEGABYTES, address=address)
    moved = coordinator(hosts, str(tmp_path / "state"), "started", phase, post_copy=post_copy)
    with Writer(address) as writer, moved as moving:
        writer.reach(500)
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        moving.send(signal.SIGKILL)
        writer.reach(writer.commands + 500)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h1
    assert redis.is_whole()
    wait_for(lambda: policy(hosts.h1) == "always", 60)
    elsewhere = ("--state-dir", str(tmp_path / "elsewhere"))
    ends = ("--host", hosts.address(hosts.h1), "--host", hosts.address(hosts.h2))
    ended = hosts.transship(*elsewhere, "recover", "--yes", *ends)
    assert ended.code == 0, ended.err
    assert snapshot(hosts.h2) == before
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


@pytest.mark.parametrize(("phase", "post_copy"), [("memory", False), ("pages", True)])
def test_what_is_interrupted_goes_on_where_it_was(
    hosts: Hosts, address: str, tmp_path: Path, large_pipes: None, phase: str, *, post_copy: bool
) -> None:
    before = snapshot(hosts.h2)
    redis = run_redis(hosts, MEGABYTES, address=address)
    moved = coordinator(hosts, str(tmp_path / "state"), "started", phase, post_copy=post_copy)
    with socket.create_connection((address, 6379), timeout=30) as connection, moved as moving:
        connection.sendall(b"INCR counter\r\n")
        assert connection.recv(16) == b":1\r\n"
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        moving.send(signal.SIGINT)
        assert moving.until("ended", time.monotonic() + 120)
        assert moving.said[-1]["outcome"] == "RolledBackError", moving.error
        connection.sendall(b"INCR counter\r\n")
        assert connection.recv(16) == b":2\r\n"
    assert redis.host is hosts.h1
    assert redis.is_whole()
    assert snapshot(hosts.h2) == before
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


def test_a_target_that_has_taken_over_goes_forward_by_itself(hosts: Hosts, address: str, tmp_path: Path) -> None:
    redis = run_redis(hosts, MEGABYTES, address=address)
    with Writer(address) as writer, coordinator(hosts, str(tmp_path / "state"), "completed", "restore") as moving:
        writer.reach(500)
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        moving.send(signal.SIGKILL)
        wait_for(lambda: policy(hosts.h2) == "always", 60)
        writer.reach(writer.commands + 500)
        elsewhere = ("--state-dir", str(tmp_path / "elsewhere"))
        ends = ("--host", hosts.address(hosts.h1), "--host", hosts.address(hosts.h2))
        ended = hosts.transship(*elsewhere, "recover", "--yes", *ends)
        assert ended.code == 0, ended.err
        writer.reach(writer.commands + 500)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h2
    assert redis.is_whole()
    assert policy(hosts.h2, "cache-sandbox") == "always"
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


def test_a_restore_comes_to_its_end_whoever_is_killed_meanwhile(hosts: Hosts, address: str, tmp_path: Path) -> None:
    redis = run_redis(hosts, MEGABYTES, address=address)
    begun = ["sh", "-c", "ls /run/transship-live/*/work/restore.log"]
    with Writer(address) as writer, coordinator(hosts, str(tmp_path / "state"), "started", "restore") as moving:
        writer.reach(500)
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        moving.go()
        wait_for(lambda: hosts.h2.run(begun).status == 0)
        moving.send(signal.SIGKILL)
        wait_for(lambda: policy(hosts.h2) == "always", 60)
        writer.reach(writer.commands + 500)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h2
    ended = hosts.transship("--state-dir", str(tmp_path / "state"), "recover", "--yes")
    assert ended.code == 0, ended.err
    assert redis.is_whole()
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


def test_who_slept_finds_that_the_source_goes_on_and_lets_it(hosts: Hosts, address: str, tmp_path: Path) -> None:
    before = snapshot(hosts.h2)
    redis = run_redis(hosts, MEGABYTES, address=address)
    with Writer(address) as writer, coordinator(hosts, str(tmp_path / "state"), "started", "memory") as moving:
        writer.reach(500)
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        moving.send(signal.SIGSTOP)
        writer.reach(writer.commands + 500)
        moving.send(signal.SIGCONT)
        moving.go()
        assert moving.until("ended", time.monotonic() + 90)
        assert moving.said[-1]["outcome"] == "RolledBackError", moving.error
        writer.reach(writer.commands + 500)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h1
    assert snapshot(hosts.h2) == before
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


def test_what_was_handed_over_and_not_taken_is_thawed_by_recover(hosts: Hosts, address: str, tmp_path: Path) -> None:
    redis = run_redis(hosts, MEGABYTES, address=address)
    with Writer(address) as writer, coordinator(hosts, str(tmp_path / "state"), "started", "restore") as moving:
        writer.reach(500)
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        moving.send(signal.SIGKILL)
        elsewhere = ("--state-dir", str(tmp_path / "elsewhere"))
        ends = ("--host", hosts.address(hosts.h1), "--host", hosts.address(hosts.h2))

        def recovered() -> bool:
            return hosts.transship(*elsewhere, "recover", "--yes", *ends).code == 0 and runs(hosts.h1)

        wait_for(recovered, 90)
        writer.reach(writer.commands + 500)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h1
    assert redis.is_whole()
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


def test_memory_that_stops_following_leaves_the_choice_to_the_user(
    hosts: Hosts, address: str, tmp_path: Path, large_pipes: None
) -> None:
    redis = run_redis(hosts, 64, address=address)
    hosts.h2.set_rate("20mbit")
    options = {"post_copy": True}
    with coordinator(hosts, str(tmp_path / "state"), "started", "pages", **options) as moving:
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        moving.send(signal.SIGKILL)
    hosts.h2.set_rate(None)
    wait_for(lambda: not runs(hosts.h2), 60)
    ends = ("--host", hosts.address(hosts.h1), "--host", hosts.address(hosts.h2))
    words = ("--state-dir", str(tmp_path / "state"), "recover", "--yes")

    said: list[str] = []

    def asked() -> bool:
        said.append(hosts.transship(*words, *ends).err)
        return "before all of its memory had come" in said[-1]

    wait_for(asked, 180, said)
    kept = hosts.transship(*words, "--keep", "source", *ends)
    assert kept.code == 0, kept.err
    assert redis.host is hosts.h1
    assert redis.is_whole()
    assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""


def test_connections_that_cannot_go_on_are_closed_and_the_port_is_open_there(hosts: Hosts) -> None:
    redis = run_redis(hosts, 1, "-p", "6379:6379")
    with socket.create_connection((hosts.h1.address, 6379), timeout=30) as connection:
        connection.sendall(b"INCR counter\r\n")
        assert connection.recv(16) == b":1\r\n"
        moved = hosts.move("cache", *LIVE, "--probe", "tcp:6379")
        assert moved.code == 0, moved.err
        assert connection.recv(16) == b""
    with socket.create_connection((hosts.h2.address, 6379), timeout=30) as connection:
        connection.sendall(b"INCR counter\r\n")
        assert connection.recv(16) == b":2\r\n"
    assert redis.host is hosts.h2
    assert redis.is_whole()
    codes = [each["code"] for each in moved.result["findings"] if each["severity"] == "warning"]
    assert codes == ["connections-end"]


def test_what_was_moved_is_moved_again(hosts: Hosts, address: str, tmp_path: Path) -> None:
    network = ("--network", NETWORK, "--ip", address, "--network-alias", "db", "--hostname", "chest")
    redis = run_redis(hosts, MEGABYTES, *network, address=address)
    removing = ("--source", "remove", "--replace-data")
    with Writer(address) as writer:
        writer.reach(200)
        for _ in range(TIMES):
            for back in (False, True):
                moved = hosts.move("cache", *LIVE, *removing, back=back)
                assert moved.code == 0, moved.err
                writer.reach(writer.commands + 200)
        moved = hosts.move("cache", *LIVE, "--replace-data")
        assert moved.code == 0, moved.err
        writer.reach(writer.commands + 200)
        writer.stop()
    assert writer.failure == ""
    assert redis.host is hosts.h2
    assert redis.is_whole()
    assert names(hosts.h2) == {"cache", "cache-sandbox"}  # what had been there has gone with the move back

    # By the way of all others, its sandbox stops and comes back with it.
    options = {"strategy": "sync", "replace_data": True}
    with coordinator(hosts, str(tmp_path / "state"), "completed", "stop", back=True, **options) as moving:
        assert moving.until_waiting(time.monotonic() + 120), moving.error
        assert not runs(hosts.h2, "cache-sandbox")
        moving.send(signal.SIGKILL)
        wait_for(lambda: runs(hosts.h2) and policy(hosts.h2) == policy(hosts.h2, "cache-sandbox") == "always", 60)
    ended = hosts.transship("--state-dir", str(tmp_path / "state"), "recover", "--yes")
    assert ended.code == 0, ended.err
    wait_for(lambda: Probe("tcp", 6379).answers(address), 60)

    # What it was before it was moved live is exactly what it becomes again: the old copy takes over.
    returned = hosts.transship("switch-back", moved.result["migration"], "--yes", "--json")
    assert returned.code == 0, returned.err
    assert "spec" in returned.result["verified"]
    assert hosts.h1.docker.inspect_container("cache")["HostConfig"]["NetworkMode"] == NETWORK
    assert not runs(hosts.h2, "cache-sandbox")


def names(node: Node) -> set[str]:
    """Those of all containers of a host."""
    return {name.removeprefix("/") for each in node.docker.containers(all=True) for name in each["Names"]}


def test_what_was_moved_is_used_like_any_other_container_and_becomes_one(hosts: Hosts) -> None:
    health = ("--health-cmd", "test ! -e /srv/broken", "--health-interval", "1s", "--health-retries", "1")
    hosts.h1.output(["docker", "network", "create", "backend"])
    redis = run_redis(hosts, 1, "-p", "6379:6379", "--network", "backend", "--hostname", "chest", *health)
    moved = hosts.move("cache", *LIVE)
    assert moved.code == 0, moved.err
    host = hosts.h2

    def docker(*words: str) -> str:
        return host.output(["docker", *words])

    def answers() -> bool:
        return Probe("tcp", 6379).answers(host.address) and runs(host)

    def is_healthy() -> bool:
        return bool(host.docker.inspect_container("cache")["State"]["Health"]["Status"] == "healthy")

    wait_for(is_healthy, 60)
    docker("exec", "cache", "redis-cli", "save")
    wait_for(lambda: "DB saved on disk" in docker("logs", "cache"), 60)
    assert docker("exec", "cache", "hostname") == "chest\n"
    found = docker("run", "--rm", "--network", "backend", "--entrypoint", "getent", "redis", "hosts", "cache")
    assert found.split()[1] == "cache"

    docker("stop", "cache")
    assert not runs(host)
    docker("start", "cache")
    wait_for(answers, 60)
    docker("restart", "cache")
    wait_for(answers, 60)
    begun = host.docker.inspect_container("cache")["RestartCount"]
    host.run(["docker", "exec", "cache", "redis-cli", "shutdown", "nosave"])
    wait_for(lambda: host.docker.inspect_container("cache")["RestartCount"] > begun and answers(), 60)
    for again in (restart_docker, boot):
        again(host)
        wait_for(answers, 90)
    wait_for(is_healthy, 60)

    # What Docker does where it starts the container before its network, which is left to chance.
    docker("stop", "cache", "cache-sandbox")
    assert host.run(["docker", "start", "cache"]).status
    docker("start", "cache-sandbox")
    wait_for(answers, 60)

    settle = ("settle", "cache", "--host", hosts.address(host), "--json")
    assert hosts.transship("settle", "cache-sandbox", *settle[2:]).code == 3
    docker("exec", "cache", "touch", "/srv/broken")
    failed = hosts.transship(*settle)
    assert failed.code == 4, failed.err
    assert names(host) == {"cache", "cache-sandbox"}
    assert policy(host) == policy(host, "cache-sandbox") == "always"
    wait_for(answers, 60)
    docker("exec", "cache", "rm", "/srv/broken")
    settled = hosts.transship(*settle)
    assert settled.code == 0, settled.err
    assert "spec" in settled.result["verified"]
    assert names(host) == {"cache"}
    assert policy(host) == "always"
    inspected = host.docker.inspect_container("cache")
    assert (inspected["HostConfig"]["NetworkMode"], inspected["Config"]["Hostname"]) == ("backend", "chest")
    wait_for(answers, 60)
    assert redis.is_whole()
    assert "nothing to settle" in hosts.transship(*settle).result["error"]


def restart_docker(host: Node) -> None:
    host.stop_dockerd()
    host.start_dockerd()


def boot(host: Node) -> None:
    host.kill()
    host.boot()
