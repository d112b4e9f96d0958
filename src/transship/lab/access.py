"""How a lab is logged in to: one key for all its hosts, their real host keys pinned, an ssh_config with aliases."""

from collections.abc import Mapping
from pathlib import Path

from transship.lab import places, programs

KEY = "id_ed25519"
KNOWN_HOSTS = "known_hosts"
CONFIG = "ssh_config"


def make_key(path: Path, comment: str) -> str:
    """Make an ed25519 key pair without a passphrase and return the public line."""
    programs.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return path.with_name(path.name + ".pub").read_text()


def write_ssh_config(folder: Path, addresses: Mapping[str, str], host_keys: Mapping[str, str]) -> None:
    """Write `ssh_config` and `known_hosts`. Both mappings have the alias of a host as their key."""
    lines = [f"{addresses[alias]} {' '.join(key.split()[:2])}" for alias, key in host_keys.items()]
    places.write_private(folder / KNOWN_HOSTS, "\n".join(lines) + "\n")
    entries = [
        f"Host {alias} {address}\n"
        f"    HostName {address}\n"
        "    User root\n"
        f"    IdentityFile {folder / KEY}\n"
        f"    UserKnownHostsFile {folder / KNOWN_HOSTS}\n"
        "    GlobalKnownHostsFile /dev/null\n"
        "    IdentitiesOnly yes\n"
        "    IdentityAgent none\n"
        "    StrictHostKeyChecking yes\n"
        for alias, address in addresses.items()
    ]
    places.write_private(folder / CONFIG, "\n".join(entries))
