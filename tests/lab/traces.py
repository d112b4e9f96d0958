"""What a lab leaves on the machine, looked for without the lab's own code where that is possible."""

import subprocess
from pathlib import Path

from transship.lab import places
from transship.lab.lab import network_of
from transship.lab.record import LabRecord, load_all


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def of_kind(record: LabRecord) -> dict[str, list[str]]:
    """All that belongs to a lab, by kind."""
    network = network_of(record)
    taken_over = any(lab.index == record.index and lab.name != record.name for lab in load_all())
    group = f"transship.{record.name}."
    return {
        "namespaces": _with(output("ip", "netns", "list"), f"transship.{record.name}"),
        "links": [
            link for link in output("ip", "-o", "link").splitlines() if link.endswith(f"link-netns {network.switch}")
        ],
        "routes": [] if taken_over else _with(output("ip", "route", "show", "table", "all"), str(network.subnet)),
        "mounts": _with(Path("/proc/self/mountinfo").read_text(), f"transship.{record.name}", str(record.disks)),
        "groups": [str(path) for path in Path("/sys/fs/cgroup").rglob(f"{group}*")],
        "processes": [folder.name for folder in Path("/proc").glob("[0-9]*") if _runs_in(folder, group)],
        "loops": _with(output("losetup", "-a"), str(record.disks)),
        "folders": [str(path) for path in (record.folder, record.disks) if path.exists()],
    }


def left(record: LabRecord) -> list[str]:
    return [trace for traces in of_kind(record).values() for trace in traces]


def everything_named(name: str) -> list[str]:
    """Traces by name alone, for a lab that may not have got as far as a record."""
    named = _with(output("ip", "netns", "list"), f"transship.{name}")
    return [*named, *(str(path) for path in (places.STATE / name, places.cache() / "disks" / name) if path.exists())]


def _with(text: str, *words: str) -> list[str]:
    return [line for line in text.splitlines() if any(word in line for word in words)]


def _runs_in(process: Path, group: str) -> bool:
    ended = "State:\tZ" in _text(process / "status")  # only its parent, not the lab, can take a zombie away
    return group in _text(process / "cgroup") and not ended


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
