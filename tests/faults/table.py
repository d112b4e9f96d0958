"""The results of many faults, as a table in Markdown."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from tests.faults.fault import LIVE_KINDS, LIVE_VARIANTS, VARIANTS

Results = Sequence[dict[str, Any]]

_HEAD = ("faults", "missed", "moved", "back", "alone", "tidied", "helped", "failed", "silence, s")


def table(results: Results) -> str:
    """One row for each kind of fault, and one for each strategy; then how long a dead coordinator's source took."""
    kinds = sorted({(each["kind"], each["side"]) for each in results}, key=LIVE_KINDS.index)
    rows = [(f"{kind} ({side})" if side else kind, _of(results, kind=kind, side=side)) for kind, side in kinds]
    rows += [(variant, _of(results, variant=variant)) for variant in (*VARIANTS, *LIVE_VARIANTS)]
    rows += [("**all**", results)]
    lines = [f"| | {' | '.join(_HEAD)} |", f"|---|{'---|' * len(_HEAD)}"]
    lines += [f"| {name} | {' | '.join(_cells(found))} |" for name, found in rows if found]
    return "\n".join([*lines, "", _returns(results)])


def _of(results: Results, **fields: str) -> Results:
    return [each for each in results if all(each[name] == value for name, value in fields.items())]


def _cells(results: Results) -> Iterable[str]:
    silences = sorted(each["silence_s"] for each in results if not each["failures"])
    worst = f"{median(silences):.1f} / {silences[-1]:.1f}" if silences else ""
    counts = (
        len(results),
        sum(each["missed"] for each in results),
        sum(each["result"] == "moved" for each in results),
        sum(each["result"] == "back" for each in results),
        sum(not each["recovered"] and not each["failures"] for each in results),
        sum(each["recovered"] and each["alone"] and not each["failures"] for each in results),
        sum(each["recovered"] and not each["alone"] and not each["failures"] for each in results),
        sum(bool(each["failures"]) for each in results),
    )
    return (*map(str, counts), worst)


def _returns(results: Results) -> str:
    took = sorted(each["back_s"] for each in results if each["back_s"] is not None)
    if not took:
        return "No coordinator was killed before it had released the source."
    away = [each for each in took if each > 0]
    text = (
        f"{len(took)} coordinators were killed before `released`. In {len(took) - len(away)} the source never stopped"
    )
    if not away:
        return f"{text}."
    return f"{text}; in the others it executed again after {median(away):.2f} s (median), {away[-1]:.2f} s at the most."
