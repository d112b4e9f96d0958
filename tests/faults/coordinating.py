"""The process of a coordinator, from the side of who disturbs it."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Any, Self

from tests.faults.coordinator import Job

Said = dict[str, Any]


class Coordinator:
    """A process that moves. It is killed, if it still runs, when the block ends."""

    def __init__(self, job: Job) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.coordinator", job.text()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._lines: queue.SimpleQueue[Said | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.said: list[Said] = []
        self.ended_at = 0.0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        return self._process.poll()

    @property
    def error(self) -> str:
        """What it said at its end, and what Python did."""
        said = next((str(each.get("error")) for each in self.said if each["kind"] == "ended"), "")
        return f"{said}{self._stderr}"

    def told(self, kind: str, phase: str) -> bool:
        return any((each["kind"], each.get("phase")) == (kind, phase) for each in self.said)

    def hear(self, patience_s: float) -> bool:
        """Wait for what it says next, for so long. Returns whether there is more to come."""
        try:
            line = self._lines.get(timeout=max(patience_s, 0.0))
        except queue.Empty:
            return True
        if line is None:
            self._lines.put(None)
            return False
        self.said.append(line)
        return True

    def until(self, kind: str, deadline: float) -> bool:
        """Wait for a line of that kind. Returns whether it came before the end."""
        while not any(each["kind"] == kind for each in self.said):
            if not self.hear(deadline - time.monotonic()) or time.monotonic() > deadline:
                return False
        return True

    def until_waiting(self, deadline: float) -> bool:
        """Wait until it waits at the boundary. Returns whether it ever did."""
        while not (self.said and self.said[-1].get("waits")):
            if not self.hear(deadline - time.monotonic()) or time.monotonic() > deadline:
                return False
        return True

    def go(self) -> None:
        """Let it go on from the boundary."""
        assert self._process.stdin
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it was killed there

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        self._process.send_signal(number)

    def _read(self) -> None:
        assert self._process.stdout
        assert self._process.stderr
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._stderr = self._process.stderr.read()
        self._process.wait()
        self._lines.put(None)

    _stderr = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
