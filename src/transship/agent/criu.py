"""CRIU and runc, as this host has them."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from . import dumping
from .faults import AgentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .memory_folder import MemoryFolder

_RUNC_ROOTS = ("/run/docker/runtime-runc/moby", "/run/containerd/runc/moby")
_NETWORK_KEY = "extRootNetNS"
"""What runc calls a network namespace that was there before the container, as a sandbox's is for the restored one."""

_ERROR = re.compile(r"^\([\d.]+\)\s+(?:\d+: )?Error \([^)]*\): (.*)$", re.MULTILINE)
_HARMLESS = ("rlimit: Can't setup RLIMIT_NOFILE",)
_MISSING = 127
_TRACE_WORDS = 200


class Container(NamedTuple):
    """What a dump must know of a container.

    `terminal`: it has one, which Docker holds the other end of. `established`: its connections go on elsewhere.
    """

    id: str
    pid: int
    terminal: bool
    established: bool


def dump(container: Container, folder: MemoryFolder, options: Sequence[str]) -> None:
    """Write the images of a container, which goes on as it was, frozen if it was frozen. Raises `AgentError`."""
    words = dump_command(container, folder, options)
    handle = dumping.begin(folder.path)
    try:
        done = run(words, configuration=configuration_path(folder.path), keep=[handle])
    finally:
        os.close(handle)
    if done.returncode:
        log = os.path.join(folder.part("work"), "dump.log")
        raise AgentError(f"CRIU cannot dump it: {complaint(log) or _last_line(done)}", "ECRIU")


def dump_command(container: Container, folder: MemoryFolder, options: Sequence[str]) -> list[str]:
    """The words of runc that dump a container, whose id is the last; `options` are more lines for CRIU's configuration.

    The network namespace is left out: the restored container gets one that is there already. Raises `AgentError`.
    """
    namespace = os.stat(f"/proc/{container.pid}/ns/net").st_ino
    with open(configuration_path(folder.path), "w", encoding="utf-8") as file:
        closed = [] if container.established else ["tcp-close"]
        lines = [*options, *closed, f"external net[{namespace}]:{_NETWORK_KEY}"]
        file.writelines(f"{line}\n" for line in lines)
    return [
        "runc", "--root", _runc_root(container.id), "checkpoint", "--leave-running",
        "--file-locks", *(["--shell-job"] if container.terminal else []),
        *(["--tcp-established"] if container.established else []),
        "--image-path", folder.part("images"), "--work-path", folder.part("work"), container.id,
    ]  # fmt: skip


def configuration_path(folder: str) -> str:
    """Where CRIU's configuration for a dump is, below the folder of its images."""
    return os.path.join(folder, "dump.conf")


def complaint(log: str) -> str:
    """The first line of CRIU's log that tells of an error, without where in CRIU that is; empty if none does."""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            found = _ERROR.findall(file.read())
    except FileNotFoundError:
        return ""
    return next((line[:_TRACE_WORDS] for line in found if not line.startswith(_HARMLESS)), "")


def supports(feature: str) -> bool:
    """Whether CRIU and the kernel have a feature, in the words of `criu check --feature`."""
    return run(["criu", "check", "--feature", feature]).returncode == 0


def run(
    argv: Sequence[str], *, configuration: str = "", keep: Sequence[int] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run a program; `configuration` is a file that CRIU reads as its own, the files in `keep` stay open."""
    try:
        return subprocess.run(
            list(argv), env=environment(configuration), capture_output=True, check=False, pass_fds=keep
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(list(argv), _MISSING, b"", f"{argv[0]} is not installed".encode())


def environment(configuration: str = "") -> dict[str, str]:
    """What CRIU and runc are started with: nothing of the user's, who could mean another CRIU by it."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin", "CRIU_CONFIG_FILE": configuration}


def _runc_root(container: str) -> str:
    for root in _RUNC_ROOTS:
        if os.path.isdir(os.path.join(root, container)):
            return root
    raise AgentError("runc knows nothing of the container: it does not run, or another runtime runs it")


def _last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
    return said.rpartition("\n")[2] or f"status {done.returncode}"
