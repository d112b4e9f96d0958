"""Two hosts on which one move after the other is disturbed, and what is found on them."""

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tests.faults import workload
from tests.faults.fault import Fault
from transship.hosts.base import Json
from transship.lab import HostOptions, Lab, LabOptions, Node
from transship.lab.processes import wait_until

HOSTS = (HostOptions(), HostOptions(disk="1G"))
"""The target has a small disk of its own, which can be filled."""

_RECORDS = "/var/lib/transship"
_RUN = "/run/transship"
_MEMORY = "/run/transship-live"
_AGENT_IMAGE = "transship-agent:"


def options(name: str, *, live: bool = False) -> LabOptions:
    """The lab of an arena; `live`: of one in which memory can move."""
    return LabOptions(name=name, hosts=tuple(replace(each, suite="sid") for each in HOSTS) if live else HOSTS)


@dataclass
class Arena:
    """The hosts, and a folder for the journals of the coordinators.

    `usual` is how long an undisturbed move takes, by variant, and `told` has the phases that it told. `doubtful` are
    the sides whose dockerd was killed: until it is restarted in order it may take ports for allocated that nobody has.
    """

    lab: Lab
    folder: Path
    usual: dict[str, float] = field(default_factory=dict)
    told: dict[str, tuple[str, ...]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)

    @property
    def source(self) -> Node:
        return self.lab.nodes[0]

    @property
    def target(self) -> Node:
        return self.lab.nodes[1]

    def node(self, side: str) -> Node:
        return self.target if side == "target" else self.source

    def address(self, side: str, user: str) -> str:
        return f"ssh://{user}@{self.node(side).ssh_alias}"

    def reset(self, fault: Fault) -> str:
        """Begin anew: one copy on the source, and nothing of it on the target. Returns the copy's id."""
        for node in (self.source, self.target):
            _empty(node)
        for side in tuple(self.doubtful):
            self.restart(side)
        self.lab.load(self.source, "busybox")
        if fault.image:
            self.lab.load(self.target, "busybox")
        return workload.run(self.source, policy=fault.policy, volume=fault.has_volume, network=fault.network)

    def restart(self, side: str) -> None:
        """Restart the dockerd of a side on which no copy runs, and end what one that was killed has left there."""
        node = self.node(side)
        node.stop_dockerd()
        _kill(_running(node, "docker-proxy"))
        node.start_dockerd()
        self.doubtful.discard(side)

    def mend(self) -> None:
        """Repair the hosts, whatever was done to them."""
        for node in (self.source, self.target):
            if not node.group.processes():
                node.boot()
            node.mend()
            node.set_rate(None)
            if node.image:
                node.free_disk()
            if not _running(node, "dockerd"):
                node.start_dockerd()
            wait_until(partial(_settled, node), 20, "the containers that Docker restarts had settled")


def _empty(node: Node) -> None:
    docker = node.docker
    for each in docker.containers(all=True):
        docker.remove_container(each["Id"], force=True, v=True)
    # After a cut the host's sshd does not know for hours that nobody is there any more; and a dockerd that was killed
    # leaves processes behind that hold the ports of its containers.
    _kill((*agents(node), *_running(node, "docker-proxy")))
    for network in docker.networks(filters={"type": "custom"}):
        docker.remove_network(network["Id"])
    for volume in docker.volumes()["Volumes"] or ():
        docker.remove_volume(volume["Name"], force=True)
    for image in docker.images(all=True):
        if "busybox:latest" not in (image["RepoTags"] or ()) or node.image:
            docker.remove_image(image["Id"], force=True)
    node.output(["rm", "-rf", _RECORDS, _RUN])


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _running(node: Node, name: str) -> list[int]:
    return [process.pid for process in node.group.processes() if _comm(process.pid) == name]


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _settled(node: Node) -> bool:
    return not any(each["State"] in {"restarting", "removing"} for each in node.docker.containers(all=True))


def snapshot(node: Node) -> dict[str, list[str]]:
    """All that a host's Docker has, but for what runs, and for what belongs to agents.

    Where root is had by way of Docker, an agent's container has an empty image, which a lost coordinator leaves behind:
    agents that start there an hour later take it away.
    """
    docker = node.docker
    images = [each for each in docker.images() if not _of_agent(each)]
    containers = [each for each in docker.containers(all=True) if not each["Image"].startswith(_AGENT_IMAGE)]
    return {
        "containers": sorted(each["Names"][0] for each in containers),
        "images": sorted(f"{each['Id']} {sorted(each['RepoTags'] or ())}" for each in images),
        "networks": sorted(each["Name"] for each in docker.networks()),
        "volumes": sorted(each["Name"] for each in docker.volumes()["Volumes"] or ()),
    }


def _of_agent(image: Json) -> bool:
    return any(name.startswith(_AGENT_IMAGE) for name in image["RepoTags"] or ()) and not image["Size"]


def records(node: Node) -> list[Json]:
    """The records of migrations on a host."""
    folder = node.root / _RECORDS.lstrip("/")
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))] if folder.exists() else []


def leftovers(node: Node) -> list[str]:
    """What must not be on a host when nobody is at work there: locks, drafts of records, memory images, keepers."""
    found = []
    for folder in (_RECORDS, f"{_RUN}/locks", _RUN):
        path = node.root / folder.lstrip("/")
        if path.exists():
            found += [
                f"{folder}/{each.name}" for each in path.iterdir() if each.suffix != ".json" and not each.is_dir()
            ]
    images = node.root / _MEMORY.lstrip("/")
    found += [f"{_MEMORY}/{each.name}" for each in images.iterdir()] if images.exists() else []
    return [*found, *(f"a keeper ({pid})" for pid, keeps in agents(node).items() if keeps)]


def agents(node: Node) -> dict[int, bool]:
    """The agents on a host, by the machine's number of their process, and whether each is a keeper: it holds a lock."""
    found = {}
    for process in node.group.processes():
        folder = Path("/proc", str(process.pid))
        try:
            if b"transship_agent.main" not in (folder / "cmdline").read_bytes():
                continue
            if (folder / "comm").read_text().strip() in {"sudo", "docker", "sh", "bash"}:
                continue
            found[process.pid] = any("/transship/locks/" in str(each.readlink()) for each in (folder / "fd").iterdir())
        except OSError:  # it ended between two looks
            continue
    return found


def running_with(node: Node, words: Iterable[bytes]) -> list[int]:
    """The processes of a host that have one of these on their command line."""
    found = []
    for process in node.group.processes():
        try:
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            continue
        found += [process.pid] if any(word in line for word in words) else []
    return found


def sessions(node: Node) -> list[int]:
    """The processes of a host that each serve one login over SSH."""
    found = []
    for process in node.group.processes():
        try:
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith((b"sshd-session: ", b"sshd: ")) and b"listener" not in words:
            found.append(process.pid)
    return found


def masters(coordinator: int, alias: str) -> list[int]:
    """The ssh of a coordinator that holds its connection to a host."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if parent == str(coordinator) and words[:2] == ["ssh", "-M"] and alias in words:
            found.append(int(folder.name))
    return found
