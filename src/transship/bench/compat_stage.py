"""Two lab hosts on which programs are started, asked, and moved while they run."""

import io
import json
import socket
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from transship import api
from transship.bench.attached import Attached
from transship.bench.compat import Afterwards, Asked, Looked, Mode, Process, Versions
from transship.bench.conversations import Connection, Conversation, Stream
from transship.bench.environment import describe, look_at, revision
from transship.bench.job import Ends
from transship.bench.pair import SceneError
from transship.bench.programs import IMAGES, Program
from transship.errors import TransshipError
from transship.lab import Lab, Node
from transship.lab.pipes import large_pipes
from transship.result import MoveResult

CONTAINER = "transship-compat"
SUITE = "sid"
"""Of Debian's CRIU only that of sid reads TCP sockets on a kernel from 6.16 on."""

_NETWORK = "transship-compat"
_FREE_ADDRESS = 200
"""In the lab's subnet, beyond all hosts that such a lab has."""

_SERVES_S = 180.0
_ANSWER_S = 30.0
_QUESTIONS = 3

_LOOK = b"""
import hashlib, json, os, sys
space = os.readlink("/proc/" + sys.argv[1] + "/ns/pid")
found = []
for each in filter(str.isdigit, os.listdir("/proc")):
    try:
        if os.readlink("/proc/" + each + "/ns/pid") != space:
            continue
        status = open("/proc/" + each + "/status").read()
        start = open("/proc/" + each + "/auxv", "rb").read()
    except OSError:
        continue
    words = dict(line.split(":", 1) for line in status.splitlines())
    if start:
        pid, name = int(words["NSpid"].split()[-1]), words["Name"].strip()
        found.append([pid, name, hashlib.sha256(start).hexdigest()])
print(json.dumps(found))
"""
"""Lists the processes of a container, but for zombies."""


@dataclass(frozen=True)
class Held:
    """A program that serves on the source, and the conversation that a client has with it."""

    conversation: Conversation
    before: Looked


