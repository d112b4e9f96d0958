"""Two throwaway hosts of the lab, made for an experiment and gone after it."""

import json
import os
import shlex
import stat
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from transship.bench.environment import Place
from transship.bench.job import Ends
from transship.bench.matrix import HostsFactor, ImageFactor
from transship.bench.meter import metered
from transship.bench.pair import Cells, Meter, SceneError, output
from transship.bench.result import Cache
from transship.hosts.base import Host
from transship.lab import HostOptions, Lab, LabOptions, Node, access, programs
from transship.metrics.events import Recorder

_STATE = ("var/lib/docker/volumes", "var/lib/docker/overlay2", "var/lib/docker/containerd")
_OWN_SSH = "root/.ssh"


@dataclass
class LabPair:
    """The lab's hosts h1 and h2; all that Docker has on them belongs to the experiment."""

    lab: Lab
    source: Host
    target: Host
    ends: Ends
    _provided: dict[str, ImageFactor] = field(default_factory=dict)
    """By the reference that the hosts know them by."""
    place: Place = "lab"

    @classmethod
    @contextmanager
    def up(cls, name: str, kind: HostsFactor, recorder: Recorder) -> Iterator[Self]:
        """Make the lab `name`, after removing what a killed experiment left of it. Raises `LabError`."""
        host = HostOptions(suite=kind.suite, store=kind.store)
        with ExitStack() as stack:
            lab = stack.enter_context(Lab(LabOptions(name=name, hosts=(host, host)), recorder=recorder))
            here, there = (f"ssh://{node.ssh_alias}" for node in lab.nodes)
            ends = Ends(here, there, str(lab.ssh_config))
            source, target = (stack.enter_context(ends.connect(each)) for each in (here, there))
            _let_log_in(lab.nodes[0], lab)
            yield cls(lab, source, target, ends)

    def objections(self, cells: Cells) -> Iterable[str]:  # noqa: ARG002 - a lab is made to fit
        return ()

    def provide(self, image: ImageFactor) -> str:
        reference = _reference(image)
        if reference not in self._provided:
            self._load(self.lab.nodes[0], image)
            self._provided[reference] = image
        return reference

    def clear(self, reference: str, cache: Cache) -> None:
        wanted = {reference} if cache == "warm" else set()
        for host in (self.target, self.source):  # a worker whose manager goes first waits for it, for seconds
            _leave_swarm(host)
        with ThreadPoolExecutor(max_workers=2) as both:
            emptied = [
                both.submit(_empty, host, images)
                for host, images in ((self.source, set(self._provided)), (self.target, wanted))
            ]
        for each in emptied:
            each.result()
        if wanted - _references(self.target):
            self._load(self.lab.nodes[1], self._provided[reference])
        _expect(self.source, set(self._provided))
        _expect(self.target, wanted)

    def join_swarm(self) -> tuple[str, str]:
        manager, worker = self.lab.nodes
        manager.docker.init_swarm(advertise_addr=manager.address)
        token = manager.docker.inspect_swarm()["JoinTokens"]["Worker"]
        worker.docker.join_swarm([f"{manager.address}:2377"], token)  # not as a command, whose words all may read
        return manager.name, worker.name

    def _load(self, node: Node, image: ImageFactor) -> None:
        if image.add_mb:
            self.lab.load_synthetic(node, _reference(image), image.add_mb)
        else:
            self.lab.load(node, image.workload)

    def settle(self) -> None:
        os.sync()
        for place in _STATE:
            _forget(self.lab.nodes[0].root / place)

    def shape(self, mbit: float | None, delay_ms: float) -> None:
        for node in self.lab.nodes:
            node.set_rate(None if mbit is None else f"{mbit * 1000:.0f}kbit")
        config = self.lab.ssh_config
        if delay_ms:
            config = config.with_name(f"{config.name}-delayed")
            forwarder = [sys.executable, "-m", "transship.bench.delay", "%h", "%p", f"{delay_ms:g}"]
            words = f"Host *\n    ProxyCommand {shlex.join(forwarder)}\n"
            config.touch(mode=0o600)
            config.write_text(self.lab.ssh_config.read_text() + words)
        self.ends = replace(self.ends, ssh_config=str(config))

    def carried(self) -> int | None:
        target = self.lab.nodes[1]
        shown = programs.run(["ip", "-n", self.lab.network.switch, "-s", "-j", "link", "show", "dev", target.name])
        return int(json.loads(shown)[0]["stats64"]["tx"]["bytes"])

    @contextmanager
    def metered(self) -> Iterator[Meter]:
        groups = dict(zip(("source", "target"), (node.group for node in self.lab.nodes), strict=True))
        with metered(groups) as meter:
            yield meter


def _reference(image: ImageFactor) -> str:
    if not image.add_mb:
        return f"{image.workload}:latest"
    return f"transship-bench/{image.workload}:{'-'.join(map(str, image.add_mb))}"


def _leave_swarm(host: Host) -> None:
    if host.docker.info()["Swarm"]["LocalNodeState"] != "inactive":
        output(host, "docker", "swarm", "leave", "--force")


def _references(host: Host) -> set[str]:
    """The names of a host's images, and the ids of those that have none."""
    found = set()
    for each in host.docker.list_images():
        found.update([tag for tag in each["RepoTags"] or () if tag != "<none>:<none>"] or [each["Id"]])
    return found


def _empty(host: Host, kept: set[str]) -> None:
    """Remove all containers, volumes and images of a host, but for the images `kept`."""
    for container in host.docker.containers():
        host.docker.remove_container(container["Id"], volumes=True)
    for volume in _volumes(host):
        host.docker.remove_volume(volume)
    for name in _references(host) - kept:
        host.docker.remove_image(name)


def _volumes(host: Host) -> list[str]:
    return output(host, "docker", "volume", "ls", "--quiet").split()


def _expect(host: Host, images: set[str]) -> None:
    """Raise `SceneError` unless a host has these images and nothing else."""
    left = [name for each in host.docker.containers() for name in each["Names"]] + _volumes(host)
    if left or _references(host) != images:
        odd = sorted({*left, *(_references(host) ^ images)})
        raise SceneError(f"{host.name} is not as a run must find it: {', '.join(odd)}")


def _let_log_in(node: Node, lab: Lab) -> None:
    """Let root on one host log in to the others, as those have it who copy from host to host."""
    folder = node.root / _OWN_SSH
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in (access.KEY, access.KNOWN_HOSTS, access.CONFIG):
        text = (lab.record.folder / name).read_text().replace(str(lab.record.folder), f"/{_OWN_SSH}")
        file = folder / ("config" if name == access.CONFIG else name)
        file.touch(mode=0o600)
        file.write_text(text)


def _forget(folder: Path) -> None:
    """Let the kernel drop what it has read of the files below a folder; what is mapped stays."""
    for below, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each != "merged"]  # shows the same files once more
        for name in names:
            path = Path(below, name)
            try:
                if not stat.S_ISREG(path.lstat().st_mode):
                    continue
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:  # a container is writing there
                continue
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
