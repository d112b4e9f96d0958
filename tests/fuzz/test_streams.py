"""What comes over pipes: frames of records, requests and replies."""

import gc
import io
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.fuzz.fuzz import fuzz, refused
from tests.fuzz.mutations import Documents, data
from transship.agent import compress, control, entry, frames, main, records, requests
from transship.agent.entry import DIRECTORY, FILE, LINK, SYMLINK, Entry
from transship.agent.faults import AgentError
from transship.agent.frames import Frame
from transship.errors import CommandError, TransferError
from transship.hosts.agent import Agent

ENTRIES = (
    Entry(b"", DIRECTORY, mode=0o755),
    Entry(b"data", DIRECTORY, mode=0o755, uid=33, gid=33, mtime_ns=10**18),
    Entry(b"data\0file", FILE, mode=0o4755, size=5, xattrs=(("user.a", b"b"), ("security.capability", bytes(20)))),
    Entry(b"data\0link", LINK, target=b"data\0file"),
    Entry(b"data\0way", SYMLINK, target=b"../../etc"),
)
ROUND = b"".join(
    [
        *(records.put(entry.encode(each), bytes(each.size if each.kind == FILE else 0)) for each in ENTRIES),
        records.open_file(entry.encode(ENTRIES[2]._replace(path=b"data\0large")), patch=True),
        records.data(4096, 4) + b"data",
        records.blank(8192, 4096, hole=True),
        records.close(12288),
        records.delete(b"data\0old"),
        records.known(records.Known(b"z", bytes(16), 65536, bytes(48))),
        records.more(bytes(24)),
        records.end(11),
    ]
)
STREAMS = [
    frames.encode(Frame(frames.RECORDS, codec, compress.compress(codec, ROUND))) for codec in compress.available()
]


def parsed(stream: bytes) -> Iterator[records.Record]:
    source = io.BytesIO(stream)
    while frame := frames.read(source.read):
        yield from records.parse(compress.decompress(frame.codec, frame.payload))


@fuzz(14_000)
def test_frames_of_records(random: Random) -> None:
    """Each byte is covered by the checksum: what is changed inside of a frame is repaired, to be seen at all."""
    if random.random() < 0.3:
        stream = data(random, STREAMS)
    else:
        codec = random.choice((0, 0, *compress.available(), 9))
        payload = data(random, (ROUND,))
        packed = data(random, (compress.compress(codec, payload),)) if codec in (1, 2) else payload
        stream = frames.encode(Frame(random.randrange(6), codec, packed))
    with refused(AgentError):
        for _ in parsed(stream):
            pass


REQUESTS: tuple[dict[str, Any], ...] = (
    {"do": "open", "tree": 0, "path": "2f", "empty": 1},
    {"do": "open", "tree": 1, "path": "2f746d70", "name": "61", "as": "62"},
    {"do": "send", "tree": 0, "rate": 0.5, "codec": 1, "still": 0},
    {"do": "receive", "tree": 0, "devices": 0, "limit": 10, "sync": 0, "peer": {"do": "send", "tree": 0}},
    {"do": "describe", "tree": 0, "contents": 1, "codec": 0},
    {"do": "adopt", "tree": 0},
    {"do": "manifest", "tree": 0, "of": "disk", "full": 0},
    {"do": "window", "tree": 0, "window": 0},
    {"do": "path", "tree": 0, "position": 3},
    {"do": "layer", "container": "c0ffee" + "0" * 58, "pid": 0},
    {"do": "neighbours", "addresses": "10.255.255.1 02:42:ac:11:00:02,fd00::7 02:42:ac:11:00:03"},
    {"do": "look", "path": "2f746d70"},
    {"do": "provide", "paths": ["2f746d702f61"], "kind": "file"},
    {"do": "empty", "path": "2f746d70", "owner": [0, 0, 493]},
    {"do": "kill", "container": "c0ffee" + "0" * 58, "pid": 1},
    {"do": "connect", "words": ["-o", "x", "host"], "known_hosts": "h ssh-ed25519 AAAA"},
    {"do": "pass", "peer": {"do": "look", "path": "2f"}},
)
WRITTEN = [json.dumps(each).encode() for each in REQUESTS]
ASKED = Documents(*REQUESTS)


