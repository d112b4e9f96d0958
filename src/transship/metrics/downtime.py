"""Downtime as a client sees it: a prober that asks source and target, and never stops asking."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from transship.errors import UsageError

INTERVAL_S = 0.01
CONNECT_TIMEOUT_S = 0.25
"""Shorter than the second after which a kernel repeats a lost first packet: the next attempt comes before that."""
ANSWER_TIMEOUT_S = 2.0
_PROBE = re.compile(r"(?:tcp:(?P<tcp>[0-9]{1,5})|http:(?P<http>[0-9]{1,5})(?P<path>/[!-~]*)?)")


@dataclass(frozen=True, slots=True)
class Probe:
    """A question that a serving container answers: a TCP connection, or an HTTP request with a status below 400."""

    kind: Literal["tcp", "http"]
    port: int
    path: str = "/"

    @classmethod
    def parse(cls, text: str) -> "Probe":
        """Read `tcp:PORT` or `http:PORT/PATH`; PORT is the published port on the hosts."""
        match = _PROBE.fullmatch(text)
        port = int(match["tcp"] or match["http"]) if match else 0
        if not match or not 0 < port < 1 << 16:
            raise UsageError(f"{text!r} is no probe", hint="write tcp:PORT or http:PORT/PATH")
        return cls("tcp" if match["tcp"] else "http", port, match["path"] or "/")

    def __str__(self) -> str:
        return f"tcp:{self.port}" if self.kind == "tcp" else f"http:{self.port}{self.path}"

    def answers(self, address: str) -> bool:
        """Ask once. No answer in time, a broken connection, and a status from 400 on are all false."""
        try:
            if self.kind == "tcp":
                socket.create_connection((address, self.port), CONNECT_TIMEOUT_S).close()
                return True
            return self._status(address) < http.client.BAD_REQUEST
        except (OSError, http.client.HTTPException):
            return False

    def _status(self, address: str) -> int:
        connection = http.client.HTTPConnection(address, self.port, timeout=CONNECT_TIMEOUT_S)
        try:
            connection.connect()
            connection.sock.settimeout(ANSWER_TIMEOUT_S)
            connection.request("GET", self.path, headers={"Connection": "close"})
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which nobody answered: from the last answer before it to the first after it."""

    start_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a client saw. `downtime_s` is the sum of the outages; an outage that had not ended counts to the report."""

    probe: str
    attempts: Mapping[str, int]
    answers: Mapping[str, int]
    outages: tuple[Outage, ...]
    downtime_s: float


class Prober:
    """Asks every endpoint again and again, each in a thread of its own, until the block ends.

    An outage is a time in which every endpoint failed to answer at least once after the last answer of any of them.
    So a slow moment of this process is no outage, and a client that may use either host is what is measured.
    The resolution is `INTERVAL_S` plus the time of one request.
    """

    def __init__(self, probe: Probe, endpoints: Mapping[str, str], *, interval_s: float = INTERVAL_S) -> None:
        self._probe = probe
        self._endpoints = dict(endpoints)
        self._interval_s = interval_s
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._attempts = dict.fromkeys(endpoints, 0)
        self._answers = dict.fromkeys(endpoints, 0)
        self._last_answer: float | None = None
        self._silent: set[str] = set()
        self._outages: list[Outage] = []
        self._threads = [threading.Thread(target=self._ask, args=(name,), daemon=True) for name in self._endpoints]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def report(self) -> ProbeReport:
        """What was seen until now."""
        with self._lock:
            outages = list(self._outages)
            if self._last_answer is not None and self._all_silent():
                outages.append(Outage(self._last_answer, self._now() - self._last_answer))
            downtime_s = sum(outage.seconds for outage in outages)
            return ProbeReport(str(self._probe), dict(self._attempts), dict(self._answers), tuple(outages), downtime_s)

    def _ask(self, name: str) -> None:
        while not self._end.is_set():
            asked = self._now()
            answered = self._probe.answers(self._endpoints[name])
            with self._lock:
                self._attempts[name] += 1
                if answered:
                    self._note_answer(name)
                elif self._last_answer is None or asked >= self._last_answer:
                    self._silent.add(name)
            self._end.wait(max(0.0, self._interval_s - (self._now() - asked)))

    def _note_answer(self, name: str) -> None:
        now = self._now()
        self._answers[name] += 1
        if self._last_answer is not None and self._all_silent():
            self._outages.append(Outage(self._last_answer, now - self._last_answer))
        self._last_answer = now
        self._silent.clear()

    def _all_silent(self) -> bool:
        return self._silent == set(self._endpoints)

    def _now(self) -> float:
        return time.monotonic() - self._began
