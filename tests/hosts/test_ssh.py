import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from transship.errors import (
    AccessDeniedError,
    DockerDownError,
    HostKeyError,
    TransshipError,
    UnreachableError,
    UsageError,
)
from transship.hosts.open import open_host
from transship.lab import Lab, Node

HELD = Path(__file__).with_name("held.py")


def until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


def changed(config: Path, tmp_path: Path, *, first: str) -> Path:
    """The lab's ssh configuration with a line that comes before, and so counts."""
    mine = tmp_path / "ssh_config"
    mine.write_text(f"{first}\n{config.read_text()}")
    mine.chmod(0o600)
    return mine


@pytest.fixture
def h1(hosts_lab: Lab) -> Node:
    return hosts_lab.hosts["h1"]


@pytest.mark.lab
def test_unknown_host_key_is_refused(h1: Node, ssh_config: Path, tmp_path: Path) -> None:
    config = changed(ssh_config, tmp_path, first=f"UserKnownHostsFile {os.devnull}")
    with pytest.raises(HostKeyError, match="not known here") as raised:
        open_host(f"ssh://{h1.ssh_alias}", ssh_config=config)
    assert "fingerprint" in raised.value.hint


@pytest.mark.lab
def test_changed_host_key_is_refused(hosts_lab: Lab, ssh_config: Path, tmp_path: Path) -> None:
    h1, h2 = hosts_lab.hosts["h1"], hosts_lab.hosts["h2"]
    other = (h2.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    (tmp_path / "known").write_text(f"{h1.address},{h1.ssh_alias} {other}")
    config = changed(ssh_config, tmp_path, first=f"UserKnownHostsFile {tmp_path / 'known'}")
    with pytest.raises(HostKeyError, match="not the one that is known"):
        open_host(f"ssh://{h1.ssh_alias}", ssh_config=config)


@pytest.mark.lab
def test_login_without_the_key_is_denied(h1: Node, ssh_config: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    text = ssh_config.read_text()
    mine = tmp_path / "ssh_config"
    mine.write_text(
        "\n".join(f"IdentityFile {tmp_path / 'key'}" if "IdentityFile" in line else line for line in text.splitlines())
    )
    with pytest.raises(AccessDeniedError, match="login was refused"):
        open_host(f"ssh://{h1.ssh_alias}", ssh_config=mine)


@pytest.mark.lab
def test_closed_port_and_unknown_name_are_unreachable(h1: Node, ssh_config: Path) -> None:
    with pytest.raises(UnreachableError, match="nothing listens"):
        open_host(f"ssh://{h1.ssh_alias}:9", ssh_config=ssh_config)
    with pytest.raises(UnreachableError, match="no address is known"):
        open_host("ssh://transship-test.invalid", ssh_config=ssh_config)


@pytest.mark.lab
@pytest.mark.parametrize("node", ["h1", "h2"])
def test_user_outside_of_the_docker_group_is_denied(hosts_lab: Lab, ssh_config: Path, node: str) -> None:
    with pytest.raises(AccessDeniedError, match="may not speak to Docker") as raised:
        open_host(f"ssh://guest@{hosts_lab.hosts[node].ssh_alias}", ssh_config=ssh_config)
    assert "usermod -aG docker" in raised.value.hint


@pytest.mark.lab
@pytest.mark.parametrize("node", ["h1", "h2"])
def test_daemon_that_is_down_is_said_to_be_and_found_again(hosts_lab: Lab, ssh_config: Path, node: str) -> None:
    stopped = hosts_lab.hosts[node]
    with open_host(f"ssh://{stopped.ssh_alias}", ssh_config=ssh_config) as host:
        stopped.stop_dockerd()
        try:
            with pytest.raises(DockerDownError):
                host.docker.info()
            with pytest.raises(DockerDownError):
                open_host(f"ssh://{stopped.ssh_alias}", ssh_config=ssh_config)
            assert host.run(["echo", "still here"]).stdout == b"still here\n"
        finally:
            stopped.start_dockerd()
        host.docker.ping()


@pytest.mark.lab
def test_lost_connection_is_noticed_and_the_next_call_connects_anew(h1: Node, ssh_config: Path) -> None:
    with open_host(f"ssh://{h1.ssh_alias}", ssh_config=ssh_config) as host:
        errors: list[BaseException] = []

        def wait_for_program() -> None:
            try:
                host.run(["sleep", "100"], timeout=100)
            except TransshipError as error:
                errors.append(error)

        waiting = threading.Thread(target=wait_for_program)
        waiting.start()
        h1.cut()
        try:
            with pytest.raises(UnreachableError, match="lost"):
                host.docker.info()
            waiting.join(20)
        finally:
            h1.mend()
        assert [type(error) for error in errors] == [UnreachableError]
        host.docker.ping()
        assert host.run(["echo", "back"]).stdout == b"back\n"


@pytest.mark.lab
def test_closed_host_is_not_opened_by_a_late_call(h1: Node, ssh_config: Path) -> None:
    host = open_host(f"ssh://{h1.ssh_alias}", ssh_config=ssh_config)
    host.close()
    host.close()
    with pytest.raises(TransshipError, match="was closed"):
        host.docker.ping()
    with pytest.raises(TransshipError, match="was closed"):
        host.run(["true"])


@pytest.mark.lab
def test_alias_is_resolved_for_the_address_of_published_ports(h1: Node, ssh_config: Path) -> None:
    with open_host(f"ssh://{h1.ssh_alias}", ssh_config=ssh_config) as host:
        assert host.network_address == h1.address


@pytest.fixture
def coordinator(h1: Node, ssh_config: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, str(HELD), f"ssh://{h1.ssh_alias}", str(ssh_config)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        yield process
        process.kill()


@pytest.mark.lab
def test_connection_ends_when_we_are_killed(coordinator: subprocess.Popen[str]) -> None:
    assert coordinator.stdout
    pid, folder = coordinator.stdout.readline().split()
    assert Path(f"/proc/{pid}").exists()
    assert (Path(folder).stat().st_mode & 0o777) == 0o700
    coordinator.send_signal(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists() and not Path(folder).exists())


@pytest.mark.lab
def test_connection_outlives_an_interrupt_of_the_terminal(coordinator: subprocess.Popen[str]) -> None:
    assert coordinator.stdout
    pid, _ = coordinator.stdout.readline().split()
    os.killpg(coordinator.pid, signal.SIGINT)
    assert coordinator.stdout.readline() == "undone\n"
    assert Path(f"/proc/{pid}").exists()


def test_configuration_that_ssh_does_not_accept_is_a_wrong_word(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("NoSuchOption yes\n")
    with pytest.raises(UsageError, match="configuration"):
        open_host("ssh://127.0.0.1", ssh_config=config)
    with pytest.raises(UsageError, match="configuration"):
        open_host("ssh://127.0.0.1", ssh_config=tmp_path / "missing")


def test_machine_without_ssh_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("sh", "rm"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnreachableError, match="no ssh here"):
        open_host("ssh://127.0.0.1")


def test_temporary_folder_with_too_long_a_name_is_a_wrong_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(UsageError, match="too long"):
        open_host("ssh://127.0.0.1")
