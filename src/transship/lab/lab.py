import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from transship.errors import LabError
from transship.lab import access, places, programs, record, registry
from transship.lab.cgroups import hierarchies
from transship.lab.images import Image, ImageStore
from transship.lab.netns import Network
from transship.lab.node import Node, daemon_settings
from transship.lab.options import LabOptions
from transship.lab.processes import ProcessId
from transship.lab.record import LabRecord
from transship.lab.rootfs import RootFilesystem
from transship.lab.seed import Seed
from transship.metrics.events import Recorder

PROGRAMS = ("ip", "tc", "unshare", "nsenter", "mount", "setsid", "pivot_root", "ssh-keygen", "losetup", "mkfs.ext4")
CLEANING = places.STATE / ".cleaning"


class Lab:
    """Throwaway Docker hosts h1, h2 and so on, on this machine, wired to each other and to nothing else.

    As a context manager it is up inside the block and leaves nothing behind, whatever ends the block; if this process
    is killed, the next lab of that name, or `down`, removes what is left. `Lab.up` makes one that stays up after
    this process; `Lab.open` finds one.
    """

    def __init__(self, options: LabOptions, *, recorder: Recorder | None = None) -> None:
        self.options = options
        self._recorder = recorder or Recorder()
        self._record: LabRecord | None = None
        self._leash = ExitStack()

    @classmethod
    def up(cls, options: LabOptions, *, recorder: Recorder | None = None, images: Sequence[str] = ()) -> Self:
        """Make a lab that stays up until `down`, and give all its hosts these images.

        After a failure or Ctrl-C nothing of it is left.
        """
        lab = cls(options, recorder=recorder)
        with ExitStack() as undo:
            undo.push(lab)
            lab._start()
            for node, image in product(lab.nodes, images):
                lab.load(node, image)
            lab.close()
            undo.pop_all()
        lab._record = lab.record.detached()
        lab._leash.close()
        return lab

    @classmethod
    def open(cls, name: str) -> Self:
        """Find a lab that is up. Raises `LabError` when there is none of that name, or when its process has died."""
        found = record.load(name)
        if found is None:
            raise LabError(f"there is no lab {name}", hint="transship lab list shows those that are up")
        if found.abandoned:
            raise LabError(f"the lab {name} is what an ended process left", hint=f"transship lab down --name {name}")
        lab = cls(found.options)
        lab._record = found
        return lab

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def record(self) -> LabRecord:
        if self._record is None:
            raise LabError(f"the lab {self.options.name} is not up")
        return self._record

    @cached_property
    def hosts(self) -> dict[str, Node]:
        """The hosts by name, `h1` first."""
        return {node.name: node for node in nodes_of(self.record)}

    @property
    def nodes(self) -> list[Node]:
        return list(self.hosts.values())

    @property
    def ssh_config(self) -> Path:
        """A file for `ssh -F`: an entry for each host's alias, with the lab's key and the pinned host keys."""
        return self.record.folder / access.CONFIG

    @property
    def registry(self) -> str:
        """The registry's `ADDRESS:PORT`. Raises `LabError` when the lab has none."""
        if self._registry is None:
            raise LabError(f"the lab {self.options.name} has no registry", hint="make it with --registry tls")
        return registry.address_of(self._registry)

    @property
    def network(self) -> Network:
        return network_of(self.record)

    def load(self, node: Node, name: str) -> str:
        """Give a host one of `images.NAMES` and return the image's reference, such as `redis:latest`.

        The first time on this machine the image is built, from Debian's packages; then it is a matter of seconds.
        """
        node.load(self._images.archive(name))
        return f"{name}:latest"

    def load_program(self, node: Node, name: str, image: Image) -> str:
        """Give a host an image made of Debian's packages that is none of the lab's own, and return its reference."""
        node.load(self._images.program_archive(name, image))
        return f"{name}:latest"

    def load_synthetic(self, node: Node, reference: str, megabytes: Sequence[int]) -> str:
        """Give a host an image with one layer of so many megabytes for each number, and return its reference."""
        with TemporaryDirectory() as folder:
            archive = Path(folder, "image.tar")
            self._images.write_synthetic(archive, reference, megabytes)
            node.load(archive)
        return reference

    def push(self, node: Node, reference: str) -> str:
        """Push an image that a host has to the lab's registry and return the reference that it has there."""
        name = f"{self.registry}/{reference}"
        node.push(reference, name)
        return name

    def down(self) -> None:
        """Remove everything of the lab. Not up: fine."""
        if self._record is not None:
            for node in self.nodes:
                node.close()
            remove(self._record)
            self._leash.close()
            self._record = None
            for cached in ("hosts", "_registry"):
                self.__dict__.pop(cached, None)

    def close(self) -> None:
        """Close the connections to the hosts' Docker; the lab stays up."""
        for node in self.nodes:
            node.close()

    @property
    def _images(self) -> ImageStore:
        return ImageStore(self.options.mirror, self._recorder)

    def _start(self) -> None:
        require_root()
        for program in PROGRAMS:
            programs.find(program)
        require_cgroups(self.options)
        for suite in sorted({host.suite for host in self.options.hosts}):
            RootFilesystem.host(suite).ready(self.options.mirror, self._recorder)
        remove_abandoned(self.options.name)
        try:
            with record.free_subnet(self.options.name) as index:
                disks = places.cache() / "disks" / self.options.name
                self._record = LabRecord(self.options, index, ProcessId.of(os.getpid()), disks)
                self._record.save()
                self._leash.enter_context(programs.leash(self._record.leash))
            self._build()
        except BaseException:
            self.down()
            raise

    @cached_property
    def _registry(self) -> Node | None:
        return registry.node_of(self.record)

    def _build(self) -> None:
        with self._recorder.phase("install", f"{len(self.nodes)} hosts"):
            self.network.create()
            self._install()
        self._each("boot", Node.power_on, Node.wait_booted)
        self._each("services", Node.start_sshd, start_docker, Node.wait_ssh, Node.wait_docker)
        if self._registry:
            with self._recorder.phase("registry", self.registry):
                self._registry.power_on()
                self._registry.wait_booted()
                registry.start(self._registry)

    def _install(self) -> None:
        folder = self.record.folder
        public_key = access.make_key(folder / access.KEY, f"transship-lab-{self.record.name}")
        if self._registry:
            registry.make_certificates(self._registry)
        names = {node.name: node.address for node in [*self.nodes, *filter(None, [self._registry])]}
        host_keys: dict[str, str] = {}
        for node in self.nodes:
            daemon = daemon_settings(node.options, registry.client_daemon(self._registry))
            files = registry.client_files(self._registry)
            seed = Seed(node.name, names, public_key, node.options.sshd, daemon, files)
            host_keys[node.ssh_alias] = node.install(seed)
        if self._registry:
            files = registry.server_files(self._registry)
            self._registry.install(Seed(self._registry.name, names, public_key, {}, {}, files))
        access.write_ssh_config(folder, {node.ssh_alias: node.address for node in self.nodes}, host_keys)

    def _each(self, phase: str, *actions: Callable[[Node], None]) -> None:
        """Do one action on all hosts before the next, so that they come up side by side."""
        with self._recorder.phase(phase, f"{len(self.nodes)} hosts"):
            for action in actions:
                for node in self.nodes:
                    action(node)


