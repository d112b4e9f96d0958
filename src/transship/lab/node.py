import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker import APIClient

from transship.errors import LabError
from transship.hosts.base import Completed
from transship.lab import inside, programs
from transship.lab.cgroups import HostGroup, hierarchies
from transship.lab.netns import Network, namespace_path
from transship.lab.options import HostOptions, disk_bytes
from transship.lab.processes import ProcessId, wait_until
from transship.lab.record import LabRecord
from transship.lab.rootfs import RootFilesystem
from transship.lab.seed import Seed

ENVIRONMENT = {"PATH": inside.PATH, "HOME": "/root", "LANG": "C.UTF-8"}
NAMESPACES = ("-m", "-u", "-i", "-n", "-p", "-C")
BOOT_S = 20.0
SERVICE_S = 60.0
SSH_PORT = 22
BALLAST = "var/lib/ballast"


@dataclass
class Node:
    """One throwaway host: a process tree in namespaces of its own, with a root filesystem, sshd and Docker.

    It goes on when the process that made it ends; all that is needed to reach it again is in the lab's record.
    """

    record: LabRecord
    name: str
    number: int
    options: HostOptions
    _docker: APIClient | None = field(default=None, init=False, repr=False)

    @property
    def ssh_alias(self) -> str:
        """What the host is called in the lab's `ssh_config`."""
        return f"{self.record.name}-{self.name}"

    @property
    def address(self) -> str:
        return self.network.address(self.number)

    @property
    def network(self) -> Network:
        return Network(self.record.name, self.record.index)

    @property
    def folder(self) -> Path:
        """The lab's files about this host, among them `boot.log`, `sshd.log` and `dockerd.log`."""
        return self.record.folder / self.name

    @property
    def disk(self) -> Path:
        return self.record.disks / self.name

    @property
    def image(self) -> Path | None:
        """The file that is the host's disk, if its size is limited."""
        return self.disk / "disk.img" if self.options.disk else None

    @property
    def group(self) -> HostGroup:
        return HostGroup(f"transship.{self.record.name}.{self.name}", tuple(hierarchies()))

    @property
    def pid(self) -> int:
        """Process 1 of the host, as this machine counts. Raises `LabError` when the host does not run."""
        process = ProcessId.read(self.folder / "inner")
        if process is None or not process.alive:
            raise LabError(f"the host {self.ssh_alias} does not run", hint="boot it first")
        return process.pid

    @property
    def root(self) -> Path:
        """The host's root filesystem, while it runs. A symbolic link with an absolute target leads out of it."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def docker(self) -> APIClient:
        """Docker's API, not by way of SSH. The client is closed when the host or the lab goes."""
        if self._docker is None:
            self._docker = self._connect()
        return self._docker

    # ---- making it

    def install(self, seed: Seed) -> str:
        """Lay the host's disk and files, and return its public host key."""
        self.folder.mkdir(mode=0o700)
        self.disk.mkdir(parents=True, mode=0o700)
        if self.image:
            with self.image.open("wb") as handle:
                handle.truncate(disk_bytes(self.options.disk))
            programs.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(self.image)])
        return seed.write(self.folder / "seed")

    def power_on(self) -> None:
        """Plug the host in and let it come up; `wait_booted` waits for it."""
        for name in ("outer", "inner"):
            (self.folder / name).unlink(missing_ok=True)
        self.network.attach(self.name, self.number)
        self.network.set_rate(self.name, self.options.rate)
        self.group.create()
        spec = {
            "groups": [str(folder) for folder in self.group.folders],
            "leaves": [str(folder) for folder in self.group.leaves],
            "netns": str(namespace_path(self.network.namespace(self.name))),
            "outer_file": str(self.folder / "outer"),
            "inner_file": str(self.folder / "inner"),
            "hostname": self.name,
            "rootfs": str(RootFilesystem.host(self.options.suite).folder),
            "seed": str(self.folder / "seed"),
            "disk": str(self.disk),
            "image": str(self.image) if self.image else "",
            "cgroup": self.options.cgroup,
            "v1_trees": {tree.mount.name: tree.options for tree in self.group.trees if not tree.unified},
        }
        file = self.folder / "boot.json"
        file.write_text(json.dumps(spec))
        self._spawn("boot.log", ["setsid", "--fork", *_inside("boot", str(file))])

    def wait_booted(self) -> None:
        """Return when process 1 runs in its finished root filesystem."""

        def booted() -> bool:
            outer = ProcessId.read(self.folder / "outer")
            if outer and not outer.alive:
                raise LabError(f"the host {self.ssh_alias} did not come up: {self._last_words('boot.log')}")
            inner = ProcessId.read(self.folder / "inner")
            return inner is not None and _command(inner) == "tini"

        wait_until(booted, BOOT_S, f"the host {self.ssh_alias} came up ({self._last_words('boot.log')})")

    def spawn(self, argv: Sequence[str]) -> None:
        """Start a service on the host; what it prints goes to `PROGRAM.log` in the host's folder."""
        groups = map(str, self.group.leaves)
        enter = ["nsenter", "-t", str(self.pid), *NAMESPACES, "--", "setsid", "--fork"]
        self._spawn(f"{Path(argv[0]).name}.log", [*_inside("join", *groups, "--"), *enter, *argv])

    def wait_port(self, port: int) -> None:
        """Return when something on the host listens on a TCP port."""

        def listens() -> bool:
            try:
                with socket.create_connection((self.address, port), timeout=1):
                    return True
            except OSError:
                return False

        wait_until(listens, SERVICE_S, f"{self.ssh_alias} listened on port {port}")

    def wait_ssh(self) -> None:
        """Return when sshd listens."""
        self.wait_port(SSH_PORT)

    def wait_docker(self) -> None:
        """Return when Docker answers. Raises `LabError` at once when its daemon gives up."""

        def answers() -> bool:
            if self._docker_answers():
                return True
            if not self._runs("dockerd", "setsid"):  # the latter is about to become the former
                raise LabError(f"dockerd of {self.ssh_alias} gave up: {self._dockerd_last_words()}")
            return False

        wait_until(answers, SERVICE_S, f"Docker of {self.ssh_alias} answered")

    # ---- using it

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, env: Mapping[str, str] | None = None
    ) -> Completed:
        """Run a program on the host as root, not by way of SSH. Any exit status is a result.

        Raises `LabError` when the host does not run, or when `timeout` seconds have passed.
        """
        command = [programs.find("nsenter"), "-t", str(self.pid), *NAMESPACES, "--", *argv]
        try:
            done = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                check=False,
                timeout=timeout,
                env={**ENVIRONMENT, **(env or {})},
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{argv[0]} on {self.ssh_alias} did not end within {timeout:.0f} s") from error
        return Completed(done.returncode, done.stdout, done.stderr)

    def output(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> str:
        """Run a program on the host as root and return what it printed. Raises `LabError` when it fails."""
        done = self.run(argv, stdin=stdin, timeout=timeout)
        if done.status != 0:
            raise LabError(f"{argv[0]} failed on {self.ssh_alias}: {programs.last_words(done.stderr or done.stdout)}")
        return done.stdout.decode()

    def load(self, archive: Path) -> None:
        """Load an archive of images, not by way of SSH. Raises `LabError` when Docker refuses it."""
        with archive.open("rb") as stream:
            answer = self.docker.load_image(stream, quiet=True)  # type: ignore[no-untyped-call]  # so are its stubs
            for line in answer:
                if "error" in line:
                    raise LabError(f"Docker of {self.ssh_alias} did not load {archive.name}: {line['error']}")

    def push(self, reference: str, name: str) -> None:
        """Give an image of the host another name, with a registry in front, and push it there."""
        repository, _, tag = name.rpartition(":")
        self.docker.tag(reference, repository, tag)
        for line in self.docker.push(repository, tag, stream=True, decode=True):
            if "error" in line:
                raise LabError(f"{self.ssh_alias} could not push {name}: {line['error']}")

    def start_sshd(self) -> None:
        self.spawn(["/usr/sbin/sshd", "-e", "-D"])

    def start_dockerd(self) -> None:
        """Start Docker and wait until it answers."""
        self.spawn(["/usr/sbin/dockerd"])
        self.wait_docker()

    def stop_dockerd(self, *, crash: bool = False) -> None:
        """Stop Docker and its containers and wait for its end. With `crash` it is killed, and containers run on."""
        self.close()
        pid = (self.root / "run/docker.pid").read_text().strip()
        self.output(["kill", "-KILL" if crash else "-TERM", pid])
        wait_until(lambda: not (self.root / "proc" / pid).exists(), SERVICE_S, f"dockerd of {self.ssh_alias} ended")

    def set_rate(self, rate: str | None) -> None:
        """Limit the link in each direction (`100mbit`), or lift the limit, until the next boot."""
        self.network.set_rate(self.name, rate or "")

    def cut(self) -> None:
        """Pull the host's cable: nothing reaches it, and nobody is told."""
        self.network.set_link(self.name, up=False)

    def mend(self) -> None:
        """Put the host's cable in again."""
        self.network.set_link(self.name, up=True)

    def kill(self) -> None:
        """The host is gone at once, as if its power failed; what is on its disk stays. Gone already: fine."""
        self.close()
        for name in ("inner", "outer"):
            if process := ProcessId.read(self.folder / name):
                process.kill()
        self.group.remove()
        self.network.detach(self.name)
        if self.image and self.image.exists():
            image = str(self.image)
            wait_until(lambda: not programs.run(["losetup", "-j", image]), 10, f"the loop device of {image} was free")

    def boot(self) -> None:
        """Let a killed host come up again with its disk, and wait until sshd and Docker answer."""
        self.power_on()
        self.wait_booted()
        self.start_sshd()
        self.start_dockerd()
        self.wait_ssh()

    def fill_disk(self, *, leave: int = 0) -> None:
        """Use up the host's disk but for `leave` bytes. Raises `LabError` for a host whose disk is the machine's."""
        if not self.image:
            raise LabError(
                f"the disk of {self.ssh_alias} is this machine's own and is not filled",
                hint="make the lab with --disk 2G",
            )
        with (self.root / BALLAST).open("ab") as ballast:
            step = shutil.disk_usage(self.root / "var/lib/docker").free - leave
            while step >= os.sysconf("SC_PAGE_SIZE"):
                try:
                    os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, step)
                except OSError:
                    step //= 2  # the filesystem needs some of it for itself
                else:
                    step = min(step, shutil.disk_usage(self.root / "var/lib/docker").free - leave)

    def free_disk(self) -> None:
        """Give back what `fill_disk` took."""
        (self.root / BALLAST).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connection to Docker; `docker` opens another one."""
        if self._docker is not None:
            self._docker.close()
            self._docker = None

    # ---- inside

    def _connect(self) -> APIClient:
        return APIClient(base_url=f"unix://{self.root}/run/docker.sock", version="auto", timeout=120)

    def _docker_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.root / "run/docker.sock"))
                connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                return b" 200 " in connection.recv(100)
            except OSError:
                return False

    def _runs(self, *names: str) -> bool:
        return any(_command(process) in names for process in self.group.processes())

    def _dockerd_last_words(self) -> str:
        """What dockerd said as it ended, which is not a line of its log."""
        lines = (self.folder / "dockerd.log").read_bytes().splitlines()
        return programs.last_words(b"\n".join(line for line in lines if not line.startswith(b"time=")))

    def _spawn(self, log: str, argv: Sequence[str]) -> None:
        command: list[str] = [programs.find(argv[0]), *argv[1:]]
        with (self.folder / log).open("ab") as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, env=ENVIRONMENT
            )
        if done.returncode != 0:
            raise LabError(f"{argv[-1]} did not start for {self.ssh_alias}: {self._last_words(log)}")

    def _last_words(self, log: str) -> str:
        try:
            return programs.last_words((self.folder / log).read_bytes())
        except FileNotFoundError:
            return "it said nothing"


def _inside(*words: str) -> list[str]:
    return [sys.executable, "-I", "-S", inside.__file__, *words]


def _command(process: ProcessId) -> str:
    try:
        return Path(f"/proc/{process.pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def daemon_settings(options: HostOptions, more: Mapping[str, Any]) -> dict[str, Any]:
    """Docker's daemon.json for a host."""
    store: dict[str, Any] = (
        {"features": {"containerd-snapshotter": True}}
        if options.store == "containerd"
        else {"storage-driver": "overlay2"}
    )
    return {"experimental": True, **store, **more, **options.daemon}
