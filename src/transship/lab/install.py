"""Installs Debian packages into an overlay; `SPEC` names its folders and the packages.

Standard library only; started as a file in mount and pid namespaces of its own, which take its mounts along.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NO_SERVICES = "usr/sbin/policy-rc.d"
RESOLVER = "etc/resolv.conf"
RUBBISH = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale", "tmp")


def install(spec: dict[str, Any]) -> None:
    root = Path(spec["root"])
    layers = f"lowerdir={spec['lower']},upperdir={spec['upper']},workdir={spec['work']}"
    mount("-t", "overlay", "-o", layers, "overlay", root)
    mount("-t", "proc", "proc", root / "proc")
    temporary = {NO_SERVICES: "#!/bin/sh\nexit 101\n", RESOLVER: resolver(), **spec["files"]}
    for name, text in temporary.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    chroot(root, "apt-get", "-qq", "update")
    chroot(root, "apt-get", "-qq", "install", "--yes", "--no-install-recommends", *spec["packages"])
    for name in (NO_SERVICES, RESOLVER):
        (root / name).unlink()
    for name in RUBBISH:
        chroot(root, "find", f"/{name}", "-type", "f", "-delete")
    for pattern in spec["removed"]:
        for file in root.glob(pattern):
            if file.is_symlink() or file.is_file():
                file.unlink()


def resolver() -> str:
    return Path("/etc/resolv.conf").read_text()


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def chroot(root: Path, *argv: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    subprocess.run(["chroot", str(root), *argv], check=True, env=environment)


if __name__ == "__main__":
    install(json.loads(Path(sys.argv[1]).read_text()))
