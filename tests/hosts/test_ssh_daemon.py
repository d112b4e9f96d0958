import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from transship.errors import AccessDeniedError, DockerDownError
from transship.hosts.base import Completed
from transship.hosts.open import open_host
from transship.hosts.ssh_daemon import Daemon, find_daemon
from transship.lab import Lab


def said(*lines: str) -> Completed:
    return Completed(0, "".join(f"{line}\n" for line in lines).encode(), b"")


@pytest.mark.parametrize(
    ("lines", "daemon"),
    [
        (("usable", "yes", "unix:///var/run/docker.sock"), Daemon("/var/run/docker.sock", command_line=True)),
        (
            ("usable", "no", "unix:///run/user/1000/docker.sock"),
            Daemon("/run/user/1000/docker.sock", command_line=False),
        ),
        (("remote", "yes", "tcp://127.0.0.1:2375"), Daemon("", command_line=True)),
        (("usable", "yes", "unix:///run/a:b"), Daemon("", command_line=True)),
        (("usable", "yes", "unix:///run/%h/${HOME}"), Daemon("", command_line=True)),
    ],
)
def test_daemon_over_there_is_found(lines: tuple[str, ...], daemon: Daemon) -> None:
    assert find_daemon("box", said(*lines)) == daemon


def test_daemon_that_cannot_be_used_is_told() -> None:
    with pytest.raises(AccessDeniedError):
        find_daemon("box", said("denied", "yes", "unix:///var/run/docker.sock"))
    with pytest.raises(DockerDownError, match="no socket"):
        find_daemon("box", said("missing", "yes", "unix:///var/run/docker.sock"))
    with pytest.raises(DockerDownError):
        find_daemon("box", Completed(0, b"Welcome to the machine\n", b""))
    with pytest.raises(DockerDownError):
        find_daemon("box", Completed(127, b"", b"sh: not found"))


@pytest.fixture
def other_socket(hosts_lab: Lab) -> Iterator[Path]:
    """A second name of h1's socket, which mover's current context there has."""
    node = hosts_lab.hosts["h1"]
    home = node.root / "home/mover/.docker"
    digest = hashlib.sha256(b"other").hexdigest()
    meta = home / "contexts/meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": "other", "Endpoints": {"docker": {"Host": "unix:///run/other.sock"}}}))
    (home / "config.json").write_text(json.dumps({"currentContext": "other"}))
    node.output(["chown", "-R", "mover", "/home/mover/.docker"])
    yield Path("/run/other.sock")
    node.output(["rm", "-r", "/home/mover/.docker"])


@pytest.mark.lab
def test_context_of_the_user_over_there_counts(hosts_lab: Lab, other_socket: Path) -> None:
    node = hosts_lab.hosts["h1"]
    with pytest.raises(DockerDownError, match=r"no socket at '/run/other\.sock'"):
        open_host(f"ssh://mover@{node.ssh_alias}", ssh_config=hosts_lab.ssh_config)
    node.output(["ln", "/run/docker.sock", str(other_socket)])
    try:
        with open_host(f"ssh://mover@{node.ssh_alias}", ssh_config=hosts_lab.ssh_config) as host:
            host.docker.ping()
    finally:
        node.output(["rm", str(other_socket)])


@pytest.mark.lab
@pytest.mark.parametrize("node", ["h1", "h2"])
def test_socket_in_the_address_counts(hosts_lab: Lab, node: str) -> None:
    alias = hosts_lab.hosts[node].ssh_alias
    with open_host(f"ssh://{alias}/run/docker.sock", ssh_config=hosts_lab.ssh_config) as host:
        host.docker.ping()
    with pytest.raises(DockerDownError, match=r"no socket at '/run/none\.sock'"):
        open_host(f"ssh://{alias}/run/none.sock", ssh_config=hosts_lab.ssh_config)


@pytest.mark.lab
@pytest.mark.parametrize("node", ["h1", "h2"])
def test_host_without_a_docker_command(hosts_lab: Lab, node: str) -> None:
    """The API needs it only where sockets are not forwarded; then the error says what would help."""
    host_node = hosts_lab.hosts[node]
    host_node.output(["mv", "/usr/bin/docker", "/usr/bin/docker.away"])
    try:
        if node == "h1":
            with open_host(f"ssh://{host_node.ssh_alias}", ssh_config=hosts_lab.ssh_config) as host:
                host.docker.ping()
        else:
            with pytest.raises(DockerDownError) as raised:
                open_host(f"ssh://{host_node.ssh_alias}", ssh_config=hosts_lab.ssh_config)
            assert "AllowStreamLocalForwarding" in raised.value.hint
    finally:
        host_node.output(["mv", "/usr/bin/docker.away", "/usr/bin/docker"])
