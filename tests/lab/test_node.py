from collections.abc import Iterator
from functools import partial

import pytest

from tests.conftest import WITH_LIMITS, MakeLab, own_name
from transship.errors import LabError
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node
from transship.lab.processes import wait_until

pytestmark = pytest.mark.lab

MIB = 1024**2


@pytest.fixture(scope="module")
def serving() -> Iterator[Lab]:
    """Two hosts, of which h1 has a file of 4 MB behind HTTP."""
    with Lab(LabOptions(name=own_name())) as lab:
        node = lab.hosts["h1"]
        (node.root / "srv/file").write_bytes(bytes(4_000_000))
        node.spawn(["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"])
        node.wait_port(8080)
        yield lab


def download(lab: Lab) -> float:
    return fetch(lab.hosts["h2"], lab.hosts["h1"])


def fetch(node: Node, server: Node) -> float:
    """Bytes per second of a download, or 0 when the server was not reached."""
    curl = ["curl", "-s", "-o", "/dev/null", "--connect-timeout", "1", "-w", "%{speed_download}"]
    return float(node.run([*curl, f"http://{server.address}:8080/file"]).stdout)


@pytest.mark.parametrize("limited", ["h1", "h2"])
def test_a_rate_holds_for_what_is_sent_and_what_is_received(serving: Lab, limited: str) -> None:
    free = download(serving)
    serving.hosts[limited].set_rate("40mbit")
    slow = download(serving)
    serving.hosts[limited].set_rate("80mbit")
    faster = download(serving)
    serving.hosts[limited].set_rate(None)
    assert slow == pytest.approx(5_000_000, rel=0.25)
    assert faster == pytest.approx(10_000_000, rel=0.25)
    assert download(serving) > free / 10 > faster / 10


def test_a_cut_host_is_not_reached_until_it_is_mended(serving: Lab) -> None:
    serving.hosts["h1"].cut()
    assert download(serving) == 0
    serving.hosts["h1"].mend()
    assert download(serving) > 0


def test_dockerd_can_be_stopped_and_started(make_lab: MakeLab) -> None:
    lab = make_lab(LabOptions(hosts=(HostOptions(daemon={"live-restore": True}),)))
    node = lab.nodes[0]
    lab.load(node, "busybox")
    node.output(["docker", "run", "-d", "--name", "sleeper", "busybox", "sleep", "600"])
    started = node.docker.inspect_container("sleeper")["State"]["StartedAt"]
    for crash in (False, True):
        node.stop_dockerd(crash=crash)
        assert node.run(["docker", "version"]).status != 0
        node.start_dockerd()
        assert node.docker.inspect_container("sleeper")["State"]["StartedAt"] == started


def test_a_killed_host_comes_up_again_with_its_disk(make_lab: MakeLab) -> None:
    lab = make_lab(LabOptions(hosts=(HostOptions(disk="300M"), HostOptions())))
    for node in lab.nodes:
        lab.load(node, "busybox")
        node.output(["docker", "run", "-d", "--name", "sleeper", "--restart", "always", "busybox", "sleep", "600"])
        node.output(["sh", "-c", "echo kept > /root/file; sync"])
        node.kill()
        with pytest.raises(LabError, match="does not run"):
            node.output(["true"])
        node.boot()
        assert node.output(["cat", "/root/file"]) == "kept\n"
        wait_until(partial(running, node, "sleeper"), 20, "the container ran again")


def running(node: Node, name: str) -> bool:
    return node.output(["docker", "inspect", "-f", "{{.State.Running}}", name]) == "true\n"


def test_a_disk_can_be_filled_and_freed(make_lab: MakeLab) -> None:
    node = make_lab(LabOptions(hosts=(HostOptions(disk="200M"),))).nodes[0]
    write = ["dd", "if=/dev/zero", "of=/var/lib/docker/more", "bs=1M", "count=10"]
    node.fill_disk(leave=5 * MIB)
    assert b"No space left on device" in node.run(write).stderr
    node.free_disk()
    assert node.run(write).status == 0


def test_a_disk_that_is_the_machines_is_not_filled(lab: Lab) -> None:
    with pytest.raises(LabError, match="not filled"):
        lab.nodes[0].fill_disk()


def test_sshd_is_set_up_as_asked(make_lab: MakeLab) -> None:
    settings = {"AllowStreamLocalForwarding": "no", "MaxSessions": "2"}
    node = make_lab(LabOptions(hosts=(HostOptions(sshd=settings),))).nodes[0]
    effective = node.output(["/usr/sbin/sshd", "-T"])
    assert "allowstreamlocalforwarding no\n" in effective
    assert "maxsessions 2\n" in effective


def test_limits_hold_where_the_host_has_the_controllers(make_lab: MakeLab) -> None:
    lab = make_lab(LabOptions(hosts=(HostOptions(cgroup=WITH_LIMITS),)))
    node = lab.nodes[0]
    lab.load(node, "busybox")
    allocate = ["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]
    assert f"v{node.docker.info()['CgroupVersion']}" == WITH_LIMITS
    assert node.run(["docker", "run", "--rm", "--memory", "128m", "busybox", *allocate]).status == 0
    assert node.run(["docker", "run", "--rm", "--memory", "32m", "busybox", *allocate]).status == 137


def test_the_end_of_a_program_is_a_result_or_an_error(lab: Lab) -> None:
    node = lab.nodes[0]
    assert node.run(["cat"], stdin=b"ahoy").stdout == b"ahoy"
    assert node.run(["false"]).status == 1
    with pytest.raises(LabError, match=r"cat failed on .*-h1: cat: /none: No such file"):
        node.output(["cat", "/none"])
    with pytest.raises(LabError, match="did not end within"):
        node.run(["sleep", "60"], timeout=0.2)
