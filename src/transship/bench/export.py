"""All runs of an experiment as one table: CSV, or JSON with the same rows. Units are in the columns' names."""

import csv
import io
import json
from collections.abc import Iterable, Mapping

from transship.bench.predicted import likely
from transship.bench.result import Run, Usage

_CLASSES = ("image", "layer", "volumes", "binds", "memory")
_MACHINES = ("coordinator", "source", "target")
_KEPT = ("image", "settings", "layer", "volume", "memory")
_PREDICTED = ("total_s", "downtime_s", "wire_bytes")

Value = str | int | float | bool | None
Row = Mapping[str, Value]


def row(run: Run) -> Row:
    """One run as a flat row; None where there is no value. The same columns for every run."""
    cell, measured = run.cell, run.measures
    return {
        "run": run.run,
        "cell": cell.id,
        "image": cell.image,
        "made_of": cell.made_of,
        "state": cell.state,
        "state_bytes": cell.state_bytes,
        "state_files": cell.state_files,
        "where": cell.where,
        "change_rate_bytes_per_s": cell.change_rate,
        "strategy": cell.strategy,
        "method": cell.method,
        "options": json.dumps(cell.options, sort_keys=True) if cell.options else "",
        "link_mbit_per_s": cell.link_mbit,
        "delay_ms": cell.delay_ms,
        "cache": cell.cache,
        "held_memory_bytes": cell.memory_bytes,
        "store": cell.store,
        "suite": cell.suite,
        "repetition": run.repetition,
        "warm_up": run.warm_up,
        "begun": run.begun,
        "outcome": run.outcome,
        "reason": run.reason,
        "total_s": measured.total_s,
        "engine_downtime_s": measured.engine_downtime_s,
        "client_downtime_s": measured.client_downtime_s,
        "freeze_s": measured.freeze_s,
        "link_bytes": measured.link_bytes,
        "wire_bytes": measured.wire_bytes,
        "logical_bytes": measured.logical_bytes,
        "minimum_bytes": measured.minimum_bytes,
        **_by_class(run),
        **_usage(measured.usage),
        "rounds": len({each.number for each in run.rounds}) if run.rounds else None,
        **{f"kept_{what}": getattr(run.kept, what) for what in _KEPT},
        **{f"predicted_{name}": likely(run, name) for name in _PREDICTED},
        "environment": run.setting.environment[:12],
        "revision": run.setting.revision,
        "load_1m": run.setting.load_1m,
    }


def _by_class(run: Run) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for kind in _CLASSES:
        each = run.measures.by_class.get(kind)
        found[f"{kind}_logical_bytes"] = each.logical if each else None
        found[f"{kind}_wire_bytes"] = each.wire if each else None
    return found


def _usage(usage: Mapping[str, Usage]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for machine in _MACHINES:
        each = usage.get(machine, Usage(None, None))
        found[f"{machine}_cpu_s"] = each.cpu_s
        found[f"{machine}_peak_memory_bytes"] = each.peak_memory_bytes
    return found


def to_csv(runs: Iterable[Run]) -> str:
    """A line a run, with a head; what has no value is empty, and truth is `true` or `false`."""
    rows = [row(run) for run in runs]
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _word(value) for key, value in each.items()} for each in rows)
    return text.getvalue()


def _word(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value


def to_json(runs: Iterable[Run]) -> str:
    """A list with an object a run; what has no value is null."""
    return json.dumps([dict(row(run)) for run in runs], indent=1) + "\n"