@fuzz(12_000)
def test_requests(random: Random) -> None:
    """Whatever is taken for a request holds what belongs to it."""
    raw = json.dumps(ASKED.draw(random), ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    with refused(AgentError):
        request = control.request(data(random, (raw, *WRITTEN)) if random.random() < 0.5 else raw)
        requests.check(request)
        assert control.loads(control.dumps(request).encode("ascii")) == request


HARMLESS = ("open", "send", "receive", "describe", "adopt", "manifest", "window", "path", "layer", "look", "provide")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tree")
    (made / "a").write_text("content")
    (made / "inner").mkdir()
    (made / "way").symlink_to("nowhere")
    return made


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent in this process, whose pipes lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for name in ("_STDIN", "_STDOUT", "_STDERR"):
        monkeypatch.setattr(main, name, nowhere)
    yield
    os.close(nowhere)


@fuzz(1_500)
def test_an_agent_asked_for_odd_things(random: Random, folder: Path, silent: None) -> None:
    """In any order, of a few trees: it does them or says why not. An error ends it, and what it had open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        _ask(random, main.Agent(), folder)
        gc.collect(1)


def _ask(random: Random, agent: main.Agent, folder: Path) -> None:
    with suppress(AgentError, KeyError, OSError):
        for _ in range(random.randrange(6)):
            request = random.choice([each for each in REQUESTS if each["do"] in HARMLESS])
            request = {key: value for key, value in request.items() if key != "peer"} | _odd(random, folder)
            requests.check(request)
            agent._requests[request["do"]](request)
    for tree in agent._trees.values():
        os.close(tree.root)


def _odd(random: Random, folder: Path) -> dict[str, Any]:
    """Some fields, changed: paths only to such as lie in `folder`, since the agent does what it is asked for."""
    names = [b"a", b"inner", b"way", b"missing", b"inner/x", b"a/b", b"n" * 300, b"\xff", b"."]
    path = (os.fsencode(folder) + b"/" + random.choice(names)).hex()
    new = (os.fsencode(folder) + f"/new{random.randrange(99)}".encode()).hex()
    return {
        "tree": random.choice((0, 0, 1, 7)),
        "path": random.choice((os.fsencode(folder).hex(), path)),
        "paths": [new],
        "kind": random.choice(("file", "folder")),
        "position": random.choice((0, 2, 2**62)),
        "window": random.choice((0, 2**62)),
        "of": random.choice(("disk", "sent")),
        "rate": 0,
        "pid": random.choice((0, 1, 2**62)),
    }


REPLIES = Documents(
    {"hello": 1, "python": "3.11.2", "codecs": [0, 1, 2], "uid": 0},
    {"error": "/data: is not empty", "code": "ENOTEMPTY"},
    {"path": "/var/lib/docker/overlay2/x/diff"},
    {"entries": 3, "digest": "0" * 32, "marks": ["0" * 32], "step": 1024, "peer": {"error": "no", "code": ""}},
)
EVENTS = (b'{"event": "progress", "tree": 0, "sent": 1, "bytes": 2, "wire": 3}\n', b"Traceback\n", b"[" * 2000 + b"\n")


@fuzz(1_000)
def test_what_an_agent_answers(random: Random) -> None:
    reply = json.dumps(REPLIES.draw(random)).encode()
    if random.random() < 0.3:
        reply = data(random, (reply, b"[" * 5000))
    wire = frames.encode(Frame(random.choice((frames.REPLY, frames.REPLY, frames.RECORDS)), 0, reply))
    wire = data(random, (wire,)) if random.random() < 0.3 else wire
    with answering(wire, data(random, EVENTS)) as agent, refused(TransferError):
        answer = agent.reply()
        assert "error" not in answer


@fuzz(500)
def test_how_an_agent_greets(random: Random) -> None:
    hello = json.dumps(REPLIES.draw(random)).encode()
    with answering(frames.encode(Frame(frames.REPLY, 0, hello)), b"") as agent, refused(CommandError):
        agent.greet()


class Process:
    """What `popen` gives, of a program that has said all and goes on reading."""

    def __init__(self, said: bytes, told: bytes) -> None:
        self._reading, writing = os.pipe()
        self.stdin = os.fdopen(writing, "wb", buffering=0)
        self.stdout, self.stderr = _holding(said), _holding(told)

    def wait(self, _timeout: float | None = None) -> int:
        with suppress(OSError):
            os.close(self._reading)
        return 0

    def kill(self) -> None:
        """It has ended."""


def _holding(content: bytes) -> io.FileIO:
    """A descriptor to read `content` from."""
    fd = os.memfd_create("said")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return os.fdopen(fd, "rb", buffering=0)


def answering(said: bytes, told: bytes) -> Agent:
    return Agent("host", Process(said, told), lambda _: None)  # type: ignore[arg-type]
