"""What people do today to move a container with its volume, command by command, each one timed.

The commands run on the machine from which somebody moves, and what is copied passes through it, except for rsync,
which runs on the source. Nobody checks that it arrived.
"""

import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Thread
from typing import IO

from transship.bench.job import Job
from transship.bench.workload import FLAT
from transship.errors import CommandError, UnhealthyError
from transship.hosts.base import Host
from transship.metrics.downtime import INTERVAL_S, Probe
from transship.metrics.events import Recorder

MADE = f"{FLAT}by-hand"
"""The image that commit and import make."""

CHECKPOINT = "moved"
_HEALTHY_S = 60.0
_TAR = ("--numeric-owner", "--xattrs", "--acls")
_RSYNC = ("rsync", "-aHAXS", "--numeric-ids", "--delete")

MARK = "TRANSSHIP_BENCH=1"
"""In the environment of every program that is run on a host, by which it is found when its ssh was cut off."""

SAVE = """
exec 4>&1
status=$({ { docker save "$1"; echo "$?" >&3; } | gzip >&4; } 3>&1)
exit "$status"
"""
"""`docker save | gzip`, which fails when the first of both fails."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """A person's shell on the coordinator."""

    job: Job
    recorder: Recorder

    def source(self, *argv: str) -> list[str]:
        """The command that runs `argv` on the source."""
        return [*self.job.ends.login(self.job.ends.source), shlex.join(("env", MARK, *argv))]

    def target(self, *argv: str) -> list[str]:
        """The command that runs `argv` on the target."""
        return [*self.job.ends.login(self.job.ends.target), shlex.join(("env", MARK, *argv))]

    def stop(self) -> None:
        with self.recorder.phase("stop"):
            pipe(self.source("docker", "stop", self.job.container))

    def send_image(self, image: str) -> None:
        """Send an image with all its layers."""
        with self.recorder.phase("image"):
            pipe(self.source("sh", "-c", SAVE, "sh", image), self.target("docker", "load"))

    def send_volume(self) -> None:
        """Copy the volume, if there is one, into a new one."""
        if not self.job.volume:
            return
        with self.recorder.phase("volumes"):
            here, there = self.folders()
            pack = self.source("tar", "-C", here, *_TAR, "-cf", "-", ".")
            pipe(pack, self.target("tar", "-C", there, *_TAR, "-xpf", "-"))

    def folders(self) -> tuple[str, str]:
        """Where source and target keep the volume; it is made on the target."""
        pipe(self.target("docker", "volume", "create", self.job.volume))
        look = ("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", self.job.volume)
        return pipe(self.source(*look)).strip(), pipe(self.target(*look)).strip()

    def commit(self) -> None:
        """Make an image of the container."""
        with self.recorder.phase("commit"):
            pipe(self.source("docker", "commit", self.job.container, MADE))

    def start(self, *argv: str) -> None:
        with self.recorder.phase("start"):
            pipe(self.target(*argv))


def export_import(shell: Terminal) -> None:
    """The container's filesystem through a pipe into a flat image."""
    shell.stop()
    with shell.recorder.phase("export"):
        flat = shell.target("docker", "import", "-", MADE)
        pipe(shell.source("docker", "export", shell.job.container), flat)
    shell.send_volume()
    shell.start(*shell.job.docker("run", MADE))


def commit_save_load(shell: Terminal) -> None:
    """The container as an image with one more layer."""
    shell.stop()
    shell.commit()
    shell.send_image(MADE)
    shell.send_volume()
    shell.start(*shell.job.docker("run", MADE))


def rsync_volumes(shell: Terminal) -> None:
    """Image and volume before the stop, the volume's changes after it. What was written into the container stays."""
    shell.send_image(shell.job.image)
    rsync: list[str] = []
    if shell.job.volume:
        here, there = shell.folders()
        ssh, target = shell.job.ends.onward()
        name = f"[{target}]" if ":" in target else target
        rsync = shell.source(*_RSYNC, "-e", shlex.join(ssh), f"{here}/", f"{name}:{there}/")
    with shell.recorder.phase("create"):
        pipe(shell.target(*shell.job.docker("create", shell.job.image)))
    if rsync:
        with shell.recorder.phase("rsync"):
            pipe(rsync)
    shell.stop()
    if rsync:
        with shell.recorder.phase("rsync-again"):
            pipe(rsync)
    shell.start("docker", "start", shell.job.container)


