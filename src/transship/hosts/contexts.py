import difflib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transship.errors import UsageError
from transship.hosts.address import FORMS, LOCAL_SOCKET, Address, TlsFiles, UnixAddress, parse

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]*")


@dataclass(frozen=True, slots=True)
class Context:
    """A Docker context as `docker context ls` shows it; `address` is None where `problem` says what is wrong."""

    name: str
    address: Address | None
    description: str = ""
    current: bool = False
    problem: str = ""


def resolve(text: str, env: Mapping[str, str] | None = None) -> Address:
    """Say which daemon `text` means: `local`, an address, or the name of a Docker context.

    `local` is this machine's own daemon, whatever the environment says; `default` is what the Docker command line
    calls so: DOCKER_HOST if that is set, else this machine. Raises `UsageError`.
    """
    env = os.environ if env is None else env
    if text == "local":
        return UnixAddress(_local_socket(env))
    if "://" in text:
        return parse(text)
    if text == "default":
        return _default(env)
    if not _NAME.fullmatch(text):
        raise UsageError(f"{text!r} is neither an address nor a name that a Docker context can have", hint=FORMS)
    meta = _meta_file(_folder(env), text)
    if not meta.is_file():
        raise UsageError(f"there is no Docker context {text!r}", hint=_near(text, env))
    return _read(meta, env).address


def default_source(env: Mapping[str, str] | None = None) -> str:
    """The address or context that the Docker command line would speak to; `local` where nothing says otherwise.

    Raises `UsageError` when Docker's config.json cannot be read.
    """
    env = os.environ if env is None else env
    if env.get("DOCKER_HOST"):
        return "default"
    name = env.get("DOCKER_CONTEXT") or _current_context(env)
    return "local" if name in {"", "default"} else name


def list_contexts(env: Mapping[str, str] | None = None) -> list[Context]:
    """Every Docker context by name, `default` first. One that cannot be read is listed with its problem."""
    env = os.environ if env is None else env
    current = default_source(env)
    found = [_guarded("default", "", env)]
    found += sorted((_guarded("", str(meta), env) for meta in _meta_files(env)), key=lambda context: context.name)
    known = "default" if current == "local" else current
    return [Context(each.name, each.address, each.description, each.name == known, each.problem) for each in found]


@dataclass(frozen=True, slots=True)
class _Stored:
    name: str
    description: str
    address: Address


def _guarded(name: str, meta: str, env: Mapping[str, str]) -> Context:
    try:
        if not meta:
            return Context(name, _default(env))
        stored = _read(Path(meta), env)
    except UsageError as error:
        return Context(name or _written_name(Path(meta)), None, problem=str(error))
    return Context(stored.name, stored.address, stored.description)


def _folder(env: Mapping[str, str]) -> Path:
    return Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or Path.home()) / ".docker")


def _meta_file(folder: Path, name: str) -> Path:
    return folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"


def _meta_files(env: Mapping[str, str]) -> list[Path]:
    return sorted((_folder(env) / "contexts" / "meta").glob("*/meta.json"))


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON", hint="docker context ls tells which context it is") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} is not what Docker writes there")
    return value


def _current_context(env: Mapping[str, str]) -> str:
    config = _folder(env) / "config.json"
    name = _json(config).get("currentContext", "") if config.exists() else ""
    if not isinstance(name, str):
        raise UsageError(f"currentContext in {config} is not a name")
    return name


def _read(meta: Path, env: Mapping[str, str]) -> _Stored:
    """Read one meta.json. The folder's name must be the name's digest, as Docker looks contexts up by it."""
    content = _json(meta)
    try:
        name, endpoint = content["Name"], content["Endpoints"]["docker"]
        url, skip_verify = endpoint.get("Host") or "", bool(endpoint.get("SkipTLSVerify", False))
        description = (content.get("Metadata") or {}).get("Description") or ""
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{meta} is not what Docker writes there") from error
    if not all(isinstance(each, str) for each in (name, url, description)):
        raise UsageError(f"{meta} is not what Docker writes there")
    if not _NAME.fullmatch(name) or meta != _meta_file(_folder(env), name):
        raise UsageError(f"{meta} belongs to a context of another name")
    if not url:
        return _Stored(name, description, UnixAddress(_local_socket(env)))
    tls = _folder(env) / "contexts" / "tls" / meta.parent.name / "docker"
    try:
        return _Stored(name, description, parse(url, tls=_tls_files(tls, verify=not skip_verify)))
    except UsageError as error:
        raise UsageError(f"the Docker context {name!r} cannot be used: {error}", hint=error.hint) from error


def _tls_files(folder: Path, *, verify: bool) -> TlsFiles | None:
    files = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    there = {name: path for name, path in files.items() if path.is_file()}
    if not there and verify:
        return None
    return TlsFiles(there.get("ca"), there.get("cert"), there.get("key"), verify=verify)


def _default(env: Mapping[str, str]) -> Address:
    """What DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say, as for the Docker command line."""
    url = env.get("DOCKER_HOST", "")
    if not url:
        return UnixAddress(_local_socket(env))
    tls = None
    if env.get("DOCKER_TLS_VERIFY") or env.get("DOCKER_TLS"):
        verify = bool(env.get("DOCKER_TLS_VERIFY"))
        tls = _tls_files(Path(env.get("DOCKER_CERT_PATH") or _folder(env)), verify=verify) or TlsFiles()
    try:
        return parse(url, tls=tls)
    except UsageError as error:
        raise UsageError(f"DOCKER_HOST cannot be used: {error}", hint=error.hint) from error


def _local_socket(env: Mapping[str, str]) -> str:
    """Find the socket here: the usual one, or that of a rootless daemon where it is the only one."""
    rootless = Path(env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "docker.sock"
    return str(rootless) if not Path(LOCAL_SOCKET).exists() and rootless.exists() else LOCAL_SOCKET


def _near(name: str, env: Mapping[str, str]) -> str:
    names = ["local", "default", *(_written_name(meta) for meta in _meta_files(env))]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names)}; or {FORMS}"


def _written_name(meta: Path) -> str:
    """The name in a meta.json for a list, or its folder's short name where there is none to be read."""
    try:
        name = _json(meta).get("Name")
    except UsageError:
        name = None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else meta.parent.name[:12]
