import subprocess

import pytest

from transship.lab import Lab
from transship.lab.node import Node

pytestmark = pytest.mark.lab


def ssh(lab: Lab, destination: str, *command: str) -> "subprocess.CompletedProcess[str]":
    argv = ["ssh", "-o", "BatchMode=yes", "-F", str(lab.ssh_config), destination, *command]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_every_host_runs_docker_of_its_own(lab: Lab) -> None:
    h1, h2 = (node.docker.info() for node in lab.nodes)
    assert h1["ID"] != h2["ID"]
    assert h1["CgroupVersion"] == "2"
    assert h1["Driver"] == "overlay2"
    assert h1["ExperimentalBuild"]


@pytest.mark.parametrize(
    ("user", "docker_status", "sudo_status"), [("root", 0, 0), ("mover", 0, 1), ("admin", 1, 0), ("guest", 1, 1)]
)
def test_users_have_the_rights_that_they_stand_for(lab: Lab, user: str, docker_status: int, sudo_status: int) -> None:
    destination = f"{user}@{lab.nodes[0].ssh_alias}"
    assert ssh(lab, destination, "docker", "version").returncode == docker_status
    assert ssh(lab, destination, "sudo", "-n", "true").returncode == sudo_status


def test_hosts_are_known_by_their_own_keys(lab: Lab) -> None:
    keys = {node.output(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).split()[1] for node in lab.nodes}
    assert len(keys) == len(lab.nodes)
    assert ssh(lab, f"root@{lab.nodes[1].address}", "hostname").stdout == "h2\n"


def test_the_config_and_the_key_are_private(lab: Lab) -> None:
    folder = lab.ssh_config.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "id_ed25519").stat().st_mode & 0o777 == 0o600


def test_no_packet_can_leave_for_the_world(lab: Lab) -> None:
    outside = "203.0.113.1"
    assert b"unreachable" in lab.nodes[0].run(["ping", "-c1", "-W1", outside]).stderr
    route = subprocess.run(
        ["ip", "route", "get", str(lab.network.subnet[200])], capture_output=True, text=True, check=True
    )
    assert lab.network.uplink in route.stdout


def test_a_host_sees_only_its_own_processes_and_devices(lab: Lab) -> None:
    node = lab.nodes[0]
    assert node.output(["cat", "/proc/1/comm"]) == "tini\n"
    assert "loop0" not in node.output(["ls", "/dev"])
    assert node.output(["ls", "/mnt"]) == ""


def test_containers_run(lab: Lab) -> None:
    node: Node = lab.nodes[0]
    lab.load(node, "busybox")
    assert node.output(["docker", "run", "--rm", "busybox", "echo", "ahoy"]) == "ahoy\n"
