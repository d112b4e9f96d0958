from pathlib import Path

from transship.hosts import contexts
from transship.hosts.address import Address, SshAddress
from transship.hosts.local import LocalHost
from transship.hosts.ssh import SshHost


def open_host(address: str, *, ssh_config: Path | None = None) -> SshHost | LocalHost:
    """Connect to the host that `address` means (see `contexts.resolve`) and to its daemon.

    `ssh_config` is read by ssh instead of the user's own file. Raises `UsageError` for an address that is none, and
    the `HostError` that tells why host or daemon cannot be used; then nothing is left open.
    """
    target = contexts.resolve(address)
    host = _host(address, target, ssh_config)
    try:
        host.api()
    except BaseException:
        host.close()
        raise
    return host


def _host(name: str, address: Address, ssh_config: Path | None) -> SshHost | LocalHost:
    if isinstance(address, SshAddress):
        return SshHost(name, address, config=ssh_config)
    return LocalHost(name, address)