def start_docker(node: Node) -> None:
    node.spawn(["/usr/sbin/dockerd"])


def network_of(lab: LabRecord) -> Network:
    """The wires of a lab, whether they are laid or not."""
    return Network(lab.name, lab.index)


def nodes_of(lab: LabRecord) -> list[Node]:
    """The hosts of a lab, whether they run or not."""
    return [Node(lab, f"h{number}", number, host) for number, host in enumerate(lab.options.hosts, start=1)]


def remove(lab: LabRecord) -> None:
    """Remove all that there may be of a lab, however far it came: processes, mounts, links, routes, files.

    Raises `LabError` when another process is using it, or when something withstands; then a second call goes on.
    """
    if lab.owner and lab.owner.alive and lab.owner.pid != os.getpid():
        raise LabError(f"the lab {lab.name} is {lab.state}", hint=f"end process {lab.owner.pid}; it takes its lab down")
    if lab.abandoned:
        with places.locked(lab.leash):  # until what the dead owner had begun is finished
            pass
    for node in filter(None, [*nodes_of(lab), registry.node_of(lab)]):
        node.kill()
    network_of(lab).remove()
    for folder in (lab.disks, lab.folder):
        if folder.exists():
            shutil.rmtree(folder)


def take_down(name: str) -> None:
    """Remove the lab of this name, if there is one: up, or left by an ended process."""
    require_root()
    with places.locked(CLEANING):
        if found := record.load(name):
            remove(found)


def remove_abandoned(name: str = "") -> None:
    """Remove what killed processes left: of the lab with this name, or of all."""
    require_root()
    with places.locked(CLEANING):
        for lab in record.load_all():
            if lab.abandoned and name in {"", lab.name}:
                remove(lab)


def require_cgroups(options: LabOptions) -> None:
    """Raise `LabError` when a host is to have cgroup version 1 and this machine has none."""
    if any(host.cgroup == "v1" for host in options.hosts) and all(tree.unified for tree in hierarchies()):
        raise LabError(
            "this machine has no cgroup version 1", hint="leave --cgroup v1 away: limits work without it here"
        )


def require_root() -> None:
    """Raise `LabError` unless we may make namespaces and mounts."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root, because it makes network namespaces and mounts", hint="run it as root")
    places.private_folder(places.STATE)
