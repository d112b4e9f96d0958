import functools
import io
import json
import os
import secrets
import select
import subprocess
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib.resources import files
from typing import Any, Self

from transship.agent import frames
from transship.agent.faults import ProtocolError
from transship.agent.frames import REPLY, Head
from transship.errors import CommandError, ConflictError, HostError, LostError, TransferError
from transship.hosts.base import Host
from transship.hosts.facts import RootAccess

__all__ = ["REPLY", "Agent", "Message", "start_agent"]

Message = dict[str, Any]
Value = str | float | Sequence[str | int] | Mapping[str, Any]
"""What a request may hold."""

PYTHON = ("python3", "-I", "-B", "-c")

BOOTSTRAP = """\
import os, sys
if sys.version_info < (3, 8):
    sys.exit("Python 3.8 or newer is needed, this is " + sys.version.split()[0])
def take(count):
    data = b""
    while len(data) < count:
        part = os.read(0, count - len(data))
        if not part:
            sys.exit("the archive was cut short")
        data += part
    return data
fd = os.memfd_create("transship")
data = take(int(take(8), 16))
while data:
    data = data[os.write(fd, data):]
if sys.argv[1:]:
    os.chroot(sys.argv[1])
    os.chdir("/")
sys.path.insert(0, "/proc/self/fd/%d" % fd)
from transship_agent.main import run
run()
"""
"""What the host's Python is given on its command line. The program follows on standard input and touches no disk.

An argument is a folder that becomes the root: how a container reaches the host's own file system.
"""

_TAIL_LINES = 20
_END_SECONDS = 5.0
_EPOCH = (1980, 1, 1, 0, 0, 0)
EMPTY_TAR = bytes(1024)
"""The archive of an image with nothing in it."""
_IMAGE = "transship-agent"
LEFT_BEHIND_S = 86400.0
"""After this time nobody waits for an agent's image any more."""
PYTHON_FOLDERS = ("/usr", "/lib", "/lib64")
"""Where a host has its Python, and what that needs."""


