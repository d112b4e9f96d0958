"""How another host is told to log in: by the configuration and the host keys of this machine, asked of ssh itself."""

import subprocess
from pathlib import Path

import pytest

from transship.errors import HostKeyError
from transship.hosts.address import SshAddress
from transship.hosts.login import login_to

TARGET = SshAddress("target", port=2222)


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def configured(folder: Path, known: str, *, more: str = "") -> Path:
    (folder / "known_hosts").write_text(known)
    path = folder / "ssh_config"
    path.write_text(
        f"Host target\n  HostName 198.18.0.9\n  User carrier\n  UserKnownHostsFile {folder / 'known_hosts'}\n"
        f"  GlobalKnownHostsFile none\n{more}"
    )
    return path


@pytest.mark.parametrize("hashed", [False, True])
def test_names_and_keys_are_those_of_the_configuration_here(tmp_path: Path, key: str, hashed: bool) -> None:
    config = configured(tmp_path, f"198.18.0.8 {key}\n[198.18.0.9]:2222 {key}\n")
    if hashed:
        done = subprocess.run(
            ["ssh-keygen", "-H", "-f", str(tmp_path / "known_hosts")], capture_output=True, check=True
        )
        assert done.returncode == 0
    login = login_to(TARGET, config)
    assert (login.host, login.user, login.port) == ("198.18.0.9", "carrier", "2222")
    (line,) = login.known_hosts.splitlines()
    assert line.endswith(key)
    assert line.startswith("|1|" if hashed else "[198.18.0.9]:2222 ")


def test_an_alias_of_the_key_goes_along(tmp_path: Path, key: str) -> None:
    config = configured(tmp_path, f"the-target {key}\n", more="  HostKeyAlias the-target\n")
    login = login_to(TARGET, config)
    assert login.known_hosts == f"the-target {key}\n"
    assert "HostKeyAlias=the-target" in login.words(["true"])


def test_a_host_that_is_not_known_here_is_known_nowhere(tmp_path: Path, key: str) -> None:
    with pytest.raises(HostKeyError, match="ssh://target:2222"):
        login_to(TARGET, configured(tmp_path, f"198.18.0.9 {key}\n"))


def test_no_key_and_no_configuration_of_the_other_host_is_used(tmp_path: Path, key: str) -> None:
    words = login_to(TARGET, configured(tmp_path, f"[198.18.0.9]:2222 {key}\n")).words(["echo", "a b"])
    assert words[:2] == ["-F", "none"]
    assert {"IdentityFile=none", "StrictHostKeyChecking=yes", "BatchMode=yes", "Port=2222"} <= set(words)
    assert words[-2:] == ["198.18.0.9", "echo 'a b'"]
    assert key not in " ".join(words)
