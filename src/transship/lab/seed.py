import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transship.lab import access

AUTHORIZED_KEYS = "etc/ssh/lab_authorized_keys"


@dataclass(frozen=True, slots=True)
class Seed:
    """The files in which a host differs from the others of its suite.

    They lie in a layer of their own between the shared root filesystem and what the host writes.
    """

    hostname: str
    names: Mapping[str, str]
    """The address of every name in the lab."""
    public_key: str
    """Who may log in, as any user."""
    sshd: Mapping[str, str]
    daemon: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    """More files of the host, by path. Those named `*.key` are for root alone."""

    def write(self, folder: Path) -> str:
        """Write the files into a fresh folder and return the host's new public key."""
        sshd = {
            **self.sshd,  # first, because sshd takes the first of two
            "AuthorizedKeysFile": f"/{AUTHORIZED_KEYS}",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "UseDNS": "no",
        }
        hosts = {"localhost": "127.0.0.1", **self.names}
        files = {
            "etc/hostname": f"{self.hostname}\n",
            "etc/hosts": "".join(f"{address} {name}\n" for name, address in hosts.items()),
            "etc/resolv.conf": "# the lab has no name server\n",
            "etc/ssh/sshd_config.d/10-lab.conf": "".join(f"{key} {value}\n" for key, value in sshd.items()),
            AUTHORIZED_KEYS: self.public_key,
            "etc/docker/daemon.json": json.dumps(dict(self.daemon), indent=1) + "\n",
            **self.files,
        }
        folder.mkdir(mode=0o755)
        for name, text in files.items():
            _put(folder, name, text)
        return access.make_key(folder / "etc/ssh/ssh_host_ed25519_key", self.hostname)


def _put(root: Path, name: str, text: str) -> None:
    """Write a file with modes that do not depend on the umask: what is here covers what is below."""
    path = root / name
    for parent in reversed(path.relative_to(root).parents):
        (root / parent).mkdir(exist_ok=True)
        (root / parent).chmod(0o755)
    path.touch(mode=0o600)
    path.write_text(text)
    if path.suffix != ".key":
        path.chmod(0o644)
