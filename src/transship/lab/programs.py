import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from transship.errors import LabError

PACKAGE_OF = {
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "tc": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "util-linux",
    "setsid": "util-linux",
    "pivot_root": "util-linux",
    "ssh-keygen": "openssh-client",
    "openssl": "openssl",
    "mkfs.ext4": "e2fsprogs",
    "losetup": "util-linux",
    "apt-get": "apt",
    "chroot": "coreutils",
    "useradd": "passwd",
}
"""The programs of the machine that a lab is built with, and the Debian package of each."""

_leashes: set[int] = set()


@contextmanager
def leash(file: Path) -> Iterator[None]:
    """Lock a file as long as the block, or a program that was run in it, lasts.

    Whoever gets the lock after this process was killed knows that no program of ours is still making something.
    """
    with file.open("w") as handle:
        flock(handle, LOCK_EX)
        _leashes.add(handle.fileno())
        try:
            yield
        finally:
            _leashes.remove(handle.fileno())


def find(program: str) -> str:
    """The path of a program of this machine. Raises `LabError` when it is not installed."""
    path = shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        package = PACKAGE_OF.get(program, program)
        raise LabError(
            f"the program {program} is not installed on this machine",
            hint=f"install it: apt-get install {package}",
        )
    return path


def run(argv: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    """Run a program of this machine and return what it printed. Raises `LabError` with its last words if it fails."""
    command = [find(argv[0]), *argv[1:]]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, env=env, pass_fds=tuple(_leashes))
    if done.returncode != 0:
        raise LabError(f"{argv[0]} failed ({' '.join(argv[1:4])} ...): {last_words(done.stderr or done.stdout)}")
    return done.stdout.decode(errors="replace")


def last_words(output: bytes) -> str:
    """The last line of a program's output that is not empty, for an error's sentence."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
