"""Mounted files and folders, frozen sources, and the direct way from one host to the other."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeLab
from tests.custody import moving
from tests.move.conftest import PORT, WRITES, Ended, Hosts, count, run_web, snapshot, wait_for
from tests.move.test_errors import assert_refused, assert_restored
from transship.hosts.agent import start_agent
from transship.hosts.open import open_host
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node
from transship.lifecycle import Fence, FreezeSource
from transship.metrics.downtime import Probe
from transship.plan.steps import Move
from transship.transfer.frozen import KillSource
from transship.transfer.relay import AgentPair

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("user", ["root", "mover"])
def test_a_frozen_source_loses_nothing_and_never_runs_again(hosts: Hosts, user: str) -> None:
    """It would take ten seconds to stop."""
    deaf = WRITES.replace("'exit 0'", "''")
    run = ["docker", "run", "-d", "--name", "web", "--restart", "always", "-p", f"{PORT}:80", "busybox", "sh", "-c"]
    hosts.h1.output([*run, f"mkdir -p /www; {deaf}"])
    wait_for(lambda: Probe("http", PORT, "/count").answers(hosts.h1.address))

    moved = hosts.move("web", "--freeze", "--probe", f"http:{PORT}/count", "--json", user=user)

    assert moved.code == 0, moved.err
    assert moved.result["strategy"] == "sync"
    assert moved.result["downtime_s"] < 8, "it waited for the grace period"
    source = moved.result["source"]["container_id"]
    hosts.h1.output(["docker", "cp", f"{source}:/www/count", "/run/count"])
    assert count(hosts.h2) >= int(hosts.h1.output(["cat", "/run/count"]))
    ended = hosts.h1.docker.inspect_container(source)
    assert (ended["State"]["Status"], ended["State"]["ExitCode"]) == ("exited", 137)
    assert ended["HostConfig"]["RestartPolicy"]["Name"] == "no"


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


def test_mounts_of_all_kinds_arrive_once_and_as_they_were(hosts: Hosts) -> None:
    hosts.h1.output(["sh", "-c", MOUNTED])
    nested = ("-v", "/srv/here:/www", "-v", "/srv/here/inside:/inside")
    others = ("-v", "/srv/current:/etc/app.conf", "-v", "data:/v")
    structured = ("--mount", "type=bind,src=/opt/made/deep,dst=/deep", "--mount", "type=bind,src=/opt/one,dst=/one")
    run_web(hosts.h1, options=(*nested, *others, *structured))
    volume = hosts.h1.docker.inspect_volume("data")["Mountpoint"]
    hosts.h1.output(["sh", "-c", f"mkdir {volume}/sub; echo kept > {volume}/sub/file"])
    hosts.h2.output(["sh", "-c", "mkdir -p /srv; echo theirs > /srv/other; chmod 700 /srv; touch -d 2001-01-01 /srv"])
    before = hosts.h2.output(["stat", "-c", "%a %Y", "/srv"])
    try:
        moved = hosts.move("web", "--binds", "copy", "--yes", "--verify", "full", "--json")
        assert moved.code == 0, moved.err
        names = {each["tree"] for each in moved.result["rounds"]}
        assert names == {"the writable layer", "volume data", *(f"bind {path}" for path in ALONE)}
        shown = ["sh", "-c", "cd /; cat inside/a etc/app.conf one v/sub/file; stat -c '%a %u' deep etc/app.conf"]
        assert hosts.h2.output(["docker", "exec", "web", *shown]) == "inner\nset\n1\nkept\n2750 7\n640 0\n"
        assert hosts.h2.output(["sh", "-c", "ls /srv; cat /srv/other"]) == "current\nhere\nother\ntheirs\n"
        assert hosts.h2.output(["stat", "-c", "%F", "/srv/current"]) == "regular file\n"
        assert hosts.h2.output(["stat", "-c", "%a %u", "/opt/made"]) == "755 0\n"
        assert hosts.h2.output(["stat", "-c", "%a", "/srv"]).split() == before.split()[:1]
    finally:
        for node in (hosts.h1, hosts.h2):
            node.output(["sh", "-c", "docker rm -f $(docker ps -aq); rm -rf /srv/* /opt/made /opt/one; chmod 755 /srv"])


MOUNTED = """
mkdir -p /srv/here/inside /opt/made/deep; echo inner > /srv/here/inside/a; echo set > /srv/v3; chmod 640 /srv/v3
ln -s v3 /srv/current; echo 1 > /opt/one; chown 7 /opt/made/deep; chmod 2750 /opt/made/deep
"""
ALONE = ("/srv/here", "/srv/current", "/opt/made/deep", "/opt/one")


def test_an_undo_leaves_exactly_what_was_there(hosts: Hosts) -> None:
    hosts.h1.output(["sh", "-c", MOUNTED])
    run_web(hosts.h1, options=("-v", "/srv/here:/www", "-v", "/srv/v3:/etc/app.conf", "-v", "/opt/made/deep:/deep"))
    hosts.h2.output(["sh", "-c", "mkdir -p /srv/here; chown 9 /srv/here; chmod 1711 /srv/here; mkdir -p /opt/made"])
    seen = ["sh", "-c", "find /srv /opt -printf '%p %y %m %U\\n' | sort"]
    before, there = snapshot(hosts.h2), hosts.h2.output(seen)
    try:
        refused = hosts.move("web", "--binds", "copy", "--probe", "tcp:9", "--health-timeout", "300ms", "--yes")
        assert_refused(refused, "tcp:9 did not answer", code=4)
        assert hosts.h2.output(seen) == there
        assert_restored(hosts, before)
    finally:
        for node in (hosts.h1, hosts.h2):
            node.output(["sh", "-c", "docker rm -f $(docker ps -aq); rm -rf /srv/* /opt/made /opt/one"])


def test_what_is_no_folder_and_no_file_or_leads_elsewhere_is_not_copied(hosts: Hosts) -> None:
    hosts.h1.output(["sh", "-c", f"{MOUNTED} mkdir -p /srv/a /srv/b; ln -s ../b /srv/a/out; mkfifo /srv/fifo"])
    try:
        for mounts, said, code in (
            (("/srv/a:/a", "/srv/a/out:/b"), "on one host and beside it on the other", 4),
            (("/srv/fifo:/fifo",), "neither a folder nor a file", 3),
        ):
            words = [word for mount in mounts for word in ("-v", mount)]
            run_web(hosts.h1, options=tuple(words))
            before = snapshot(hosts.h2)
            assert_refused(hosts.move("web", "--binds", "copy", "--yes"), said, code=code)
            assert_restored(hosts, before)
            assert hosts.h2.output(["ls", "/srv"]) == ""
            hosts.h1.output(["docker", "rm", "-f", "web"])
        run_web(hosts.h1, options=("-v", "/etc:/host:ro"))
        assert_refused(hosts.move("web", "--binds", "copy", "--yes"), "its own system")
    finally:
        hosts.h1.output(["sh", "-c", "docker rm -f $(docker ps -aq); rm -rf /srv/* /opt/made /opt/one"])


@pytest.fixture
def agent(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """An ssh-agent of the test's own, which every ssh of this test asks; what is given empties it."""
    said = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True).stdout
    told = dict(re.findall(r"(SSH_\w+)=([^;]+);", said))
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", told["SSH_AUTH_SOCK"])
        (key,) = set(re.findall(r"IdentityFile (\S+)", hosts.lab.ssh_config.read_text()))
        subprocess.run(["ssh-add", "-q", key], check=True)
        yield lambda: subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True).check_returncode()
    finally:
        os.kill(int(told["SSH_AGENT_PID"]), signal.SIGTERM)


