"""Which strategy, and why; and of each other one why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from transship.hosts.base import Json
from transship.plan.findings import Finding, errors
from transship.plan.interval import Interval
from transship.plan.options import MoveOptions, Preference
from transship.plan.predict import Prediction

Verdict = Literal["chosen", "possible", "lossy", "ruled-out"]

_LOSES = frozenset({"writable-layer-stays"})
"""Codes of findings that name data which would stay behind, though nobody said that it may."""

_SIMPLEST = ("stop-start", "export-import", "sync")
"""By what they ask of the hosts."""
_KEEPS_MOST = ("stop-start", "sync", "export-import")
"""By what is the same afterwards: the last one makes another image of it."""
_NEAR, _NEAR_S = 1.1, 0.15
"""What is not longer than this factor and these seconds more is no reason to prefer one to the other."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One strategy, what speaks against it alone, and what it would take."""

    strategy: str
    findings: tuple[Finding, ...]
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a candidate. `fact` is the one that rules it out, or what it would lose; empty otherwise."""

    strategy: str
    verdict: Verdict
    fact: str
    prediction: Prediction

    def to_json(self) -> Json:
        """As `plan --json` prints it."""
        return {
            "strategy": self.strategy,
            "verdict": self.verdict,
            "fact": self.fact,
            "predicted": self.prediction.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Advice:
    """The strategy that was chosen, why, and all of them in the order in which they were offered."""

    strategy: str
    reason: str
    judged: tuple[Judged, ...]

    @property
    def prediction(self) -> Prediction:
        """What the chosen one would take."""
        return next(each.prediction for each in self.judged if each.strategy == self.strategy)


def advise(candidates: Sequence[Candidate], options: MoveOptions, written: Sequence[str]) -> Advice:
    """Choose what the user named, else the best of those that lose nothing, by what the user prefers.

    `written` names what the container has written. Where none is possible, the one with the fewest facts against it is
    named, so that its findings are told.
    """
    judged = {each.strategy: _judge(each) for each in candidates}
    if options.strategy != "auto":
        return _advice(judged, options.strategy, "as asked for")
    whole = [judged[each.strategy] for each in candidates if judged[each.strategy].verdict == "possible"]
    if not whole:
        fewest = min(candidates, key=lambda each: (len(errors(each.findings)), each.strategy != "sync"))
        fact = judged[fewest.strategy].fact
        return _advice(judged, fewest.strategy, f"nothing is possible as it is; this comes nearest, but {fact}")
    best = _best(whole, options.prefer)
    return _advice(judged, best.strategy, f"{_why(best, judged, written)}. {_by(best, whole, options.prefer)}")


def _judge(candidate: Candidate) -> Judged:
    blocking = errors(candidate.findings)
    lost = [finding for finding in candidate.findings if finding.code in _LOSES]
    verdict: Verdict = "ruled-out" if blocking else "lossy" if lost else "possible"
    fact = next((finding.message for finding in (*blocking, *lost)), "")
    return Judged(candidate.strategy, verdict, fact, candidate.prediction)


def _advice(judged: Mapping[str, Judged], strategy: str, reason: str) -> Advice:
    return Advice(
        strategy,
        reason,
        tuple(
            Judged(each.strategy, "chosen", each.fact, each.prediction) if each.strategy == strategy else each
            for each in judged.values()
        ),
    )


def _best(whole: Sequence[Judged], prefer: Preference) -> Judged:
    """The one with the least of what is preferred; among those that are near it, the one that changes least."""
    if prefer == "simplicity":
        return min(whole, key=lambda each: _place(each, _SIMPLEST))
    known = [(value.likely, each) for each in whole if (value := _measure(each.prediction, prefer)) is not None]
    if not known:
        return min(whole, key=lambda each: _place(each, _KEEPS_MOST))
    near = min(known, key=lambda pair: pair[0])[0] * _NEAR + _NEAR_S
    return min((each for value, each in known if value <= near), key=lambda each: _place(each, _KEEPS_MOST))


def _place(each: Judged, order: Sequence[str]) -> int:
    return order.index(each.strategy) if each.strategy in order else len(order)


def _measure(prediction: Prediction, prefer: Preference) -> Interval | None:
    known = {"downtime": prediction.downtime_s, "total": prediction.total_s, "bytes": prediction.wire_bytes}
    return known.get(prefer)


def _why(best: Judged, judged: Mapping[str, Judged], written: Sequence[str]) -> str:
    """The first sentence, without its end: what the choice rests on."""
    if not written:
        return "the container has written nothing that would have to come along"
    wrote = f"the container has written {', '.join(written)}"
    if best.strategy == "sync":
        return f"{wrote}, which this copies while the container serves"
    if (sync := judged.get("sync")) and sync.verdict == "ruled-out":
        return f"{wrote}, and {sync.fact}"
    return f"{wrote}, which this takes along"


def _by(best: Judged, whole: Sequence[Judged], prefer: Preference) -> str:
    """The second sentence: how it compares, by what is preferred."""
    others = [each for each in whole if each is not best]
    if not others:
        return "No other strategy can do that here"
    if prefer == "simplicity":
        return "It is the simplest of those that lose nothing"
    own, word = _said(best, prefer), {"downtime": "down for", "total": "done after", "bytes": "sends"}[prefer]
    rest = ", ".join(f"{each.strategy} {_said(each, prefer)}" for each in others)
    return f"It {'is ' if prefer != 'bytes' else ''}{word} about {own}; {rest}"


def _said(each: Judged, prefer: Preference) -> str:
    value = _measure(each.prediction, prefer)
    if value is None:
        return "an unknown time" if prefer != "bytes" else "an unknown number of bytes"
    return f"{value.likely / 1e6:.1f} MB" if prefer == "bytes" else f"{value.likely:.1f} s"
