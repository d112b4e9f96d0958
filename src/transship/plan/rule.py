from collections.abc import Callable, Iterator

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions

Rule = Callable[[Observation, MoveOptions], Iterator[Finding]]
"""One trap: it says what it finds of it, without I/O."""
