"""What can be wrong with a move: one clear sentence, the documented exit code, and a source that serves on."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import MakeLab
from tests.move.conftest import PORT, Ended, Hosts, run_web, serving, snapshot, wait_for
from transship import api
from transship.errors import RolledBackError
from transship.lab import HostOptions, LabOptions
from transship.metrics.events import Event
from transship.plan.options import MoveOptions, StrategyName

pytestmark = pytest.mark.lab


def assert_refused(ended: Ended, sentence: str, *, code: int = 3) -> None:
    assert ended.code == code, ended.err
    last = [line for line in ended.err.splitlines() if line.startswith("transship: ")]
    assert len(last) == 1, ended.err
    assert sentence in last[0]
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1].startswith("  "), "there is no hint"


@contextmanager
def untouched(hosts: Hosts):  # type: ignore[no-untyped-def]
    """The source serves all the time, and both hosts are afterwards as they were before."""
    before = snapshot(hosts.h1), snapshot(hosts.h2)
    with serving(hosts.h1) as prober:
        yield
    assert (snapshot(hosts.h1), snapshot(hosts.h2)) == before
    report = prober.report()
    assert report.outages == ()
    assert sum(report.answers.values()) > 0


def test_unknown_host(hosts: Hosts) -> None:
    run_web(hosts.h1)
    with untouched(hosts):
        ended = hosts.transship("move", "web", "--from", hosts.address(hosts.h1), "--to", "ssh://nobody.invalid")
        assert_refused(ended, "nobody.invalid")
        ended = hosts.transship("move", "web", "--from", hosts.address(hosts.h1), "--to", "no-such-context")
        assert_refused(ended, "no-such-context", code=2)


def test_host_key_mismatch(hosts: Hosts, other_ssh_config: Callable[[str, str], Path], tmp_path: Path) -> None:
    run_web(hosts.h1)
    known = tmp_path / "known_hosts"
    known.write_text(f"{hosts.h2.address} {(hosts.h1.root / 'etc/ssh/ssh_host_ed25519_key.pub').read_text()}")
    text = hosts.lab.ssh_config.read_text()
    (pinned,) = {line.split()[1] for line in text.splitlines() if line.split()[:1] == ["UserKnownHostsFile"]}
    config = other_ssh_config(pinned, str(known))
    ends = ("--from", hosts.address(hosts.h2), "--to", hosts.address(hosts.h2))
    with untouched(hosts):
        assert_refused(hosts.transship("--ssh-config", str(config), "move", "web", *ends), "key")


def test_no_permission_on_the_docker_socket(hosts: Hosts) -> None:
    run_web(hosts.h1)
    with untouched(hosts):
        assert_refused(hosts.move("web", user="guest"), "may not")


def test_docker_is_down_on_the_target(make_lab: MakeLab) -> None:
    mine = make_lab(LabOptions())
    mine.load(mine.hosts["h1"], "busybox")
    hosts = Hosts(mine, mine.hosts["h1"], mine.hosts["h2"])
    run_web(hosts.h1)
    hosts.h2.stop_dockerd()
    with serving(hosts.h1) as prober:
        assert_refused(hosts.move("web"), "Docker")
    assert prober.report().outages == ()


def test_no_such_container(hosts: Hosts) -> None:
    assert_refused(hosts.move("nothing"), "has no container 'nothing'")


@pytest.mark.parametrize("name", ["../etc", "web/../..", "a b", "-rm", "", "x" * 5000, "\x1b[31mred", "é"])
def test_names_that_no_container_has(hosts: Hosts, name: str) -> None:
    ended = hosts.transship("move", "--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2), "--", name)
    assert_refused(ended, "has no container")
    assert "\x1b" not in ended.err


def test_name_taken_on_the_target(hosts: Hosts) -> None:
    run_web(hosts.h1)
    hosts.lab.load(hosts.h2, "busybox")
    hosts.h2.output(["docker", "create", "--name", "web", "busybox", "true"])
    with untouched(hosts):
        assert_refused(hosts.move("web"), "has a container named web")
    assert hosts.move("web", "--name", "web2", "--yes").code == 0


def test_port_taken_on_the_target_by_a_container_or_a_program(hosts: Hosts) -> None:
    run_web(hosts.h1)
    hosts.lab.load(hosts.h2, "busybox")
    run_web(hosts.h2, "other")
    with untouched(hosts):
        assert_refused(
            hosts.move("web"), f"port {PORT}/tcp is taken on {hosts.address(hosts.h2)} by the container other"
        )
    hosts.h2.docker.remove_container("other", force=True)
    listener = "import socket; s=socket.create_server(('0.0.0.0', 8080)); print('up', flush=True); s.accept()"
    pid = hosts.h2.output(["sh", "-c", f'python3 -c "{listener}" >/run/up 2>&1 & echo $!']).strip()
    wait_for(lambda: "up" in hosts.h2.output(["cat", "/run/up"]))
    try:
        with untouched(hosts):
            assert_refused(hosts.move("web"), f"port {PORT}/tcp is taken on {hosts.address(hosts.h2)} by a program")
    finally:
        hosts.h2.run(["kill", pid])


def test_wrong_architecture(hosts: Hosts) -> None:
    hosts.lab.load(hosts.h1, "busybox-foreign")
    hosts.h1.output(["docker", "create", "--name", "foreign", "busybox-foreign", "true"])
    ended = hosts.move("foreign")
    assert_refused(ended, "the image of foreign is for linux/")


def test_rm_links_and_shared_networks_are_refused(hosts: Hosts) -> None:
    run_web(hosts.h1)
    hosts.h1.output(["docker", "run", "-d", "--rm", "--name", "gone", "busybox", "sleep", "1d"])
    hosts.h1.output(["docker", "run", "-d", "--name", "linked", "--link", "web", "busybox", "sleep", "1d"])
    hosts.h1.output(["docker", "run", "-d", "--name", "guest", "--network", "container:web", "busybox", "sleep", "1d"])
    with untouched(hosts):
        assert_refused(hosts.move("gone"), "--rm")
        assert_refused(hosts.move("linked"), "--link")
        assert_refused(hosts.move("guest"), "uses the network of the container web")
        assert_refused(hosts.move("web"), "guest uses the network of web")


def test_bind_mounts_are_never_guessed(hosts: Hosts) -> None:
    run_web(hosts.h1, options=("-v", "/srv/data:/data", "-v", "/etc/localtime:/etc/localtime:ro"))
    with untouched(hosts):
        assert_refused(hosts.move("web"), "/data of web is the host's /srv/data")
        assert_refused(hosts.move("web", "--binds", "expect"), "has no /srv/data")
    hosts.h2.output(["mkdir", "-p", "/srv/data"])
    moved = hosts.move("web", "--binds", "expect", "--yes")
    assert moved.code == 0, moved.err
    assert sorted(hosts.h2.docker.inspect_container("web")["HostConfig"]["Binds"]) == [
        "/etc/localtime:/etc/localtime:ro",
        "/srv/data:/data",
    ]


def test_warnings_need_a_yes(hosts: Hosts) -> None:
    run_web(hosts.h1)
    with untouched(hosts):
        assert_refused(hosts.move("web", "--strategy", "stop-start"), "nobody agreed")


def test_no_space_on_the_target(small_disk: Hosts) -> None:
    run_web(small_disk.h1)
    small_disk.h2.fill_disk()
    with untouched(small_disk):
        assert_refused(small_disk.move("web", "--yes"), "MB free")


@pytest.mark.parametrize("strategy", ["stop-start", "export-import"])
def test_the_target_becomes_full_during_the_transfer(small_disk: Hosts, strategy: StrategyName) -> None:
    run_web(small_disk.h1)
    before = snapshot(small_disk.h2)
    small_disk.h2.set_rate("50mbit")

    def fill(event: Event) -> None:
        if (event.phase, event.kind) == ("transfer", "started"):
            small_disk.h2.fill_disk()

    with pytest.raises(RolledBackError, match=r"no space|full"):
        in_process_move(small_disk, strategy, fill)
    small_disk.h2.free_disk()
    small_disk.h2.set_rate(None)
    assert_restored(small_disk, before)


@pytest.mark.parametrize("strategy", ["stop-start", "export-import"])
def test_the_link_is_cut_during_the_transfer(make_lab: MakeLab, strategy: StrategyName) -> None:
    mine = make_lab(LabOptions(hosts=(HostOptions(), HostOptions(rate="4mbit"))))
    mine.load(mine.hosts["h1"], "busybox")
    hosts = Hosts(mine, mine.hosts["h1"], mine.hosts["h2"])
    run_web(hosts.h1)
    before = snapshot(hosts.h2)

    def cut(event: Event) -> None:
        if event.phase == "transfer" and event.bytes > 300_000:
            hosts.h2.cut()

    with pytest.raises(RolledBackError) as caught:
        in_process_move(hosts, strategy, cut)
    assert caught.value.exit_code == 4
    hosts.h2.mend()
    assert_restored(hosts, before)


@pytest.mark.parametrize("strategy", ["stop-start", "export-import"])
def test_ctrl_c_during_the_transfer(hosts: Hosts, strategy: str) -> None:
    run_web(hosts.h1)
    hosts.h2.set_rate("4mbit")
    before = snapshot(hosts.h2)
    ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
    try:
        with hosts.start("move", "web", *ends, "--strategy", strategy, "--yes") as process:
            assert process.stderr is not None
            seen = ""
            while "transfer" not in seen:
                seen = process.stderr.readline()
                assert seen, "the command ended before the transfer"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
    finally:
        hosts.h2.set_rate(None)
    assert_refused(Ended(process.returncode, "", seen + err + "  \n"), "interrupted", code=4)
    assert_restored(hosts, before)


def test_the_terminal_is_closed_while_the_source_is_stopped(hosts: Hosts) -> None:
    run_web(hosts.h1)
    before = snapshot(hosts.h2)
    words = ["move", "web", "--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2)]
    argv = [sys.executable, "-m", "transship", *words, "--strategy", "export-import", "--yes"]
    terminal, other_end = pty.openpty()
    environment = {**hosts.environment(), "TERM": "xterm"}
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=other_end, stderr=other_end, env=environment
    ) as process:
        os.close(other_end)
        seen = b""
        while b"stop the source" not in seen:
            seen += os.read(terminal, 1 << 16)
        os.close(terminal)
        process.send_signal(signal.SIGHUP)
    assert process.returncode == 4, hosts.transship("status").out
    assert_restored(hosts, before)


def in_process_move(hosts: Hosts, strategy: StrategyName, listener: Callable[[Event], None]) -> None:
    journey = api.Journey("web", hosts.address(hosts.h2), hosts.address(hosts.h1), hosts.lab.ssh_config)
    api.move(journey, MoveOptions(strategy=strategy), agreed=lambda _plan: True, listener=listener)


def assert_restored(hosts: Hosts, before: dict[str, set[str]]) -> None:
    """The target has nothing of the move, and the source serves under its own name and policy."""
    wait_for(lambda: snapshot(hosts.h2) == before)
    inspected = hosts.h1.docker.inspect_container("web")
    assert inspected["State"]["Running"]
    assert inspected["HostConfig"]["RestartPolicy"]["Name"] == "always"
    with serving(hosts.h1) as prober:
        wait_for(lambda: sum(prober.report().answers.values()) > 3)
    assert prober.report().outages == ()