@dataclass(frozen=True)
class Stage:
    """The hosts h1 and h2 of a lab, between which one program at a time is moved."""

    lab: Lab
    versions: Versions
    _packages: dict[str, str] = field(default_factory=dict)
    """The versions of Debian packages in the images."""

    @classmethod
    def on(cls, lab: Lab) -> Self:
        """Look at the hosts, and give both the network on which an address can move. Raises `TransshipError`."""
        subnet = lab.nodes[0].address.rpartition(".")[0]
        for node in lab.nodes:
            node.output(
                ["docker", "network", "create", "--driver", "macvlan", "--subnet", f"{subnet}.0/24",
                 "--gateway", f"{subnet}.1", "--opt", "parent=eth0", _NETWORK]
            )  # fmt: skip
        ends = _ends(lab)
        with ends.connect(ends.source) as source, ends.connect(ends.target) as target:
            place = describe("lab", look_at(source), look_at(target))
        return cls(lab, Versions.of(place, revision()))

    def provide(self, program: Program) -> str:
        """Have both hosts know the program's image and no other, and return the version of the program.

        Raises `LabError` where the image cannot be made.
        """
        self.clear()
        reference, image = f"{program.image}:latest", IMAGES.get(program.image)
        for node in self.lab.nodes:
            known = set(node.output(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"]).split())
            if others := known - {reference}:
                node.output(["docker", "rmi", "--force", *others])
            if reference not in known and image:
                self.lab.load_program(node, program.image, image)
            elif reference not in known:
                self.lab.load(node, program.image)
        if program.package not in self._packages:
            once = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "dpkg-query", reference]
            asked = [*once, "--show", "--showformat=${Version}", program.package]
            self._packages[program.package] = self.lab.nodes[0].output(asked)
        return self._packages[program.package]

    def clear(self) -> None:
        """Remove all containers from both hosts, and what moves left."""
        for node in self.lab.nodes:
            if containers := node.output(["docker", "ps", "--all", "--quiet"]).split():
                node.output(["docker", "rm", "--force", "--volumes", *containers])
            node.output(["sh", "-c", "rm -rf /var/lib/transship /tmp/ctrd-checkpoint*"])

    @contextmanager
    def serving(self, program: Program, mode: Mode) -> Iterator[Held]:
        """Start a program on the source and keep up a conversation with it. Raises `SceneError` where it never serves.

        The processes that are looked at are those that are there to stay.
        """
        source = self.lab.nodes[0]
        self.clear()
        self._start(program, mode)
        stream, conversation = self._first_contact(program, mode)
        try:
            first = processes(source)
            asked = [_asked(conversation) for _ in range(_QUESTIONS)][-1]
            if asked.counted is None:
                raise SceneError(f"{program.name} was lost before it was moved: {asked.error}")
            yield Held(conversation, Looked(first & processes(source), asked.counted))
        finally:
            stream.close()

    def _start(self, program: Program, mode: Mode) -> None:
        source = self.lab.nodes[0]
        entry, *words = program.argv
        network = ["--network", _NETWORK, "--ip", self._address] if mode.address else []
        if program.way == "tcp" and not mode.address:
            network = ["--publish", f"{program.port}:{program.port}"]
        source.output(
            ["docker", "create", "--name", CONTAINER, *network, *program.options, "--entrypoint", entry,
             program.image, *words]
        )  # fmt: skip
        source.output(["docker", "cp", "-", f"{CONTAINER}:/"], stdin=_packed(program.files))
        source.output(["docker", "start", CONTAINER])

    def _first_contact(self, program: Program, mode: Mode) -> tuple[Stream, Conversation]:
        source = self.lab.nodes[0]
        deadline = time.monotonic() + _SERVES_S
        while True:
            try:
                return self._contact(program, mode, source)
            except (OSError, ValueError) as error:
                state = _inspected(source, "{{.State.Status}}")
                if state != "running" or time.monotonic() > deadline:
                    said = source.run(["docker", "logs", "--tail", "3", CONTAINER])
                    words = " / ".join((said.stderr + said.stdout).decode(errors="replace").splitlines())
                    raise SceneError(f"{program.name} does not serve ({state}, {error}): {words}") from error
            time.sleep(0.1)

    def _contact(self, program: Program, mode: Mode, node: Node) -> tuple[Stream, Conversation]:
        """A new conversation that has had its first answer. Raises `OSError` or `ValueError`."""
        stream = Stream(self._connection(program, mode, node))
        try:
            conversation = program.speak(stream)
            conversation.ask()
        except BaseException:
            stream.close()
            raise
        return stream, conversation

    def _connection(self, program: Program, mode: Mode, node: Node) -> Connection:
        if program.way == "tcp":
            address = self._address if mode.address else node.address
            return socket.create_connection((address, program.port), timeout=_ANSWER_S)
        terminal = program.way == "terminal"
        return Attached.to(node.root / "run/docker.sock", CONTAINER, terminal=terminal, timeout_s=_ANSWER_S)

    def move(self, mode: Mode) -> tuple[MoveResult, str]:
        """Move what serves; what became of it, and why it failed, if it did.

        Raises `SceneError` for no move at all, and `KeyboardInterrupt` when that has been undone.
        """
        ends = _ends(self.lab)
        with TemporaryDirectory() as state, large_pipes() if mode.post_copy else nullcontext():
            journey = api.Journey(CONTAINER, ends.target, ends.source, ends.config, state=Path(state))
            try:
                return api.move(journey, mode.options, agreed=lambda _: True), ""
            except TransshipError as error:
                if isinstance(error.__cause__, KeyboardInterrupt):
                    raise KeyboardInterrupt from error
                if isinstance(error.result, MoveResult):
                    return error.result, _reason(error, ends)
                raise SceneError(f"the move did not come to a result: {error}", hint=error.hint) from error

    def afterwards(self, program: Program, mode: Mode, held: Held, *, moved: bool) -> Afterwards:
        """Look where the program should run, and ask it over the old connection, if that lasts, and over a new one."""
        node = self.lab.nodes[1 if moved else 0]
        old = _asked(held.conversation) if mode.address or not moved else None
        return Afterwards(processes(node), old, tuple(self._fresh(program, mode, node)))

    def _fresh(self, program: Program, mode: Mode, node: Node) -> Iterator[Asked]:
        try:
            stream = Stream(self._connection(program, mode, node))
        except OSError as error:
            yield Asked(None, str(error))
            return
        try:
            conversation = program.speak(stream)
            for _ in range(_QUESTIONS):
                yield Asked(conversation.ask())
        except (OSError, ValueError) as error:
            yield Asked(None, str(error))
        finally:
            stream.close()

    @property
    def _address(self) -> str:
        return f"{self.lab.nodes[0].address.rpartition('.')[0]}.{_FREE_ADDRESS}"


def _ends(lab: Lab) -> Ends:
    here, there = (f"ssh://{node.ssh_alias}" for node in lab.nodes)
    return Ends(here, there, str(lab.ssh_config))


def _reason(error: TransshipError, ends: Ends) -> str:
    """Why a move failed, with what is the same everywhere; what is proven of the source afterwards is told apart."""
    told = str(error).replace(CONTAINER, "the program")
    told = " ".join(told.replace(ends.source, "the source").replace(ends.target, "the target").split())
    return told.removesuffix("; all was undone, and the source on the source runs as before")


def _asked(conversation: Conversation) -> Asked:
    try:
        return Asked(conversation.ask())
    except (OSError, ValueError) as error:
        return Asked(None, str(error))


def processes(node: Node) -> frozenset[Process]:
    """Those of the container on a host; none where it does not run."""
    pid = _inspected(node, "{{.State.Pid}}")
    if pid == "0":
        return frozenset()
    found = json.loads(node.output(["python3", "-", pid], stdin=_LOOK))
    return frozenset(Process(*each) for each in found)


def _inspected(node: Node, what: str) -> str:
    return node.output(["docker", "inspect", "--type", "container", "--format", what, CONTAINER]).strip()


def _packed(files: Mapping[str, str]) -> bytes:
    """A tar of files that everyone may read."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()
