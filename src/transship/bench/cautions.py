"""What speaks against reading an experiment without care, whatever its numbers are."""

import re
from collections import Counter
from collections.abc import Iterator

from transship.bench.result import Run
from transship.bench.table import Experiment, Workload, by

_SHOWN = 3
_ID = re.compile(r"\b[0-9a-f]{12,64}\b")


def cautions(experiment: Experiment) -> list[str]:
    """A sentence each: runs that are missing or impossible, code that changed in between."""
    return [*_missing(experiment), *_impossible(experiment), *_revisions(experiment)]


def reason_of(run: Run) -> str:
    """Why it failed, without what is another word each time."""
    return _ID.sub("…", run.reason)


def _missing(experiment: Experiment) -> Iterator[str]:
    missing = experiment.missing
    if missing:
        counts = Counter(each.cell.id for each in missing)
        made = {run.cell.id for run in (*experiment.all, *experiment.impossible)}
        none = [f"{cell.strategy} of {Workload.of(cell).words()}" for cell in
                {each.cell.id: each.cell for each in missing}.values() if cell.id not in made]  # fmt: skip
        whole = f" Of {len(none)} cells there is none: {_some(none)}." if none else ""
        total = len(experiment.all) + len(experiment.impossible) + len(missing)
        told = f"{len(missing)} of {total} runs, in {len(counts)} cells, are missing"
        yield f"The experiment is not complete: {told}.{whole}"


def _impossible(experiment: Experiment) -> Iterator[str]:
    for reason, runs in by(experiment.impossible, reason_of).items():
        cells = len({run.cell.id for run in runs})
        yield f"{len(runs)} runs of {cells} cells were impossible, and count nowhere: {reason}."


def _revisions(experiment: Experiment) -> Iterator[str]:
    counts = Counter(run.setting.revision for run in experiment.all)
    if len(counts) > 1:
        told = ", ".join(f"{name} ({number} runs)" for name, number in counts.most_common())
        yield f"The code changed in between: {told}. What differs between runs may be due to that."
    if dirty := sum(number for name, number in counts.items() if name.endswith("-dirty")):
        yield f"{dirty} runs were made by code that is in no revision: nobody can make them again."


def _some(words: list[str]) -> str:
    more = f"; and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return "; ".join(words[:_SHOWN]) + more
