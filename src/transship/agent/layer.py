from __future__ import annotations

import os
import re
import subprocess

from .faults import AgentError

_SOCKETS = ("/run/docker/containerd/containerd.sock", "/run/containerd/containerd.sock")
_UPPER = re.compile(r"(?:^|,)upperdir=((?:\\.|[^,\\])*)")
_CONTAINER = re.compile(r"[0-9a-f]{64}")
_SECONDS = 20


def upper_directory(container: str, pid: int) -> str:
    """The folder with what a container wrote, where containerd keeps it and Docker does not tell.

    Of a running container its own mount table says it. Of another one containerd's client does: the snapshot has the
    container's id for its key. Raises `AgentError` where neither knows.
    """
    if not _CONTAINER.fullmatch(container):
        raise AgentError("a container's id was expected")
    found = _of_process(pid) if pid else _of_snapshot(container)
    if found is None or not os.path.isdir(found):
        raise AgentError("where containerd keeps the container's writable layer cannot be found")
    return found


def _of_process(pid: int) -> str | None:
    with open(f"/proc/{pid:d}/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            fields, _, described = line.rstrip("\n").partition(" - ")
            kind, _, options = described.partition(" ")
            if fields.split(" ")[4] == "/" and kind == "overlay":
                return _upper(options.rpartition(" ")[2])
    return None


def _of_snapshot(container: str) -> str | None:
    for socket in filter(os.path.exists, _SOCKETS):
        command = ["ctr", "--address", socket, "--namespace", "moby", "snapshots", "--snapshotter", "overlayfs"]
        try:
            done = subprocess.run(
                [*command, "mounts", "/mnt", container], capture_output=True, timeout=_SECONDS, check=False
            )
        except FileNotFoundError:
            raise AgentError(
                "containerd's client ctr is not installed, so the writable layer cannot be found"
            ) from None
        if done.returncode == 0:
            return _upper(done.stdout.decode("utf-8", "surrogateescape").split(" -o ")[-1].strip())
    return None


def _upper(options: str) -> str | None:
    match = _UPPER.search(options)
    return re.sub(r"\\([0-7]{3}|.)", _unescaped, match[1]) if match else None


def _unescaped(match: re.Match[str]) -> str:
    r"""Mount tables write a space as `\040`, overlayfs a comma as `\,`."""
    code = match[1]
    return chr(int(code, 8)) if len(code) > 1 else code
