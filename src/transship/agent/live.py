"""What the coordinator asks of this host when a container's memory moves: see the requests' own words."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from . import (
    cgroup,
    compress,
    control,
    criu,
    criu_images,
    criu_timers,
    docker_api,
    memory_stream,
    private_network,
    resumption,
)
from .containerd_copies import remove_copies
from .faults import ProtocolError
from .frames import RECORDS, REPLY, Frame, encode, write_all
from .memory_folder import MemoryFolder, path_of, remove_tree, sweep
from .migration_record import read
from .netns import ACTIONS, Namespace
from .page_service import PageService
from .page_source import PageSource
from .stream import Outgoing, Pace
from .watches import watched_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_CONTAINER = re.compile(r"[0-9a-f]{64}")


class Live:
    """The requests of the strategy live. One move at a time: one folder, one network namespace, one service."""

    def __init__(self, frame: Callable[[int], Frame], output: int) -> None:
        """`frame` reads the next frame of a type from the coordinator, which reads from the pipe `output`."""
        self._frame = frame
        self._output = output
        self._folder: MemoryFolder | None = None
        self._namespace: Namespace | None = None
        self._service: PageService | None = None
        self._source: PageSource | None = None
        self.requests: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "criu": self._criu,
            "daemon": self._daemon,
            "footprint": self._footprint,
            "watched": self._watched,
            "memory": self._memory,
            "enter": self._enter,
            "network": self._network,
            "dump": self._dump,
            "deliver": self._deliver,
            "collect": self._collect,
            "split": self._split,
            "checkpoint": self._checkpoint,
            "ready": self._ready,
            "serve": self._serve,
            "keep": self._keep,
            "served": self._served,
            "pages": self._pages,
            "complaint": self._complaint,
            "let_go": self._let_go,
            "speak": self._speak,
            "complete": self._complete,
            "give_up": self._give_up,
            "clear": self._clear,
            "wipe": self._wipe,
        }

    def leave(self) -> None:
        """End what must not outlive the agent, and wipe the images unless a restored process lives on them."""
        if self._namespace:
            self._namespace.leave()
        if self._folder:
            self._folder.give_up()

    def _criu(self, request: dict[str, Any]) -> dict[str, Any]:
        """Which of `features` CRIU and this kernel have, and whether its own check passes (`problem`, empty if so)."""
        done = criu.run(["criu", "check"])
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        return {
            "problem": said.rpartition("\n")[2] if done.returncode else "",
            "features": [feature for feature in request["features"] if criu.supports(feature)],
        }

    def _daemon(self, request: dict[str, Any]) -> dict[str, Any]:
        """Here is the target of the `record`: where its Docker listens (`socket`)."""
        return {"socket": docker_api.find(read(request["record"]).target_daemon).path}

    def _footprint(self, request: dict[str, Any]) -> dict[str, Any]:
        """How many `bytes` of memory the processes of `container` have that are in no file, `pid` being one of them."""
        processes = cgroup.members(_id(request["container"]), request["pid"])
        return {"bytes": sum(map(_anonymous_bytes, processes)), "processes": len(processes)}

    def _watched(self, request: dict[str, Any]) -> dict[str, Any]:
        """Which `paths` in its own filesystem the processes of `container` watch, `pid` being one of them."""
        return {"paths": watched_paths(request["pid"], cgroup.members(_id(request["container"]), request["pid"]))}

    def _memory(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make the `folder` for memory images, with room for `bytes`."""
        self._folder = MemoryFolder(request["folder"], request["bytes"])
        return {"path": self._folder.path, "images": self._folder.part("images")}

    def _enter(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have a process ready in the network namespace of the process `pid`."""
        if self._namespace:
            self._namespace.leave()
        self._namespace = Namespace(request["pid"])
        return {}

    def _network(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have `acts` done in that namespace, in this order: see netns.py."""
        if self._namespace is None:
            raise ProtocolError("no network namespace was entered")
        for act in request["acts"]:
            if act not in ACTIONS:
                raise ProtocolError(f"a network does not {act!r}")
            self._namespace.do(act)
        return {}

    def _dump(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write the images of `container` (its id), whose first process is `pid`; `terminal`: it has one.

        `established`: with its connections, which are closed in the images otherwise. `lazily`: all but the pages,
        which are given to the one who asks for them later.
        """
        container = criu.Container(
            _id(request["container"]), request["pid"], bool(request["terminal"]), bool(request["established"])
        )
        folder = self._made()
        if request["lazily"]:
            self._source = PageSource(container, folder, request["options"])
        else:
            criu.dump(container, folder, request["options"])
        images = folder.part("images")
        criu_timers.wind_up(images)
        return {"bytes": sum(os.path.getsize(os.path.join(images, name)) for name in os.listdir(images))}

    def _deliver(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send all images, compressed with `codec` where the link is slow."""
        chooser = compress.Chooser(request["codec"])
        with Outgoing(self._output, RECORDS, chooser, Pace(0)) as out:
            count = memory_stream.send(self._made().part("images"), out)
        return {"bytes": count, "wire": out.wire}

    def _collect(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Take the images that arrive."""
        return {"bytes": memory_stream.receive(self._made().part("images"), self._payloads())}

    def _payloads(self) -> Iterator[bytes]:
        while True:
            frame = self._frame(RECORDS)
            yield compress.decompress(frame.codec, frame.payload)

    def _split(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Make images without the pages that can come later."""
        folder = self._made()
        done = criu_images.split(folder.part("images"), folder.part("small"))
        return {"lazy": done.lazy, "eager": done.eager}

    def _checkpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        """Put those images where Docker, whose data is in `root` (hex), looks for a checkpoint of `container`.

        CRIU's options for the restore go to `criu.conf` in the move's folder, which the container's annotation names.
        """
        folder = self._made()
        checkpoints = os.path.join(
            os.fsdecode(bytes.fromhex(request["root"])), "containers", _id(request["container"]), "checkpoints"
        )
        os.makedirs(checkpoints, mode=0o700, exist_ok=True)
        criu_images.copy_images(folder.part("small"), os.path.join(checkpoints, os.path.basename(folder.path)))
        with open(os.path.join(folder.path, "criu.conf"), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in [*request["options"], f"work-dir {folder.part('work')}"])
        return {"name": os.path.basename(folder.path)}

    def _ready(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have a process ready that can serve pages to `container`, `remote` ones of the source."""
        self._service = PageService(self._made(), _id(request["container"]), remote=bool(request["remote"]))
        return {}

    def _serve(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Begin to serve pages; returns when a restore may begin."""
        self._serving().serve()
        return {}

    def _keep(self, _request: dict[str, Any]) -> dict[str, Any]:
        """A restore begins: from here on its pages are served also when this agent is lost."""
        self._serving().keep()
        return {}

    def _served(self, request: dict[str, Any]) -> dict[str, Any]:
        """Whether `all` pages have been delivered, which is waited for `seconds`; the images are wiped by then."""
        done = self._serving().is_done(float(request["seconds"]))
        if done:
            self._service = None
        return {"all": done}

    def _let_go(self, request: dict[str, Any]) -> dict[str, Any]:
        """Here is the source of the `record`: see resumption.py, as for the four that follow."""
        migration = read(request["record"])
        resumption.let_go(docker_api.find(migration.source_daemon), migration)
        return {}

    def _speak(self, request: dict[str, Any]) -> dict[str, Any]:
        """Here is the source of the `record`, which runs again."""
        migration = read(request["record"])
        resumption.speak(docker_api.find(migration.source_daemon), migration)
        return {}

    def _complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Here is the target of the `record`, which shall serve."""
        migration = read(request["record"])
        resumption.complete(docker_api.find(migration.target_daemon), migration)
        return {}

    def _give_up(self, request: dict[str, Any]) -> dict[str, Any]:
        """Here is the target of the `record`, which shall not serve."""
        migration = read(request["record"])
        resumption.give_up(docker_api.find(migration.target_daemon), migration)
        return {}

    def _clear(self, request: dict[str, Any]) -> dict[str, Any]:
        """Here is the target of the `record`, of which nothing shall be left."""
        migration = read(request["record"])
        resumption.clear(docker_api.find(migration.target_daemon), migration)
        return {}

    def _pages(self, request: dict[str, Any]) -> dict[str, Any]:
        """Become the way of the pages of the move `folder`: from the reply on, what comes in goes there, and back.

        On the target `container` is the one that needs them. Where the way ends before it has them all, its processes
        are killed: CRIU would have them go on with zeros for what is missing.
        """
        connection = private_network.take(os.path.join(path_of(request["folder"]), "work"))
        message = control.dumps({}).encode("ascii")
        write_all(self._output, encode(Frame(REPLY, compress.NONE, message)))
        needy = _id(request["container"]) if "container" in request else ""
        private_network.join(connection, 0, self._output, lambda: needy and cgroup.kill_all(needy))
        sys.exit(0)

    def _complaint(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Why the last restore failed, in CRIU's words; empty if it does not say."""
        return {"line": criu.complaint(os.path.join(self._made().part("work"), "restore.log"))}

    def _wipe(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take away all images that nobody uses, and the checkpoints at `paths` (hex) with what was copied of them."""
        for process in (self._service, self._source):
            if process:
                process.stop()
        self._service = self._source = None
        if self._folder:
            self._folder.give_up()
            self._folder = None
        sweep()
        for path in (os.fsdecode(bytes.fromhex(each)) for each in request["paths"]):
            remove_copies(path)
            if os.path.isdir(path):
                remove_tree(path)
        return {}

    def _made(self) -> MemoryFolder:
        if self._folder is None:
            raise ProtocolError("there is no folder for memory images")
        return self._folder

    def _serving(self) -> PageService:
        if self._service is None:
            raise ProtocolError("no pages are being served")
        return self._service


def _anonymous_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has ended
    return sum(int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem", "VmSwap") if name in fields)


def _id(container: str) -> str:
    if not _CONTAINER.fullmatch(container):
        raise ProtocolError(f"{container!r} is no container's id")
    return container
