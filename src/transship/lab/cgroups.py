import os
import re
from dataclasses import dataclass
from pathlib import Path

from transship.errors import LabError
from transship.lab import inside
from transship.lab.processes import ProcessId, wait_until


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One tree of control groups that this machine has mounted."""

    mount: Path
    options: str
    """What a mount of the same tree inside a host must say (`cpu`; `none,name=systemd`); empty for version 2."""

    @property
    def unified(self) -> bool:
        """Whether this is version 2, where one tree serves all controllers."""
        return not self.options


def hierarchies() -> list[Hierarchy]:
    """Every mounted tree. Only trees on a hybrid machine are several: version 1 with the controllers, and version 2."""
    found: dict[str, Hierarchy] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, rest = line.partition(" - ")
        kind, _, options = rest.split(maxsplit=2)
        if kind == "cgroup2":
            found.setdefault("", Hierarchy(_unescape(place.split()[4]), ""))
        elif kind == "cgroup":
            words = [word for word in options.split(",") if word not in {"rw", "ro"} and "agent=" not in word]
            own = ",".join(["none", *words] if words[0].startswith("name=") else words)
            found.setdefault(own, Hierarchy(_unescape(place.split()[4]), own))
    if not any(tree.unified for tree in found.values()):
        raise LabError(
            "this machine has no cgroup version 2 mounted", hint="mount -t cgroup2 none /sys/fs/cgroup/unified"
        )
    return list(found.values())


def _unescape(path: str) -> Path:
    return Path(re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), path))


@dataclass(frozen=True, slots=True)
class HostGroup:
    """The control group of one host, the same name in every tree."""

    name: str
    trees: tuple[Hierarchy, ...]

    @property
    def folders(self) -> list[Path]:
        return [tree.mount / self.name for tree in self.trees]

    @property
    def leaves(self) -> list[Path]:
        """Where the host's own processes belong: in version 2, a group that hands controllers down may have none."""
        return [tree.mount / self.name / ("init" if tree.unified else "") for tree in self.trees]

    def create(self) -> None:
        """Make the group, ready to be joined."""
        for tree in self.trees:
            if tree.unified:
                _delegate(tree.mount)
            folder = tree.mount / self.name
            folder.mkdir(exist_ok=True)
            if tree.unified:
                (folder / "init").mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):  # version 1 lets nobody in until both are set
                if not tree.unified and (folder / setting).exists():
                    (folder / setting).write_text((tree.mount / setting).read_text())

    def processes(self) -> list[ProcessId]:
        """All that runs in the group or below it."""
        found: set[ProcessId] = set()
        for folder in self.folders:
            for file in folder.rglob("cgroup.procs"):
                found.update(_members(file))
        return list(found)

    def remove(self) -> None:
        """End all that runs in the group, and remove it. Not there: fine."""

        def gone() -> bool:
            for process in self.processes():
                process.kill()
            return not [folder for folder in self.folders if not _removed(folder)]

        wait_until(gone, 20, f"the control group {self.name} was free")


def _members(file: Path) -> set[ProcessId]:
    try:
        numbers = file.read_text().split()
    except OSError:  # the group was removed meanwhile (ENOENT, ENODEV), or is threaded and has no processes of its own
        return set()
    return {process for number in numbers if (process := ProcessId.of(int(number)))}


def _delegate(root: Path) -> None:
    """Let groups below the root of a version 2 tree use its controllers; none are there on a hybrid machine."""
    controllers = (root / "cgroup.controllers").read_text().split()
    enabled = (root / "cgroup.subtree_control").read_text().split()
    for name in inside.CONTROLLERS.intersection(controllers).difference(enabled):
        try:
            (root / "cgroup.subtree_control").write_text(f"+{name}")
        except OSError as error:
            raise LabError(
                f"the control group {root} does not hand the controller {name} down: {error.strerror}",
                hint="run the lab on the machine itself, or in a container that owns its control groups",
            ) from error


def _removed(folder: Path) -> bool:
    if not folder.exists():
        return True
    for below, _, _ in os.walk(folder, topdown=False):
        try:
            Path(below).rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # EBUSY: an ended process is still being taken out
            return False
    return True