@pytest.fixture
def through_agent(
    agent: Callable[[], None], other_ssh_config: Callable[[str, str], Path], hosts: Hosts
) -> Callable[..., Ended]:
    """Moves `web` on a way that is given, with a configuration that lets ssh ask the agent."""
    config = other_ssh_config("    IdentityAgent none\n", "")

    def move(path: str, *words: str, user: str = "root") -> Ended:
        ends = ("--from", hosts.address(hosts.h1, user), "--to", hosts.address(hosts.h2, user))
        return hosts.transship("--ssh-config", str(config), "move", "web", *ends, "--path", path, *words)

    return move


@pytest.mark.parametrize("user", ["root", "admin"])
def test_the_data_goes_straight_from_host_to_host(hosts: Hosts, through_agent: Callable[..., Ended], user: str) -> None:
    for node in (hosts.h1, hosts.h2):
        node.output(["usermod", "-aG", "docker", "admin"])
    run_web(hosts.h1, options=("-v", "data:/data"))
    hosts.h1.output(["docker", "exec", "web", "sh", "-c", "head -c 5000000 /dev/urandom > /data/big"])
    digest = ["sha256sum", f"{hosts.h1.docker.inspect_volume('data')['Mountpoint']}/big"]
    wanted = hosts.h1.output(digest)
    moved = through_agent("direct", "--verify", "full", "--probe", f"http:{PORT}/count", "--json", user=user)
    assert moved.code == 0, moved.err
    assert moved.result["path"] == "direct"
    assert moved.result["bytes"]["volumes"]["wire"] > 5_000_000
    assert "volume data (full)" in moved.result["verified"]
    assert hosts.h2.output(digest) == wanted
    assert hosts.h1.run(["ls", "/root/.ssh/known_hosts"]).status != 0, "the source took a note of the target's key"


