"""A coordinator in a process of its own, which can be stopped at a step's boundary, disturbed, and killed.

usage: coordinator.py JOB; JOB is a JSON object of the fields of `Job`. Each event of the move is a line on stdout. At
the boundary that the job names it waits for a line on stdin. The last line says how it ended, as does its status.
"""

import json
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transship import api, undo
from transship.errors import TransshipError
from transship.hosts import ssh_master
from transship.metrics.downtime import Probe
from transship.metrics.events import Event
from transship.plan.options import MoveOptions


@dataclass(frozen=True, slots=True)
class Job:
    """What to move, from where to where.

    `boundary` is where to wait: `started` or `completed`, a phase, and which of that name. `patience_s` is how long the
    undo waits for a host that is gone, `connect_s` how long a host may take to accept a connection.
    """

    container: str
    source: str
    target: str
    ssh_config: str
    state: str
    options: dict[str, Any] = field(default_factory=dict)
    probe: str = ""
    boundary: tuple[str, str, int] | None = None
    patience_s: float = undo.PATIENCE_S
    connect_s: int = ssh_master.CONNECT_SECONDS

    def text(self) -> str:
        """What the process is given."""
        return json.dumps(asdict(self))


def main(text: str) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    job = Job(**json.loads(text))
    undo.PATIENCE_S = job.patience_s
    # ssh takes the first value of an option.
    ssh_master.PLAIN = (f"ConnectTimeout={job.connect_s}", *ssh_master.PLAIN)  # type: ignore[assignment]
    told: Counter[tuple[str, str]] = Counter()

    def listen(event: Event) -> None:
        if event.kind == "progress":
            return
        told[event.kind, event.phase] += 1
        here = [event.kind, event.phase, told[event.kind, event.phase]] == list(job.boundary or ())
        say(kind=event.kind, phase=event.phase, waits=here)
        if here:
            sys.stdin.readline()

    journey = api.Journey(job.container, job.target, job.source, Path(job.ssh_config), state=Path(job.state))
    options = MoveOptions(probe=Probe.parse(job.probe) if job.probe else None, **job.options)
    say(kind="ready", phase="", waits=False)
    try:
        result = api.move(journey, options, agreed=lambda _: True, listener=listen)
    except TransshipError as error:
        say(kind="ended", outcome=type(error).__name__, error=f"{error}; {error.hint}")
        return error.exit_code
    say(kind="ended", outcome=result.outcome, error="")
    return 0


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)  # noqa: T201


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
