"""What becomes of a move whose coordinator is killed, and what one command makes of it, here or on another machine."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.move.conftest import PORT, WRITES, Ended, Hosts, run_web, snapshot, wait_for
from transship.lab.node import Node
from transship.metrics.downtime import Probe

pytestmark = pytest.mark.lab

DATA = "/var/lib/docker/volumes/data/_data"
GOAL_S = 10.0
"""Within this time a source serves again whose coordinator was killed."""


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[str, str]:
    """Words that make the command another machine: it has never heard of any migration."""
    return "--state-dir", str(tmp_path / "elsewhere")


def run_store(node: Node, *, grace: str = "trap 'touch /data/told; sleep 1; exit 0' TERM") -> None:
    """A container with a volume, which takes a second to stop."""
    writes = WRITES.replace("trap 'exit 0' TERM", grace).replace("/www", "/data")
    words = ("docker", "run", "-d", "--name", "web", "-p", f"{PORT}:80", "--restart", "always", "-v", "data:/data")
    node.output([*words, "--stop-timeout", "20", "busybox", "sh", "-c", writes])
    node.output(["docker", "exec", "web", "sh", "-c", "head -c 3000000 /dev/urandom > /data/big"])
    wait_for(lambda: Probe("http", PORT, "/count").answers(node.address))


def killed_at(hosts: Hosts, phase: str, *words: str, when: Callable[[], bool] = lambda: True) -> None:
    """Begin a move, and kill it without warning when a phase has begun, and `when` something is so."""
    ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
    with hosts.start("move", "web", *ends, "--yes", *words) as process:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).strip().startswith(phase):
            assert line, f"the move ended before {phase}"
        wait_for(when)
        process.send_signal(signal.SIGKILL)
        process.communicate()


def running(node: Node) -> list[str]:
    return [each["Names"][0][1:] for each in node.docker.containers()]


def started(node: Node) -> str:
    return str(node.docker.inspect_container("web")["State"]["StartedAt"])


def policy(node: Node, name: str = "web") -> str:
    return str(node.docker.inspect_container(name)["HostConfig"]["RestartPolicy"]["Name"])


def hosts_of(hosts: Hosts) -> tuple[str, ...]:
    return "--host", hosts.address(hosts.h1), "--host", hosts.address(hosts.h2)


def test_a_source_that_was_told_to_stop_comes_back_by_itself(hosts: Hosts, elsewhere: tuple[str, str]) -> None:
    hosts.lab.load(hosts.h2, "busybox")
    before = snapshot(hosts.h2)
    run_store(hosts.h1)
    first = started(hosts.h1)
    told_to = f"{DATA}/told"
    killed_at(hosts, "stop", when=lambda: hosts.h1.run(["test", "-e", told_to]).status == 0)
    began = time.monotonic()
    wait_for(lambda: started(hosts.h1) != first)
    wait_for(lambda: running(hosts.h1) == ["web"] and Probe("http", PORT, "/count").answers(hosts.h1.address))
    assert time.monotonic() - began < GOAL_S
    wait_for(lambda: policy(hosts.h1) == "always")
    assert running(hosts.h2) == []

    told = hosts.transship(*elsewhere, "status", *hosts_of(hosts))
    assert told.code == 0, told.err
    assert "web runs on" in told.out
    assert "remove from" in told.out
    said = hosts.transship(*elsewhere, "recover", "--yes", "--json", *hosts_of(hosts))
    assert said.code == 0, said.err
    (did,) = said.result["migrations"]
    assert did["did"]["kind"] == "clean-up"
    assert snapshot(hosts.h2) == before
    assert running(hosts.h1) == ["web"]
    assert hosts.transship(*elsewhere, "recover", "--yes", "--json", *hosts_of(hosts)).result["migrations"] == []
    assert "nothing is under way" in hosts.transship(*elsewhere, "status", *hosts_of(hosts)).out
    here = hosts.transship("recover", "--yes", "--json")
    assert here.code == 0, here.err
    assert hosts.transship("status", "--json").result["migrations"] == []


def test_a_target_that_has_taken_over_goes_forward_by_itself(hosts: Hosts, elsewhere: tuple[str, str]) -> None:
    run_store(hosts.h1)
    killed_at(hosts, "healthy", "--probe", "tcp:1")  # which nobody answers: it waits there
    wait_for(lambda: running(hosts.h2) == ["web"] and policy(hosts.h2) == "always")
    wait_for(lambda: any(".moved-to." in each["Names"][0] for each in hosts.h1.docker.containers(all=True)))
    assert running(hosts.h1) == []
    counted = count_in(hosts.h2)
    said = hosts.transship(*elsewhere, "recover", "--yes", "--json", *hosts_of(hosts))
    assert said.code == 0, said.err
    (did,) = said.result["migrations"]
    assert did["did"]["kind"] == "finish"
    assert running(hosts.h2) == ["web"]
    assert count_in(hosts.h2) >= counted
    assert hosts.transship(*elsewhere, "status", *hosts_of(hosts), "--json").result["migrations"] == []


def asleep_at(hosts: Hosts, phase: str, *words: str, when: Callable[[], bool], until: Callable[[], bool]) -> Ended:
    """A move whose process sleeps from a phase on, when something is so, until something else is."""
    ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
    with hosts.start("move", "web", *ends, "--yes", *words) as process:
        assert process.stderr is not None
        while not (line := process.stderr.readline()).strip().startswith(phase):
            assert line, f"the move ended before {phase}"
        wait_for(when)
        process.send_signal(signal.SIGSTOP)
        try:
            wait_for(until)
        finally:
            process.send_signal(signal.SIGCONT)
        out, err = process.communicate()
        return Ended(process.returncode, out, err)


def test_who_slept_while_the_target_served_does_not_throw_away_what_it_has_written(hosts: Hosts) -> None:
    run_store(hosts.h1)
    woken = asleep_at(
        hosts,
        "healthy",
        *("--probe", "tcp:1", "--health-timeout", "5s"),
        when=lambda: running(hosts.h2) == ["web"],
        until=lambda: any(".moved-to." in each["Names"][0] for each in hosts.h1.docker.containers(all=True)),
    )
    assert woken.code == 6, woken.err
    assert "serves by itself" in woken.err
    assert (running(hosts.h1), running(hosts.h2)) == ([], ["web"])
    counted = count_in(hosts.h2)
    assert hosts.transship("recover", "--yes").code == 0
    assert (running(hosts.h1), running(hosts.h2)) == ([], ["web"])
    assert count_in(hosts.h2) >= counted


def test_who_slept_while_the_source_came_back_leaves_it_running(hosts: Hosts) -> None:
    before = snapshot(hosts.h2)
    run_store(hosts.h1)
    first = started(hosts.h1)
    woken = asleep_at(
        hosts,
        "stop",
        when=lambda: hosts.h1.run(["test", "-e", f"{DATA}/told"]).status == 0,
        until=lambda: started(hosts.h1) != first and policy(hosts.h1) == "always",
    )
    assert woken.code == 4, woken.err
    assert (running(hosts.h1), policy(hosts.h1)) == (["web"], "always")
    assert snapshot(hosts.h2) == before
    assert hosts.transship("status", "--json").result["migrations"] == []


def count_in(node: Node) -> int:
    return int(node.output(["docker", "exec", "web", "cat", "/data/count"]))


def test_a_move_that_was_cut_off_goes_on_from_what_has_arrived(hosts: Hosts) -> None:
    run_store(hosts.h1)
    more = "for i in 1 2 3 4; do head -c 2000000 /dev/urandom > /data/$i; done"
    hosts.h1.output(["docker", "exec", "web", "sh", "-c", more])
    ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
    with hosts.start("move", "web", *ends, "--yes", "--limit-rate", "2MB/s") as process:
        wait_for(lambda: hosts.h2.run(["test", "-s", f"{DATA}/3"]).status == 0)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert running(hosts.h1) == ["web"]
    other = hosts.move("web", "--strategy", "stop-start", "--without-volumes", "--yes")
    assert other.code == 3
    assert "is under way, or was cut off" in other.err
    again = hosts.move("web", "--yes", "--json", "--verify", "full")
    assert again.code == 0, again.err
    volumes = again.result["bytes"]["volumes"]
    assert volumes["wire"] < 8_000_000, "what had arrived was sent again"
    assert running(hosts.h2) == ["web"]
    (entry,) = hosts.transship("history", "--json").result["migrations"]
    assert entry["outcome"] == "moved"


def test_a_move_that_was_cut_off_is_taken_back(hosts: Hosts) -> None:
    before = snapshot(hosts.h2)
    run_store(hosts.h1)
    killed_at(hosts, "round-1", "--limit-rate", "500kB/s")
    (entry,) = hosts.transship("status", "--json").result["migrations"]
    done = hosts.transship("abort", entry["migration"][:5], "--yes")
    assert done.code == 0, done.err
    assert snapshot(hosts.h2) == before
    assert running(hosts.h1) == ["web"]
    assert policy(hosts.h1) == "always"
    assert hosts.move("web", "--yes").code == 0


def test_a_container_returns_to_the_copy_that_it_left(hosts: Hosts) -> None:
    run_store(hosts.h1)
    hosts.h1.output(["docker", "exec", "web", "sh", "-c", "head -c 4000000 /dev/urandom > /kept"])
    moved = hosts.move("web", "--yes", "--json")
    assert moved.code == 0, moved.err
    hosts.h2.output(["docker", "exec", "web", "sh", "-c", "echo new > /data/new; echo new > /new; rm /data/big"])
    counted = count_in(hosts.h2)

    back = hosts.transship("switch-back", moved.result["migration"], "--yes", "--json", "--verify", "full")
    assert back.code == 0, back.err
    assert running(hosts.h1) == ["web"]
    assert running(hosts.h2) == []
    assert hosts.h1.output(["docker", "exec", "web", "cat", "/data/new", "/new"]) == "new\nnew\n"
    assert hosts.h1.run(["docker", "exec", "web", "ls", "/data/big"]).status != 0
    assert count_in(hosts.h1) >= counted
    assert policy(hosts.h1) == "always"
    sent = sum(each["wire"] for each in back.result["bytes"].values())
    assert sent < 1_000_000, "what had not changed was sent"

    again = hosts.transship("switch-back", back.result["migration"], "--yes", "--json")
    assert again.code == 0, again.err
    assert running(hosts.h2) == ["web"]
    assert len(hosts.transship("history", "--json").result["migrations"]) == 3


def test_a_return_that_fails_leaves_the_copy_as_it_was_called(hosts: Hosts) -> None:
    run_store(hosts.h1)
    moved = hosts.move("web", "--yes", "--json")
    retired = [each["Names"] for each in hosts.h1.docker.containers(all=True)]
    never = ("--probe", "tcp:1", "--health-timeout", "1s")
    back = hosts.transship("switch-back", moved.result["migration"], "--yes", *never)
    assert back.code == 4, back.err
    assert running(hosts.h2) == ["web"]
    assert policy(hosts.h2) == "always"
    assert [each["Names"] for each in hosts.h1.docker.containers(all=True)] == retired
    assert running(hosts.h1) == []


def test_whoever_starts_the_old_copy_is_told(hosts: Hosts) -> None:
    run_web(hosts.h1)
    killed_at(hosts, "healthy", "--probe", "tcp:1", "--strategy", "stop-start")
    wait_for(lambda: running(hosts.h2) == ["web"])
    (old,) = hosts.h1.docker.containers(all=True)
    wait_for(lambda: ".moved-to." in hosts.h1.docker.inspect_container(old["Id"])["Name"])
    hosts.h2.output(["docker", "stop", "-t", "0", "web"])
    hosts.h1.output(["docker", "start", old["Id"]])
    told = hosts.transship("status")
    assert "WARNING" in told.out
    refused = hosts.transship("recover", "--yes")
    assert refused.code == 6, refused.err
    assert "--keep source" in refused.err
    kept = hosts.transship("recover", "--yes", "--keep", "source")
    assert kept.code == 0, kept.err
    assert running(hosts.h1) == ["web"]
    assert running(hosts.h2) == []