@functools.cache
def archive() -> bytes:
    """The agent as a zip file, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(files("transship.agent").iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                info = zipfile.ZipInfo(f"transship_agent/{file.name}", _EPOCH)
                zipped.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


class Agent:
    """The agent on one host, from this side of its pipes.

    Used by one thread at a time; `close` may be called by any, and makes a call that waits fail. After an error the
    agent is of no more use. Use it as a context manager.
    """

    def __init__(self, host: str, process: "subprocess.Popen[bytes]", on_event: Callable[[Message], None]) -> None:
        self.host = host
        self._process = process
        self._on_event = on_event
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - popen's contract
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        for pipe in (self._stdin, self._stdout):
            frames.widen(pipe.fileno())
        self._listener = threading.Thread(target=self._listen, name=f"agent events {host}", daemon=True)
        self._listener.start()
        self.closing = ExitStack()
        """What is to be done when the agent has ended."""
        self.codecs: frozenset[int] = frozenset()
        """How this agent can compress (numbers as in its frames, the best the highest, 0 not at all)."""
        self.patience_s: float | None = None
        """How long the agent may be silent while an answer is awaited; None: for ever."""

    def greet(self) -> None:
        """Send the program and wait until it runs. Raises `CommandError` when it does not."""
        try:
            program = archive()
            self.write(b"%08x" % len(program) + program)
            codecs = self.reply().get("codecs")
            if not isinstance(codecs, list) or not all(isinstance(each, int) for each in codecs):
                raise self.lost("it greets as no agent of this version does")
            self.codecs = frozenset(codecs)
        except TransferError as error:
            raise CommandError(
                f"the agent does not start on {self.host}: {error}",
                hint="it needs Python 3.8 or newer as python3; the strategies stop-start and export-import do not",
            ) from error

    def request(self, do: str, **fields: Value) -> None:
        """Ask for something. The answer is to be read with `reply`, or frame by frame with `head`."""
        message = json.dumps({"do": do, **fields}, ensure_ascii=False)
        self.write(frames.encode(frames.Frame(frames.REQUEST, 0, message.encode())))

    def call(self, do: str, **fields: Value) -> Message:
        """Ask for something that moves no data and return the answer. Raises `TransferError`."""
        self.request(do, **fields)
        return self.reply()

    def reply(self) -> Message:
        """Wait for the answer. Raises `TransferError` with the agent's own sentence where it could not."""
        return self.message(self.head())

    def head(self) -> Head:
        """Wait for the next frame; its payload is still in `output`. Raises `TransferError` when there is none."""
        try:
            found = frames.read_head(self._read)
        except (ProtocolError, OSError, ValueError) as error:
            raise self.lost(str(error)) from error
        if found is None:
            raise self.lost("it ended")
        return found

    def message(self, head: Head) -> Message:
        """Read the object in a reply that begins so. Raises `TransferError` where it says that something failed."""
        return checked(self.host, self.answer(head))

    def answer(self, head: Head) -> Message:
        """Read the object in a reply that begins so, whatever it says. Raises `TransferError` where there is none."""
        try:
            found = json.loads(frames.read_body(self._read, head).payload)
        except (ProtocolError, OSError, ValueError, RecursionError) as error:
            raise self.lost(str(error)) from error
        if head.type != REPLY or not isinstance(found, dict):
            raise self.lost("it answers out of turn")
        return found

    @property
    def output(self) -> int:
        """The pipe that the agent writes to."""
        return self._stdout.fileno()

    def forward(self, head: Head, source: "Agent") -> None:
        """Hand the agent a frame of `source` that begins so, without looking at it. Raises `TransferError`."""
        self.write(head.raw)
        left = head.length
        while left:
            try:
                moved = os.splice(source.output, self._stdin.fileno(), left)
            except (OSError, ValueError) as error:
                raise self._refused() from error
            if not moved:
                raise source.lost("it ended")
            left -= moved

    def _read(self, limit: int) -> bytes:
        if self.patience_s is not None:
            poll = select.poll()
            poll.register(self._stdout, select.POLLIN)
            if not poll.poll(self.patience_s * 1000):
                raise TimeoutError(f"it has said nothing for {self.patience_s:g} s")
        return os.read(self._stdout.fileno(), limit)

    def write(self, data: bytes) -> None:
        """Hand bytes to the agent. Raises `TransferError`, with what the agent said last if it ended."""
        try:
            frames.write_all(self._stdin.fileno(), data)
        except (OSError, ValueError) as error:
            raise self._refused() from error

    def _refused(self) -> TransferError:
        """Why the agent reads no more: what it said before it ended is still in its pipe."""
        try:
            while True:
                head = self.head()
                if head.type == REPLY:
                    self.message(head)
                else:
                    frames.read_body(self._read, head)
        except TransferError as said:
            return said
        except ProtocolError as error:
            return self.lost(str(error))

    def end_input(self) -> None:
        """Say that nothing more will come; what the agent still says can be read. Twice is fine."""
        with suppress(BrokenPipeError):
            self._stdin.close()

    def close(self, patience_s: float = _END_SECONDS) -> None:
        """End the agent, for which it has `patience_s`, and take away what was made to start it. Twice is fine."""
        for pipe in (self._stdin, self._stdout):
            if not pipe.closed:
                pipe.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # A program that works on over there keeps the pipe open: then the thread ends with the connection.
        self._listener.join(patience_s)
        self.closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        with self._stderr:
            for line in self._stderr:
                try:
                    event = json.loads(line)
                except (ValueError, RecursionError):
                    event = None
                if isinstance(event, dict):
                    self._on_event(event)
                else:
                    self._tail.append(line.decode("utf-8", "replace").rstrip())

    def lost(self, reason: str) -> LostError:
        """Say that the agent is gone; what it wrote to standard error last is a better reason than `reason`."""
        said = self._tail[-1] if self._tail else ""
        return LostError(f"the agent on {self.host} was lost: {said or reason}")


