"""What runs while a host comes up: standard library only, started as a file, so that it is there in a few ms.

`boot SPEC` joins the host's control groups, `unshare SPEC` then leaves for namespaces of its own, and `root SPEC`, now
process 1 of the host, builds the root filesystem and becomes tini.
`join GROUP... -- PROGRAM...` runs a program in the host's control groups.
"""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEVICES = {
    "null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0),
    "fuse": (10, 229), "net/tun": (10, 200),
}  # fmt: skip
CONTROLLERS = {"cpu", "cpuset", "io", "memory", "pids"}
"""What Docker limits containers with, where it is in the tree of version 2."""


def boot(file: str) -> None:
    """Join the host's control groups, and make them the ones that it sees as its roots."""
    spec = json.loads(Path(file).read_text())
    join(spec["groups"])
    note_process(Path(spec["outer_file"]))
    become(["nsenter", f"--net={spec['netns']}", "unshare", "-C", *again("unshare", file)])


def leave_roots(file: str) -> None:
    """Go down into the leaves, and from there into the other namespaces; goes on as what waits for process 1."""
    spec = json.loads(Path(file).read_text())
    join(spec["leaves"])
    become(["unshare", "-m", "-p", "-u", "-i", "--fork", "--kill-child", *again("root", file)])


def become(argv: list[str]) -> NoReturn:
    os.execvpe(argv[0], argv, {**os.environ, "PATH": PATH})  # noqa: S606 - the same process goes on, by design


def again(word: str, file: str) -> list[str]:
    return [sys.executable, "-I", "-S", __file__, word, file]


def join(groups: list[str]) -> None:
    for group in groups:
        Path(group, "cgroup.procs").write_text(str(os.getpid()))


def note_process(file: Path) -> None:
    """Write down who we are, as /proc of the machine sees it: there, /proc/self is ours also in a new pid namespace."""
    pid = Path("/proc/self").readlink()
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    draft = file.with_name(file.name + ".new")
    draft.write_text(f"{pid} {fields[19]}\n")
    draft.rename(file)


def root(file: str) -> None:
    """Never returns: ends as process 1 of the host."""
    spec = json.loads(Path(file).read_text())
    note_process(Path(spec["inner_file"]))
    socket.sethostname(spec["hostname"])
    mount("--make-rprivate", "/")
    new = stack_filesystem(spec)
    mount("-t", "proc", "proc", new / "proc")
    mount("-t", "sysfs", "sysfs", new / "sys")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", new / "run")
    for name in ("sshd", "lock"):
        (new / "run" / name).mkdir()
    make_devices(new / "dev")
    mount_groups(spec, new / "sys/fs/cgroup")
    enter(new)
    become(["/usr/bin/tini", "--", "sleep", "infinity"])


def stack_filesystem(spec: dict[str, Any]) -> Path:
    """Overlay the host's own disk over the lab's files for it over the shared root filesystem."""
    disk = Path(spec["disk"])
    own = disk
    if spec["image"]:
        own = disk / "mounted"
        own.mkdir(exist_ok=True)
        mount("-o", "loop", spec["image"], own)
    for name in ("upper", "work", "docker"):
        (own / name).mkdir(exist_ok=True)
    new = disk / "root"
    new.mkdir(exist_ok=True)
    lower = f"{spec['seed']}:{spec['rootfs']}"
    mount("-t", "overlay", "-o", f"lowerdir={lower},upperdir={own}/upper,workdir={own}/work", "overlay", new)
    (new / "var/lib/docker").mkdir(exist_ok=True, mode=0o710)
    mount("--bind", own / "docker", new / "var/lib/docker")
    return new


def make_devices(folder: Path) -> None:
    """Only devices that touch nothing of the machine: a privileged container must not see its disks."""
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    for name in ("pts", "shm", "mqueue", "net"):
        (folder / name).mkdir()
    for name, (major, minor) in DEVICES.items():
        os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        (folder / name).chmod(0o666)
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620,gid=5", "devpts", folder / "pts")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", folder / "shm")
    mount("-t", "mqueue", "mqueue", folder / "mqueue")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        (folder / name).symlink_to(target)


def mount_groups(spec: dict[str, Any], folder: Path) -> None:
    if spec["cgroup"] == "v1":
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
        for name, options in spec["v1_trees"].items():
            (folder / name).mkdir()
            mount("-t", "cgroup", "-o", options, "cgroup", folder / name)
        return
    mount("-t", "cgroup2", "cgroup2", folder)
    for name in CONTROLLERS.intersection((folder / "cgroup.controllers").read_text().split()):
        (folder / "cgroup.subtree_control").write_text(f"+{name}")


def enter(new: Path) -> None:
    os.chdir(new)
    subprocess.run(["pivot_root", ".", "mnt"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "-l", "/mnt"], check=True)


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def main(argv: list[str]) -> None:
    if argv[0] == "boot":
        boot(argv[1])
    elif argv[0] == "unshare":
        leave_roots(argv[1])
    elif argv[0] == "root":
        root(argv[1])
    elif argv[0] == "join":
        split = argv.index("--")
        join(argv[1:split])
        become(argv[split + 1 :])
    raise SystemExit(f"unknown word {argv[0]!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
