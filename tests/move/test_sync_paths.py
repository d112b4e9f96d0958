"""Mounted files and folders, frozen sources, and the direct way from one host to the other."""

import pytest

from tests.move.conftest import Hosts, count, run_web, snapshot, wait_for
from tests.move.test_errors import assert_refused, assert_restored

pytestmark = pytest.mark.lab

ENDS_AT_ONCE = "exec sleep 1d"


def test_a_frozen_source_loses_nothing_and_never_runs_again(hosts: Hosts) -> None:
    """Redis writes each answer down before it gives it, and this one would take for ever to stop."""
    hosts.lab.load(hosts.h1, "redis")
    serve = "trap '' TERM; redis-server --appendonly yes --appendfsync always --save ''"
    run = [
        "docker",
        "run",
        "-d",
        "--name",
        "redis",
        "--restart",
        "always",
        "-p",
        "6379:6379",
        "redis",
        "sh",
        "-c",
        serve,
    ]
    hosts.h1.output(run)
    cli = ["docker", "exec", "redis", "redis-cli"]
    wait_for(lambda: hosts.h1.run([*cli, "ping"]).status == 0)
    for _ in range(20):
        written = int(hosts.h1.output([*cli, "incr", "n"]))

    moved = hosts.move("redis", "--freeze", "--probe", "tcp:6379", "--json")

    assert moved.code == 0, moved.err
    assert moved.result["downtime_s"] < 8, "it waited for the grace period"
    assert int(hosts.h2.output([*cli, "get", "n"])) == written
    ended = hosts.h1.docker.inspect_container(moved.result["source"]["container_id"])
    assert (ended["State"]["Status"], ended["State"]["ExitCode"]) == ("exited", 137)
    assert ended["HostConfig"]["RestartPolicy"]["Name"] == "no"
    check = ["docker", "exec", "redis", "sh", "-c", "redis-check-aof /data/appendonlydir/*.manifest"]
    assert "is valid" in hosts.h2.output(check)


def test_a_frozen_source_goes_on_when_the_target_does_not_serve(hosts: Hosts) -> None:
    run_web(hosts.h1)
    before = snapshot(hosts.h2)
    counted = count(hosts.h1)
    refused = hosts.move("web", "--freeze", "--probe", "tcp:9", "--health-timeout", "300ms")
    assert_refused(refused, "tcp:9 did not answer", code=4)
    assert_restored(hosts, before)
    started = hosts.h1.docker.inspect_container("web")["State"]
    assert not started["Paused"]
    wait_for(lambda: count(hosts.h1) > counted)
    assert hosts.h1.output(["docker", "inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "web"]) == "always\n"