_HINTS = {
    "ENOSPC": "the disk of {host} is full: free some space and try again",
    "EDQUOT": "a quota on {host} is used up, or the data grew far beyond what was measured before",
    "ENOTSUP": "the file system on {host} cannot store this kind of attribute",
    "ENOTEMPTY": "say that what is there may be used as a base, or choose another place",
}


def checked(host: str, answer: Message) -> Message:
    """The answer of the agent on `host`. Raises `TransferError` where it says that something failed."""
    if "error" in answer:
        hint = _HINTS.get(str(answer.get("code")), "").format(host=host)
        raise TransferError(f"on {host}: {answer['error']}", hint=hint)
    return Answer(host, answer)


class Answer(dict[str, Any]):
    """What an agent says. Where it lacks something, another program answers than the one that was sent there."""

    def __init__(self, host: str, said: Message) -> None:
        super().__init__(said)
        self._host = host

    def __missing__(self, key: str) -> object:
        raise TransferError(f"the agent on {self._host} answers without saying {key}")


def start_agent(host: Host, root: RootAccess, on_event: Callable[[Message], None] = lambda _: None) -> Agent:
    """Start the agent as root on `host`, by the way that its facts name. The caller closes it.

    Nothing is installed and no file is left there. Raises `CommandError` where it does not start, and what
    `Host.popen` and, for a container, the daemon raise; then nothing of it is left.
    """
    with ExitStack() as made:
        if root == "docker":
            argv = _through_docker(host, made)
        elif root == "none":
            raise CommandError(
                f"nobody who may log in to {host.name} can become root there", hint="sudo without a password would do"
            )
        else:
            argv = as_root(root)
        agent = greeted(Agent(host.name, host.popen(argv), on_event))
        agent.closing = made.pop_all()
        return agent


def as_root(root: RootAccess, *, keep: str = "") -> list[str]:
    """The words that start the agent; `keep` is a variable of the environment that it needs."""
    kept = [f"--preserve-env={keep}"] if keep else []
    return [*(("sudo", "-n", *kept) if root == "sudo" else ()), *PYTHON, BOOTSTRAP]


def greeted(agent: Agent) -> Agent:
    """The agent, once it runs. Raises `CommandError` where it does not start; then it is closed."""
    try:
        agent.greet()
    except BaseException:
        agent.close()
        raise
    return agent


def _remove(host: Host, image: str) -> None:
    """Take away an agent's image. On a host that is out of reach it stays, for the agents that come after it."""
    with suppress(HostError):
        host.docker.remove_image(image)


def _sweep(host: Host) -> None:
    """Take away the empty images of agents whose coordinator was killed before it could."""
    for each in host.docker.list_images():
        for name in each.get("RepoTags") or ():
            if name.startswith(f"{_IMAGE}:") and time.time() - each["Created"] > LEFT_BEHIND_S:
                with suppress(ConflictError):  # it is still at work
                    host.docker.remove_image(name)


def existing(host: Host, paths: Iterable[str]) -> list[str]:
    """Those of the paths, which have no white space, that the host has. Raises as `Host.run`."""
    return host.run(["ls", "-d", *paths]).stdout.decode("utf-8", "replace").split()


def _through_docker(host: Host, made: ExitStack) -> list[str]:
    """Name a container with nothing in it but the host's Python, which then makes the host's root its own."""
    _sweep(host)
    image = f"{_IMAGE}:{secrets.token_hex(8)}"
    host.docker.import_image([EMPTY_TAR], image)
    made.callback(_remove, host, image)
    there = existing(host, (*PYTHON_FOLDERS, "/etc"))
    volumes = [word for folder in there for word in ("--volume", f"{folder}:{folder}:ro")]
    return [
        "docker", "run", "--rm", "--interactive", "--log-driver", "none", "--network", "none", "--privileged",
        "--pid", "host", "--userns", "host", "--cgroupns", "host", *volumes, image,
        f"/usr/bin/{PYTHON[0]}", *PYTHON[1:], BOOTSTRAP, "/proc/1/root",
    ]  # fmt: skip
