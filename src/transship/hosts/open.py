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
    return connect(address, contexts.resolve(address), ssh_config=ssh_config)


def connect(name: str, address: Address, *, ssh_config: Path | None = None) -> SshHost | LocalHost:
    """Connect to the host at `address`, which the user calls `name`. Raises as `open_host`."""
    host: SshHost | LocalHost
    match address:
        case SshAddress():
            host = SshHost(name, address, config=ssh_config)
        case _:
            host = LocalHost(name, address)
    try:
        host.api()
    except BaseException:
        host.close()
        raise
    return host
