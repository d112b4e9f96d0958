from typing import Protocol

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.steps import Plan


class Strategy(Protocol):
    """A way to move a container. Both methods are without I/O, and equal arguments give equal answers."""

    @property
    def name(self) -> str:
        """The word for it on the command line, in results and figures."""
        ...

    def feasible(self, seen: Observation, options: MoveOptions) -> tuple[Finding, ...]:
        """What speaks against it, or should be known before it is chosen, beyond what holds for every strategy."""
        ...

    def plan(self, seen: Observation, options: MoveOptions, migration: str) -> Plan:
        """Everything to do, without the findings that hold for every strategy. `migration` is the move's id."""
        ...
