"""One move in a process of its own, with a timeout, and what it cost."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from transship.bench.job import Answer, Job
from transship.bench.result import Events, Measures, PhaseRow, Usage
from transship.codec import MalformedError, decode, encode, loads

_POLL_S = 0.02
_UNDO_S = 60.0
"""How long a move that has timed out may take to undo itself."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The process of a move that ended. Where a bug of its own ended it, the answer says so as a failed move does."""

    answer: Answer
    timed_out: bool
    cpu_s: float | None
    """Processor time of it and of all that it ran."""


class Mover:
    """The process that will make one move. It is begun beforehand, so that nobody waits for its start."""

    def __init__(self, process: "subprocess.Popen[bytes]", tell: int, said: tuple[IO[bytes], IO[bytes]]) -> None:
        self._process = process
        self._tell: int | None = tell
        self._answer, self._words = said
        self._used: resource.struct_rusage | None = None

    @classmethod
    @contextmanager
    def begun(cls, folder: Path, *, held: int) -> Iterator[Self]:
        """`folder` is for what the process writes; the file `held` stays open for as long as it lives.

        However the block ends, the process has ended too, after it has undone what it had begun. Who is interrupted
        while that is waited for does not wait any longer: then it is killed.
        """
        with (folder / "answer").open("w+b") as answer, (folder / "words").open("w+b") as words:
            stdin, tell = os.pipe()
            process = subprocess.Popen(
                [sys.executable, "-m", "transship.bench.mover"],
                stdin=stdin, stdout=answer, stderr=words, start_new_session=True, pass_fds=(held,),
            )  # fmt: skip
            os.close(stdin)
            mover = cls(process, tell, (answer, words))
            try:
                yield mover
            finally:
                mover.end()

    def make(self, job: Job, *, timeout_s: float) -> Ended:
        """Make one move, and end."""
        with suppress(BrokenPipeError):  # it has ended already, and its last words say why
            os.write(self._input, json.dumps(encode(job)).encode() + b"\n")
        self._used = _wait(self._process, timeout_s)
        timed_out = self._used is None
        used = self.end()
        self._answer.seek(0)
        self._words.seek(0)
        told = _read(self._answer.read(), self._words.read().decode(errors="replace"))
        return Ended(told, timed_out, round(used.ru_utime + used.ru_stime, 4))

    def end(self) -> resource.struct_rusage:
        """Have the process undo what it had begun, and end. What it used until then."""
        if self._tell is not None:
            os.close(self._tell)  # the process takes this for the wish to undo
            self._tell = None
        try:
            self._used = self._used or _wait(self._process, _UNDO_S) or _killed(self._process)
        except BaseException:
            if self._process.returncode is None:
                _killed(self._process)
            raise
        return self._used

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def _input(self) -> int:
        if self._tell is None:
            raise ValueError("the process of a move makes one move only")
        return self._tell


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> resource.struct_rusage | None:
    """What the process and its children used, once it has ended; None when it has not within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return used
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL_S)


def _killed(process: "subprocess.Popen[bytes]") -> resource.struct_rusage:
    os.killpg(process.pid, signal.SIGKILL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used


def _read(answer: bytes, words: str) -> Answer:
    try:
        return decode(Answer, loads(answer))
    except MalformedError as error:
        lines = [line.strip() for line in words.splitlines() if line.strip()]
        why = lines[-1] if lines else str(error)
        return Answer.refused(f"the process of the move ended without an answer: {why}", Events())


def measures(ended: Ended, hosts: Mapping[str, Usage], link_bytes: int | None, minimum_bytes: int | None) -> Measures:
    """All that was measured of one move."""
    answer = ended.answer
    return Measures(
        total_s=answer.total_s,
        engine_downtime_s=answer.engine_downtime_s,
        client_downtime_s=answer.client_downtime_s,
        freeze_s=_freeze_s(answer.phases),
        link_bytes=link_bytes,
        wire_bytes=sum(each.wire for each in answer.by_class.values()) if answer.by_class else None,
        logical_bytes=sum(each.logical for each in answer.by_class.values()) if answer.by_class else None,
        minimum_bytes=minimum_bytes,
        by_class=answer.by_class,
        usage={"coordinator": Usage(ended.cpu_s, answer.peak_memory_bytes), **hosts},
    )


def _freeze_s(phases: Sequence[PhaseRow]) -> float | None:
    """From the freeze to the moment when the processes go on; None where they were not frozen, or did not go on."""
    frozen = next((each.start_s for each in phases if each.name == "freeze"), None)
    restored = next((each.start_s + each.seconds for each in phases if each.name == "restore"), None)
    return None if frozen is None or restored is None else round(restored - frozen, 4)
