"""When pre-copy has gone on for long enough.

The shape is that of Clark et al., Live Migration of Virtual Machines (NSDI 2005): rounds go on as long as each is
markedly shorter than the one before, since what changed during a round is what the next one has to send.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PAYS_BELOW = 0.7
"""A round pays when it took less than this part of the one before it."""
TOO_SMALL_S = 0.05
"""Below this, starting and ending a round is all that is measured."""
MOST_ROUNDS = 12

Verdict = Literal["again", "cut-over", "over-budget"]


@dataclass(frozen=True, slots=True)
class Round:
    """One pass over all trees: how long it took, and what it would take without a limit on the rate, in seconds."""

    seconds: float
    unlimited_s: float


def verdict(rounds: Sequence[Round], max_downtime_s: float) -> Verdict:
    """Whether another round while the source serves is worth its time.

    A last round right now would take about as long as the latest one without its limit: that is the prediction which
    is held against the budget. Deterministic; at least two rounds are made, as the first one says nothing of change.
    """
    if len(rounds) < 2:  # noqa: PLR2004 - see above
        return "again"
    before, latest = rounds[-2].unlimited_s, rounds[-1].unlimited_s
    pays = latest > TOO_SMALL_S and latest < before * PAYS_BELOW
    if pays and len(rounds) < MOST_ROUNDS:
        return "again"
    return "cut-over" if latest <= max_downtime_s else "over-budget"