def test_without_a_key_in_the_agent_it_is_said_or_the_relay_serves(
    hosts: Hosts, through_agent: Callable[..., Ended], agent: Callable[[], None]
) -> None:
    run_web(hosts.h1, options=("-v", "data:/data"))
    agent()
    before = snapshot(hosts.h2)
    refused = through_agent("direct")
    sentence = f"{hosts.address(hosts.h2)} from {hosts.address(hosts.h1)}: the login was refused"
    assert_refused(refused, sentence, code=4)
    assert_restored(hosts, before)
    moved = through_agent("auto", "--json")
    assert moved.code == 0, moved.err
    assert sentence in moved.result["path"]


def test_the_source_believes_only_the_keys_that_are_known_here(
    hosts: Hosts, through_agent: Callable[..., Ended]
) -> None:
    """The target's key is another one by the time that the source logs in."""
    run_web(hosts.h1, options=("-v", "data:/data"))
    address = hosts.h2.address
    hosts.h1.output(["iptables", "-t", "nat", "-I", "OUTPUT", "-p", "tcp", "-d", address, "--dport", "22",
                     "-j", "DNAT", "--to-destination", f"{hosts.h1.address}:22"])  # fmt: skip
    try:
        before = snapshot(hosts.h2)
        refused = through_agent("direct")
        assert_refused(refused, "the host's key is not the one that is known", code=4)
        assert_restored(hosts, before)
    finally:
        hosts.h1.output(["iptables", "-t", "nat", "-D", "OUTPUT", "1"])


def test_a_frozen_source_does_not_come_back_with_its_host(one_host: Lab) -> None:
    """The host loses its power between the freeze and the kill."""
    (node,) = one_host.nodes
    one_host.load(node, "busybox")
    container = run_web(node)
    address = f"ssh://{node.ssh_alias}"
    with open_host(address, ssh_config=one_host.ssh_config) as host:
        move = moving(host, host)
        Fence(container, "web", running=True, restart_policy={"Name": "always"}).run(move)
        FreezeSource(container).run(move)
    node.kill()
    node.boot()
    with open_host(address, ssh_config=one_host.ssh_config) as host:
        assert not host.docker.inspect_container(container)["State"]["Running"]
        KillSource(container).run(moving(host, host))
        assert host.docker.inspect_container(container)["State"]["Status"] == "exited"


RUNNING = ["pgrep", "-f", "transship_agent"]
"""Succeeds where an agent runs."""


def test_ctrl_c_ends_both_agents_on_the_direct_path(
    hosts: Hosts, agent: Callable[[], None], other_ssh_config: Callable[[str, str], Path]
) -> None:
    hosts.lab.load(hosts.h2, "busybox")
    run_web(hosts.h1, options=("-v", "data:/data"))
    hosts.h1.output(["docker", "exec", "web", "sh", "-c", "head -c 6000000 /dev/urandom > /data/big"])
    before = snapshot(hosts.h2)
    config = other_ssh_config("    IdentityAgent none\n", "")
    words = ("move", "web", "--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2), "--path", "direct")
    with hosts.start("--ssh-config", str(config), *words, "--limit-rate", "500kB/s") as process:
        assert process.stderr is not None
        while "round-1" not in (line := process.stderr.readline()):
            assert line, "the command ended before the first round"
        assert [node.run(RUNNING).status for node in (hosts.h1, hosts.h2)] == [0, 0]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert_restored(hosts, before)
    wait_for(lambda: [node.run(RUNNING).status for node in (hosts.h1, hosts.h2)] == [1, 1])


def test_no_process_of_a_frozen_source_runs_once_more(make_lab: MakeLab) -> None:
    """Docker alone kills the first process and thaws the rest, which then runs for a moment."""
    lab = make_lab(LabOptions(hosts=(HostOptions(cgroup="v1"), HostOptions(cgroup="v2"))))
    for node in lab.nodes:
        lab.load(node, "busybox")
        with (
            open_host(f"ssh://{node.ssh_alias}", ssh_config=lab.ssh_config) as host,
            start_agent(host, "root") as agent,
        ):
            move = moving(host, host)
            move.work.agents = AgentPair(agent, agent)
            for number in range(5):
                freeze_and_kill(node, move, number)


def freeze_and_kill(node: Node, move: Move, number: int) -> None:
    """Its second process writes without a pause."""
    volume = f"data{number}"
    writes = "(i=0; while :; do i=$((i+1)); echo $i > /data/n; done) & while :; do :; done"
    run = ["docker", "run", "-d", "-v", f"{volume}:/data", "busybox", "sh", "-c", writes]
    container = node.output(run).strip()
    written = ["stat", "-c", "%y %s", f"{node.docker.inspect_volume(volume)['Mountpoint']}/n"]
    wait_for(lambda: node.run(written).status == 0)
    FreezeSource(container).run(move)
    then = node.output(written)
    KillSource(container).run(move)
    assert node.output(written) == then, f"it ran again, at try {number}"
    assert node.docker.inspect_container(container)["State"]["ExitCode"] == 137
