import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from transship.errors import UsageError

LOCAL_SOCKET = "/var/run/docker.sock"

FORMS = "give a Docker context's name, ssh://[user@]host[:port], unix:///path, tcp://host:port or local"

# ssh hands a few of these words to a shell (ProxyCommand's %h and %r) and takes a leading "-" for an option.
_HOST = re.compile(r"[A-Za-z0-9_.:%][A-Za-z0-9_.:%-]*")
_USER = re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+@\\-]*")
_PATH = re.compile(r"(/[A-Za-z0-9_.+@-]+)+")


@dataclass(frozen=True, slots=True)
class SshAddress:
    """A login on a host; the words stand where ssh expects a user, a host and a port, and cannot be options.

    `socket` is the daemon's socket there where the address names one; empty: found on the host.
    """

    host: str
    user: str = ""
    port: int | None = None
    socket: str = ""

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"ssh://{user}{host}{port}{self.socket}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A daemon on this machine, by its socket."""

    path: str = LOCAL_SOCKET

    def __str__(self) -> str:
        return f"unix://{self.path}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificates of a connection lie. Without `ca` the system's authorities count."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A daemon that listens on the network; `tls` is None where it speaks plain HTTP."""

    host: str
    port: int
    tls: TlsFiles | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


Address = SshAddress | UnixAddress | TcpAddress


def parse(url: str, *, tls: TlsFiles | None = None) -> Address:
    """Read `ssh://…`, `unix://…` or `tcp://…`; `tls` goes with the last. Raises `UsageError` for anything else.

    No part of the result can be mistaken for an option by ssh, or carries a control character.
    """
    # urlsplit drops tabs and line ends silently: what was checked would not be what was given.
    if not url.isprintable() or " " in url:
        raise UsageError(f"the address {url!r} holds a space or a control character", hint=FORMS)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the address {_shown(url)} has a port or a bracket that is none", hint=FORMS) from error
    if parts.query or parts.fragment:
        raise UsageError(f"the address {_shown(url)} goes on after its path", hint=FORMS)
    if port == 0:
        raise UsageError(f"the address {_shown(url)} has a port that is none", hint="ports go from 1 to 65535")
    match parts.scheme:
        case "ssh":
            return _ssh(url, parts, port)
        case "unix":
            return _unix(url, parts)
        case "tcp" | "http" | "https":
            return _tcp(url, parts, port, tls)
        case _:
            raise UsageError(f"the address {_shown(url)} is of no kind that is known here", hint=FORMS)


def _ssh(url: str, parts: SplitResult, port: int | None) -> SshAddress:
    if parts.password is not None:
        raise UsageError(
            f"the address {_shown(url)} holds a password", hint="let ssh log in with a key: ssh-copy-id puts it there"
        )
    user, host = unquote(parts.username or ""), _host(url, parts)
    if "@" in parts.netloc and not _USER.fullmatch(user):
        raise UsageError(f"the address {_shown(url)} has a user name that is none", hint=FORMS)
    socket = parts.path.rstrip("/")
    if socket and not _PATH.fullmatch(socket):
        raise UsageError(f"the address {_shown(url)} has a path that is no socket's", hint=FORMS)
    return SshAddress(host, user, port, socket)


def _unix(url: str, parts: SplitResult) -> UnixAddress:
    if parts.netloc or not parts.path.startswith("/") or parts.path == "/":
        raise UsageError(f"the address {_shown(url)} names no socket", hint="such as unix:///var/run/docker.sock")
    return UnixAddress(parts.path)


def _tcp(url: str, parts: SplitResult, port: int | None, tls: TlsFiles | None) -> TcpAddress:
    if "@" in parts.netloc or parts.path not in {"", "/"}:
        raise UsageError(f"the address {_shown(url)} has more than a host and a port", hint="such as tcp://host:2376")
    return TcpAddress(_host(url, parts), port or (2376 if tls else 2375), tls)


def _host(url: str, parts: SplitResult) -> str:
    """The host as it was written: urlsplit's own would be in small letters, and ssh's aliases are not."""
    host = parts.netloc.rpartition("@")[2]
    host = host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]
    if not _HOST.fullmatch(host):
        raise UsageError(f"the address {_shown(url)} has no host name", hint=FORMS)
    return host


def _shown(url: str) -> str:
    """The address for a message, without a password that somebody put into it."""
    scheme, mark, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    if ":" in login:
        login = login.partition(":")[0] + ":***"
    return repr(scheme + mark + login + at + host)