def docker_checkpoint(shell: Terminal) -> None:
    """Docker's own checkpoint, with the container's files as a committed image."""
    name = shell.job.container
    pipe(shell.source("docker", "update", "--restart", "no", name))
    with shell.recorder.phase("stop"):
        pipe(shell.source("docker", "checkpoint", "create", name, CHECKPOINT))
    shell.commit()
    shell.send_image(MADE)
    shell.send_volume()
    with shell.recorder.phase("create"):
        made = pipe(shell.target(*shell.job.docker("create", MADE))).strip()
    with shell.recorder.phase("memory"):
        look = ("docker", "inspect", "--format", "{{.Id}}", name)
        containers = (pipe(shell.source(*look)).strip(), made)
        here, there = (f"/var/lib/docker/containers/{each}/checkpoints" for each in containers)
        pipe(shell.target("mkdir", "-p", there))
        pipe(shell.source("tar", "-C", here, "-cf", "-", "."), shell.target("tar", "-C", there, "-xpf", "-"))
    shell.start("docker", "start", "--checkpoint", CHECKPOINT, name)


SCRIPTS: Mapping[str, Callable[[Terminal], None]] = {
    "commit-save-load": commit_save_load,
    "export-import-pipe": export_import,
    "rsync-volumes": rsync_volumes,
    "docker-checkpoint": docker_checkpoint,
}


def move(job: Job, target: Host, recorder: Recorder) -> None:
    """Carry a script out, and wait until the target serves. Raises `CommandError` and `UnhealthyError`."""
    SCRIPTS[job.method](Terminal(job, recorder))
    with recorder.phase("healthy"):
        wait_serving(Probe.parse(job.probe), target)


def wait_serving(probe: Probe, host: Host, seconds: float = _HEALTHY_S) -> None:
    """Raises `UnhealthyError` when nothing answers in time."""
    deadline = time.monotonic() + seconds
    while not probe.answers(host.network_address):
        if time.monotonic() > deadline:
            raise UnhealthyError(f"nothing answers {probe} on {host.name} within {seconds:.0f} s")
        time.sleep(INTERVAL_S)


def pipe(*commands: Sequence[str]) -> str:
    """Run programs, the output of each the input of the next, and return what the last one printed.

    Raises `CommandError` when any of them fails, with the last words of the one that failed first: it is what made the
    others fail. A shell would only look at the last one.
    """
    failed: list[_Running] = []
    with ExitStack() as stack:
        running: list[_Running] = []
        for argv in commands:
            before = running[-1].process.stdout if running else None
            words: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            process = stack.enter_context(
                subprocess.Popen(argv, stdin=before or subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words)
            )
            running.append(_Running(process, words))
            if before:
                before.close()  # else the one before would not notice when this one ends
        waiting = [Thread(target=each.wait, args=(failed,)) for each in running]
        for thread in waiting:
            thread.start()
        last = running[-1].process.stdout
        output = last.read() if last else b""
        for thread in waiting:
            thread.join()
        if failed:
            raise CommandError(failed[0].failure())
    return output.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class _Running:
    process: "subprocess.Popen[bytes]"
    words: IO[bytes]

    def wait(self, failed: list["_Running"]) -> None:
        if self.process.wait():
            failed.append(self)

    def failure(self) -> str:
        self.words.seek(0)
        lines = [line.strip() for line in self.words.read().decode(errors="replace").splitlines() if line.strip()]
        argv, said = self.process.args, lines[-1] if lines else "it said nothing"
        command = " ".join(str(argv[-1] if isinstance(argv, list) else argv).removeprefix(f"env {MARK} ").split())
        return f"{command:.60} failed with status {self.process.returncode}: {said}"
