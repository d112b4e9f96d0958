from __future__ import annotations

import os
import select
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from . import cgroup, compress, control, frames, places, records, requests
from .faults import AgentError, ProtocolError, from_os, shown
from .frames import RECORDS, REPLY, REQUEST, STATE, Frame, write_all
from .holding import Locks
from .keeper import Keeper
from .known import Adoption, describe
from .layer import upper_directory
from .live import Live
from .manifest import STEP, Manifest, of_tree
from .neighbours import learn
from .opendirs import list_names, open_root
from .peer import Peer, PeerFailed
from .receive import Receiver
from .record_files import RecordFiles
from .send import Counts, Sender
from .spool import Spool
from .stream import Outgoing, Pace
from .system import sync
from .walk import Single

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .manifest import Known

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_EVENT_SECONDS = 0.5


class _Tree:
    """A tree that this agent reads or writes."""

    def __init__(self, root: int, single: Single | None = None) -> None:
        self.root = root
        self.single = single
        """Where only one file of the folder `root` is the tree."""
        self.state: Spool | None = None
        """What the target has of it, as far as a source knows."""
        self.manifest: Manifest | None = None


class Agent:
    """Serves requests from its standard input until that ends. One request at a time, each with one reply."""

    def __init__(self) -> None:
        self._trees: dict[int, _Tree] = {}
        self._link = 0.0
        self._busy = False
        self._peer: Peer | None = None
        self._keeper = Keeper(_STDIN, Locks(), RecordFiles())
        self._live = Live(_expected, _STDOUT)
        self._requests: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "open": self._open,
            "send": self._send,
            "receive": self._receive,
            "describe": self._describe,
            "adopt": self._adopt,
            "manifest": self._manifest,
            "window": self._window,
            "path": self._path,
            "layer": self._layer,
            "neighbours": self._neighbours,
            "look": self._look,
            "provide": self._provide,
            "discard": self._discard,
            "empty": self._empty,
            "kill": self._kill,
            "connect": self._connect,
            "pass": self._pass,
            **self._keeper.requests,
            **self._live.requests,
        }

    def run(self) -> None:
        """Say hello, then serve. Returns when standard input ends between requests; raises `AgentError`.

        However it ends: a keeper first does by itself what is left to do.
        """
        try:
            self._serve()
        finally:
            self._keeper.leave()
            self._live.leave()

    def _serve(self) -> None:
        self._reply(
            {
                "hello": frames.VERSION,
                "python": ".".join(map(str, sys.version_info[:3])),
                "codecs": compress.available(),
                "uid": os.geteuid(),
            }
        )
        while True:
            frame = frames.read(self._keeper.read)
            if frame is None:
                return
            if frame.type != REQUEST:
                raise ProtocolError("a frame came that no request had announced")
            request = control.request(frame.payload)
            requests.check(request)
            action = self._requests.get(request["do"])
            if action is None:
                raise ProtocolError(f"there is no request {request['do']!r}")
            self._busy = "peer" in request or request["do"] not in ("receive", "adopt")
            try:
                reply = self._perform(action, request)
            except KeyError as error:
                raise ProtocolError(f"a request lacks or misnames {error}") from error
            self._busy = False
            self._reply(reply)

    def _perform(self, action: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request says; `peer` in it is one for the peer, which is answered in the reply's `peer`."""
        if "peer" not in request:
            return action(request)
        peer = self._linked()
        try:
            peer.ask(request["peer"])
            reply = action(request)
        except BrokenPipeError:
            reply = {}  # the peer has ended, and said why
        except PeerFailed as failed:
            return {"peer": failed.reply}
        return {**reply, "peer": peer.reply()}

    def _linked(self) -> Peer:
        if self._peer is None:
            raise ProtocolError("there is no peer")
        return self._peer

    def watch(self) -> None:
        """End this process as soon as nobody holds the other end of standard input while a request keeps it busy.

        A keeper on duty stays: it has something to do then.
        """
        poll = select.poll()
        poll.register(_STDIN, 0)
        poll.poll()
        if self._busy and not self._keeper.on_duty:
            os._exit(1)

    def _reply(self, message: dict[str, Any]) -> None:
        write_all(_STDOUT, frames.encode(Frame(REPLY, compress.NONE, control.dumps(message).encode("ascii"))))

    # requests

    def _open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Open the tree at `path` (hex). `empty`: refuse unless it is.

        With `name` (hex) that file of the folder is all of the tree; it is called `as` (hex) in what is sent.
        """
        path = bytes.fromhex(request["path"])
        single = Single(bytes.fromhex(request["name"]), bytes.fromhex(request["as"])) if "name" in request else None
        try:
            root = open_root(path)
            if request.get("empty"):
                _refuse_data(path, root, single)
        except OSError as error:
            raise AgentError(f"{shown(path)}: {error.strerror}", from_os(error, path).code) from error
        self._trees[request["tree"]] = _Tree(root, single)
        return {}

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a round. `rate`: bytes per second, 0: no limit; `codec`: which may be used; `still`: nobody writes."""
        tree = self._trees[request["tree"]]
        began_ns = time.time_ns()
        if not request["still"]:
            sync(tree.root)
        chooser = compress.Chooser(request["codec"], self._link)
        way = self._linked().input if "peer" in request else _STDOUT
        with Outgoing(way, RECORDS, chooser, Pace(request["rate"])) as out:
            sender = Sender(tree.root, tree.state, out, began_ns, tree.single)
            sender.run(_Progress(request["tree"], out))
            out.end()
        if tree.state:
            tree.state.close()
        tree.state = sender.spool
        self._link = chooser.link
        sent = {"wire": out.wire, "raw": out.raw, "codec": out.codec, "link": int(self._link)}
        return {**_counted(sender.counts), **sent}

    def _receive(self, request: dict[str, Any]) -> dict[str, Any]:
        """Apply a round to the tree. `sync`: have it on disk before the reply."""
        tree = self._trees[request["tree"]]
        receiver = Receiver(tree.root, tree.single, devices=bool(request["devices"]), limit=request["limit"])
        try:
            for record in _incoming(RECORDS, _expected):
                if isinstance(record, records.End):
                    if record.total != receiver.count:
                        raise ProtocolError("records were lost on the way")
                    break
                receiver.apply(record)
            receiver.finish()
        finally:
            receiver.close()
        if request["sync"]:
            sync(tree.root)
        return {"bytes": receiver.bytes}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """Tell what the tree holds; `contents`: with digests of the files' content."""
        tree = self._trees[request["tree"]]
        with Outgoing(_STDOUT, STATE, compress.Chooser(request["codec"], self._link), Pace(0)) as out:
            describe(tree.root, out, tree.single, contents=bool(request["contents"]))
        return {"wire": out.wire}

    def _adopt(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take what the target tells as what it has."""
        tree = self._trees[request["tree"]]
        adoption = Adoption()
        adoption.take(_incoming(STATE, self._linked().frame if "peer" in request else _expected))
        if tree.state:
            tree.state.close()
        tree.state = adoption.spool
        return {"entries": adoption.spool.count}

    def _manifest(self, request: dict[str, Any]) -> dict[str, Any]:
        """The tree's manifest: `of` the disk, with content if `full`, or of what was sent."""
        tree = self._trees[request["tree"]]
        past = tree.manifest
        if request["of"] == "sent":
            entries: Iterable[Known] = ((item[0], item[3], None) for item in tree.state or ())
        else:
            entries = of_tree(tree.root, tree.single, full=bool(request["full"]), past=past)
        tree.manifest = Manifest(entries)
        if past:
            past.close()
        return {
            "digest": tree.manifest.digest,
            "entries": tree.manifest.entries,
            "marks": tree.manifest.marks,
            "step": STEP,
        }

    def _window(self, request: dict[str, Any]) -> dict[str, Any]:
        """What stands for the entries of one window of the last manifest."""
        return {"entries": self._made_manifest(request).window(request["window"])}

    def _path(self, request: dict[str, Any]) -> dict[str, Any]:
        """The path of the entry at `position` of the last manifest, for a person to read; empty beyond its end."""
        path = self._made_manifest(request).path(request["position"])
        return {"path": "" if path is None else shown(path)}

    def _layer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Where containerd keeps the writable layer of `container` (its id); `pid` is 0 while it does not run."""
        return {"path": upper_directory(request["container"], request["pid"])}

    def _neighbours(self, request: dict[str, Any]) -> dict[str, Any]:
        """Tell the kernel where `addresses` are (`IP MAC` separated by commas), if it asks for them in vain."""
        pairs = (pair.partition(" ") for pair in request["addresses"].split(",") if pair)
        return {"told": learn({address: mac for address, _, mac in pairs})}

    def _look(self, request: dict[str, Any]) -> dict[str, Any]:
        """What is at `path` (hex): see places.py."""
        return places.look(bytes.fromhex(request["path"]))

    def _provide(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make `paths` (hex), the last a `kind`. `taken`: the one that somebody else made; then nothing was made."""
        taken = places.provide([bytes.fromhex(path) for path in request["paths"]], request["kind"])
        return {"taken": shown(taken) if taken else ""}

    def _discard(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take away `paths` (hex), which `provide` made."""
        places.discard([bytes.fromhex(path) for path in request["paths"]])
        return {}

    def _empty(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make `path` (hex) empty again, and `owner`'s (uid, gid, mode)."""
        places.empty(bytes.fromhex(request["path"]), request["owner"])
        return {}

    def _kill(self, request: dict[str, Any]) -> dict[str, Any]:
        """Kill all processes of a frozen container: see cgroup.py."""
        return {"killed": cgroup.kill(request["container"], request["pid"])}

    def _connect(self, request: dict[str, Any]) -> dict[str, Any]:
        """Log in to another host and start this program there: see peer.py. `refused`: why not, in ssh's words."""
        if not os.environ.get("SSH_AUTH_SOCK"):
            return {"refused": "no ssh-agent was forwarded"}
        self._peer = Peer(request["words"], request["known_hosts"].encode("utf-8"))
        hello = self._peer.greet()
        return {"refused": self._peer.last_words()} if hello is None else {"peer": hello}

    def _pass(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Do nothing here: the request is for the peer."""
        return {}

    def _made_manifest(self, request: dict[str, Any]) -> Manifest:
        manifest = self._trees[request["tree"]].manifest
        if manifest is None:
            raise ProtocolError("no manifest was made")
        return manifest


def _refuse_data(path: bytes, root: int, single: Single | None) -> None:
    """Raise `AgentError` where the tree holds something that could be lost."""
    if single:
        try:
            status = os.stat(single.name, dir_fd=root, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISREG(status.st_mode) or status.st_size:
            raise AgentError(f"{shown(path + b'/' + single.name)}: is not an empty file", "ENOTEMPTY")
        return
    names = list_names(root)
    if names:
        raise AgentError(f"{shown(path)}: is not empty ({shown(min(names))} is in it)", "ENOTEMPTY")


class _Progress:
    """Says on standard error, now and then, how far a round is."""

    def __init__(self, tree: int, out: Outgoing) -> None:
        self._tree = tree
        self._out = out
        self._next = time.monotonic() + _EVENT_SECONDS

    def __call__(self, counts: Counts) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVENT_SECONDS
            event = {"event": "progress", "tree": self._tree, "sent": counts.sent, "bytes": counts.bytes}
            write_all(_STDERR, control.dumps({**event, "wire": self._out.wire}).encode("ascii") + b"\n")


def _counted(counts: Counts) -> dict[str, Any]:
    return {
        "entries": counts.entries,
        "sent": counts.sent,
        "deleted": counts.deleted,
        "bytes": counts.bytes,
        "sockets": counts.sockets,
        "unsteady": counts.unsteady,
        "unsteady_paths": [shown(path) for path in counts.unsteady_paths],
    }


def _incoming(kind: int, source: Callable[[int], Frame]) -> Iterable[records.Record]:
    """The records in the frames from `source`, up to and with their `End`."""
    while True:
        frame = source(kind)
        for record in records.parse(compress.decompress(frame.codec, frame.payload)):
            yield record
            if isinstance(record, records.End):
                return


def _expected(kind: int) -> Frame:
    """The next frame on standard input, which is of this kind."""
    frame = _frame()
    if frame is None:
        raise ProtocolError("the stream ends before its last record")
    if frame.type != kind:
        raise ProtocolError("a frame came that no request had announced")
    return frame


def _frame() -> Frame | None:
    return frames.read(lambda limit: os.read(_STDIN, limit))


def run() -> None:
    """Be the agent. An error is the last reply before the process ends with status 1."""
    os.umask(0)
    frames.widen(_STDIN)
    frames.widen(_STDOUT)
    agent = Agent()
    threading.Thread(target=agent.watch, daemon=True).start()
    try:
        agent.run()
    except BrokenPipeError:
        sys.exit(1)
    except AgentError as error:
        _fail(str(error), error.code)
    except OSError as error:
        failure = from_os(error, os.fsencode(error.filename or "agent"))
        _fail(str(failure), failure.code)


def _fail(sentence: str, code: str) -> None:
    message = control.dumps({"error": sentence, "code": code}).encode("ascii")
    try:
        write_all(_STDOUT, frames.encode(Frame(REPLY, compress.NONE, message)))
    except BrokenPipeError:
        sys.stderr.write(sentence + "\n")
    sys.exit(1)
