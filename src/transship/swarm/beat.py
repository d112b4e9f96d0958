"""The sign that somebody is at work on a service's move, for those who would end it from another machine."""

import threading
import time
from contextlib import suppress

from transship.errors import NotFoundError, TransshipError
from transship.swarm.base import Swarm
from transship.swarm.change import edit_node
from transship.swarm.edits import labelled
from transship.swarm.model import Node
from transship.swarm.record import ServiceMove
from transship.undo import Patience

BEAT_S = 3.0
SILENCE_S = 12.0
"""How long another machine looks on before it takes a move for cut off."""

_AGAIN_S = 0.5
_LAST_S = 10.0
"""How long a manager that is out of reach is waited for to take the sign away: nobody else would."""


class Beat:
    """Counts up in a label of the target node while a process works on the move.

    Not in one of the service: a change of that would have Swarm begin its update anew. Whoever looks on sees the count
    change, or not: no two clocks are compared. A beat that cannot be told is left out, which is all that a lost manager
    means; the service's own label still guards every change.
    """

    def __init__(self, swarm: Swarm, record: ServiceMove) -> None:
        self._swarm = swarm
        self._node = record.target.node
        self._label = _label(record)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Tell it from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it no more, and take the label away, if a manager can be told soon. Not begun, or twice, is fine."""
        if self._thread.ident is None or self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        with suppress(TransshipError):
            Patience(time.monotonic() + _LAST_S)(lambda: self._tell(None))

    def _run(self) -> None:
        count = 0
        while not self._over.is_set():
            with suppress(TransshipError):
                self._tell(str(count))
            count += 1
            self._over.wait(BEAT_S)

    def _tell(self, text: str | None) -> None:
        edit_node(self._swarm, self._node, lambda spec: labelled(spec, self._label, text))


def is_beating(swarm: Swarm, record: ServiceMove, *, silence_s: float = SILENCE_S) -> bool:
    """Whether somebody is at work on a move, seen after `silence_s` at the latest. Raises `HostError`."""
    deadline, first = time.monotonic() + silence_s, _count(swarm, record)
    while time.monotonic() < deadline:
        if _count(swarm, record) not in {None, first}:
            return True
        threading.Event().wait(_AGAIN_S)
    return False


def end_beat(swarm: Swarm, record: ServiceMove) -> None:
    """Take away the label of a process that is no more."""
    if _count(swarm, record) is not None:
        edit_node(swarm, record.target.node, lambda spec: labelled(spec, _label(record), None))


def _count(swarm: Swarm, record: ServiceMove) -> str | None:
    try:
        return Node.read(swarm.node(record.target.node)).labels.get(_label(record))
    except NotFoundError:
        return None


def _label(record: ServiceMove) -> str:
    return f"transship.at-work.{record.id}"
