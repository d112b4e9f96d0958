"""What is seen of both hosts while a move is disturbed: which copies execute, and what a client is told."""

import http.client
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults import workload
from transship.lab import Node

SAMPLE_S = 0.05
_ASK_S = 0.08
_CONNECT_S = 0.25
_ANSWER_S = 1.0
_FLAGS = 6
"""Where a process's flags are in its `stat`, counted from behind its name."""
_PF_EXITING = 0x4
_STOPPED = frozenset("tZX")
"""The states of a process that a tracer has stopped, or that has ended."""


def copies(node: Node) -> dict[str, bool]:
    """The ids of the copies that have a process on a host, and whether they are frozen: as the kernel has it."""
    found = {}
    for group in (folder / "docker" for folder in _unified(node)):
        for one in group.glob("*"):
            if _is_copy(one):
                found[one.name] = "frozen 1" in _text(one / "cgroup.events") or _is_held(one)
    return found


def executes(node: Node) -> bool:
    """Whether a copy on the host can take a step."""
    return not all(copies(node).values())


def _unified(node: Node) -> list[Path]:
    return [tree.mount / node.group.name for tree in node.group.trees if tree.unified]


def _is_copy(group: Path) -> bool:
    return any(
        _text(Path("/proc", pid, "cmdline")).endswith(f"{workload.MARK}\0") and not is_dying(pid)
        for pid in _text(group / "cgroup.procs").split()
    )


def _is_held(group: Path) -> bool:
    """Whether CRIU holds every process: it thaws those that it reads from, and they take no step until it lets go."""
    return all(_state(pid) in _STOPPED for pid in _text(group / "cgroup.procs").split())


def _state(pid: str) -> str:
    return (_text(Path("/proc", pid, "stat")).rpartition(")")[2].split() or ["X"])[0]


def is_dying(pid: str) -> bool:
    """Whether the process takes no step any more: it is in the kernel, and ends there, when it was sent SIGKILL.

    Such a signal is what a frozen process is ended by; it is no longer frozen then, and on a busy machine it waits for
    a processor to end on.
    """
    status = dict(line.split(":\t", 1) for line in _text(Path("/proc", pid, "status")).splitlines() if ":\t" in line)
    pending = int(status.get("SigPnd", "0"), 16) | int(status.get("ShdPnd", "0"), 16)
    flags = _text(Path("/proc", pid, "stat")).rpartition(")")[2].split()[_FLAGS:][:1]
    return bool(pending >> (signal.SIGKILL - 1) & 1) or any(int(each) & _PF_EXITING for each in flags)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended between two looks
        return ""


@dataclass
class Watch:
    """Looks at both hosts all the time. All times are of the monotonic clock.

    `both` are the moments at which both sides executed. `changes` says from when on which sides did.
    """

    source: Node
    target: Node
    both: list[float] = field(default_factory=list)
    changes: list[tuple[float, bool, bool]] = field(default_factory=list)
    longest_gap_s: float = 0.0
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        last = time.monotonic()
        while not self._end.wait(SAMPLE_S):
            here, there = executes(self.source), executes(self.target)
            # One look is not one moment: the source must have executed before and after the target was seen to.
            if here and there and executes(self.source):
                self.both.append(time.monotonic())
            now = time.monotonic()
            self.longest_gap_s, last = max(self.longest_gap_s, now - last), now
            if not self.changes or self.changes[-1][1:] != (here, there):
                self.changes.append((now, here, there))

    @property
    def target_executed(self) -> bool:
        return any(there for _, _, there in self.changes)

    def source_back(self, since: float) -> float | None:
        """How long after a moment the source executed again, for good; 0 where it always did, None if it does not."""
        was, back = True, 0.0
        for at, here, _ in self.changes:
            if at >= since and here and not was:
                back = at - since
            was = here
        return back if was else None


@dataclass
class Client:
    """Asks both hosts all the time. `heard` has for each log and writer the last number that it was shown."""

    hosts: Mapping[str, str]
    heard: dict[tuple[str, str], int] = field(default_factory=dict)
    answers: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _end: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for address in self.hosts.values():
            self._threads.append(threading.Thread(target=self._ask_on, args=(address,), daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    @property
    def longest_silence_s(self) -> float:
        """The longest time in which nobody answered, between two answers."""
        moments = sorted(self.answers)
        return max((after - before for before, after in pairwise(moments)), default=0.0)

    def _ask_on(self, address: str) -> None:
        while True:
            for log, path in workload.URLS.items():
                if self._end.wait(_ASK_S):
                    return
                lines = _get(address, path).split("\n")[:-1]
                if not lines:
                    continue
                number, _, writer = lines[-1].partition(" ")
                with self._lock:
                    self.answers.append(time.monotonic())
                    self.heard[log, writer] = max(int(number), self.heard.get((log, writer), 0))


def _get(address: str, path: str) -> str:
    connection = http.client.HTTPConnection(address, workload.PORT, timeout=_CONNECT_S)
    try:
        connection.connect()
        connection.sock.settimeout(_ANSWER_S)
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.read().decode() if answer.status == http.client.OK else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
