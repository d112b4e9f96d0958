import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transship.errors import LabError
from transship.lab import places, programs
from transship.metrics.events import Recorder

RECIPE = 1
"""Counted up when what is done to a fresh root filesystem changes, so that old ones are not used again."""

HOST_PACKAGES = (
    "busybox-static", "ca-certificates", "criu", "curl", "docker-cli", "docker-registry", "docker.io", "iproute2",
    "iptables", "iputils-ping", "netcat-openbsd", "openssh-client", "openssh-server", "procps", "python3",
    "redis-tools", "rsync", "sudo", "tini", "zstd",
)  # fmt: skip
"""What a lab host has; it cannot fetch anything later."""

NEEDED_BYTES = 2 * 1024**3
_SNAPSHOT = ("--option", "Acquire::Check-Valid-Until=false")
"""The mirror may be one that stands still, as long as debootstrap may use it."""

SCRIPTS = Path("/usr/share/debootstrap/scripts")

USERS = {"mover": ["--groups", "docker"], "guest": [], "admin": []}
"""Who may log in besides root: one who may use Docker, one who may not, and one who may become root with sudo."""


@dataclass(frozen=True, slots=True)
class RootFilesystem:
    """What a root filesystem is made of; equal ones share one folder of the cache."""

    suite: str
    packages: tuple[str, ...]
    users: bool = True
    newer: tuple[str, ...] = ()
    """Packages that are taken from sid, with what they need of it."""

    @classmethod
    def host(cls, suite: str) -> "RootFilesystem":
        """The one that the hosts of a lab run on."""
        # bookworm has the docker program inside docker.io
        left_out = {"docker-cli"} if suite == "bookworm" else set()
        release, _, newer = suite.partition("+")
        packages = tuple(name for name in HOST_PACKAGES if name not in left_out)
        return cls(release, packages, newer=(newer,) if newer else ())

    @property
    def folder(self) -> Path:
        recipe = repr((RECIPE, self.suite, self.packages, self.users, *self.newer))
        return places.cache() / "roots" / f"{self.suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"

    def ready(self, mirror: str, recorder: Recorder) -> Path:
        """Return the folder, built first if the cache lacks it: about a minute and 700 MB per suite.

        `mirror` is a Debian mirror's address; empty for the one that this machine's apt uses. Raises `LabError` when
        it cannot be built; then the cache is as it was. Two builders do not collide.
        """
        folder = self.folder
        if folder.exists():
            return folder
        with places.locked(folder.with_name(f".{folder.name}.lock")):
            if not folder.exists():
                with recorder.phase("root filesystem", f"{self.suite}, about a minute, once"):
                    self._build(folder, mirror or apt_mirror(), recorder)
        return folder

    def _build(self, folder: Path, mirror: str, recorder: Recorder) -> None:
        if shutil.disk_usage(folder.parent).free < NEEDED_BYTES:
            raise LabError(
                f"less than {NEEDED_BYTES // 1024**3} GB are free below {folder.parent}",
                hint="make room, or set XDG_CACHE_HOME to a larger disk",
            )
        draft = folder.with_name(f".{folder.name}.building")
        if draft.exists():
            shutil.rmtree(draft)
        try:
            if self.newer:
                older = replace(self, newer=()).ready(mirror, recorder)
                programs.run(["cp", "--archive", str(older), str(draft)])
                add_newer(self.newer, draft, mirror)
            else:
                debootstrap(self.suite, self.packages, draft, mirror)
                if self.users:
                    add_users(draft)
            make_neutral(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(folder)


def debootstrap(suite: str, packages: Sequence[str], folder: Path, mirror: str) -> None:
    """Unpack Debian into `folder`."""
    argv = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, str(folder), mirror]
    if not (SCRIPTS / suite).exists():
        argv.append(str(SCRIPTS / "sid"))  # the machine's debootstrap is older than the suite
    programs.find("debootstrap")
    isolated(argv, env={**os.environ, **proxy_environment()})


def add_newer(packages: Sequence[str], root: Path, mirror: str) -> None:
    """Install packages of sid into an older Debian, as an administrator would who needs a newer program."""
    source = root / "etc/apt/sources.list.d/newer.list"
    temporary = {
        source: f"deb {mirror} sid main\n",
        root / "etc/resolv.conf": Path("/etc/resolv.conf").read_text(),
        root / "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",  # nothing is started
    }
    for file, text in temporary.items():
        file.write_text(text)
        file.chmod(0o755)
    env = {**os.environ, **proxy_environment(), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", "--target-release=sid", *packages]):
        isolated(["chroot", str(root), "apt-get", "-qq", *_SNAPSHOT, *words], env=env)
    for file in temporary:
        file.unlink()


def isolated(argv: Sequence[str], *, env: dict[str, str]) -> None:
    """Run a program so that its mounts and all its processes end with it, however it ends."""
    programs.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--", *argv], env=env)


def add_users(root: Path) -> None:
    """Add `USERS`. Their passwords match nothing, which is not the same as a locked account: sshd refuses those."""
    for name, options in USERS.items():
        programs.run(
            [
                "chroot",
                str(root),
                "/usr/sbin/useradd",
                "--create-home",
                "--shell=/bin/bash",
                "--password=*",
                *options,
                name,
            ]
        )
    rule = root / "etc/sudoers.d/admin"
    rule.write_text("admin ALL=(ALL:ALL) NOPASSWD: ALL\n")
    rule.chmod(0o440)


def make_neutral(root: Path) -> None:
    """Take away what debootstrap left of this machine, or what no two hosts may share."""
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for name in ("etc/resolv.conf", "etc/hostname", "etc/hosts", "etc/machine-id"):
        (root / name).unlink(missing_ok=True)
    for name in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / name)
        (root / name).mkdir()


def apt_mirror() -> str:
    """The Debian mirror that this machine's own apt uses. Raises `LabError` when apt knows none."""
    own_release = _os_release().get("VERSION_CODENAME", "")
    fields = "$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    listed = programs.run(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"])
    candidates = [line.split("|") for line in listed.splitlines()]
    for origin, label, release, component, address in candidates:
        known = origin == "Debian" and label == "Debian"
        guessed = not origin and _os_release().get("ID") == "debian" and release == own_release
        if component == "main" and (known or guessed) and address.startswith(("http:", "https:", "file:")):
            return address
    raise LabError(
        "apt on this machine knows no Debian mirror, and the lab's hosts are Debian",
        hint="run apt-get update, or name a mirror with --mirror",
    )


def proxy_environment() -> dict[str, str]:
    """The proxy that apt uses, in the words that debootstrap's downloader understands."""
    printed = programs.run(["apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy"]).strip()
    return {"http_proxy": printed} if printed and printed != "DIRECT" else {}


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
