"""How one host logs in to another, with what is known here: the direct way between two hosts."""

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transship.errors import HostKeyError
from transship.hosts.address import SshAddress
from transship.hosts.ssh_master import STRICT, configuration, login_name

_SSH_PORT = "22"
_ASK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Login:
    """Where ssh logs in by the configuration here, and the host keys that are known here: lines of `known_hosts`."""

    host: str
    user: str
    port: str
    key_alias: str
    known_hosts: str

    def words(self, argv: Sequence[str]) -> list[str]:
        """What ssh on any host is told to run `argv` there. It reads no configuration and no key of that host."""
        options = [*STRICT, "GlobalKnownHostsFile=/dev/null", "UpdateHostKeys=no", "CheckHostIP=no",
                   "IdentityFile=none", "PreferredAuthentications=publickey", f"Port={self.port}"]  # fmt: skip
        options += [f"HostKeyAlias={self.key_alias}"] if self.key_alias else []
        written = [part for option in options for part in ("-o", option)]
        return ["-F", "none", "-T", "-a", "-x", *written, "-l", self.user, "--", self.host, shlex.join(argv)]


def login_to(address: SshAddress, config: Path | None) -> Login:
    """Ask ssh here what it would do. Contacts nobody. Raises `HostKeyError` where no key of the host is known here."""
    told = configuration(address, config)
    key_alias = told.get("hostkeyalias", "")
    port = told.get("port", _SSH_PORT)
    host = told["hostname"]
    name = key_alias or (host if port == _SSH_PORT else f"[{host}]:{port}")
    files = [*told.get("userknownhostsfile", "").split(), *told.get("globalknownhostsfile", "").split()]
    known = "".join(_known(name, Path(file).expanduser()) for file in files)
    if not known:
        raise HostKeyError(
            f"no file of known hosts here has a key of {address}, which another host could go by",
            hint=f"connect once with: ssh {login_name(address)}; or say --path relay",
        )
    return Login(host, told["user"], port, key_alias, known)


def _known(name: str, file: Path) -> str:
    """The lines of a file of known hosts that are about `name`, be it hashed there or not."""
    if not file.is_file():
        return ""
    words = ["ssh-keygen", "-F", name, "-f", str(file)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_SECONDS, check=False)
    lines = done.stdout.decode(errors="replace").splitlines()
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))
