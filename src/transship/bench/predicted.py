"""What the plan of a run had said, beside what happened."""

from collections.abc import Mapping

from transship.bench.result import Run


def total_pair(run: Run) -> tuple[float, float] | None:
    """Predicted and measured total time in seconds; None where one is not known."""
    return _pair(run, "total_s", run.measures.total_s)


def downtime_pair(run: Run) -> tuple[float, float] | None:
    """Predicted downtime, and that which the engine measured: the plan speaks of this one."""
    return _pair(run, "downtime_s", run.measures.engine_downtime_s)


def _pair(run: Run, name: str, was: float | None) -> tuple[float, float] | None:
    said = run.predicted.get(name)
    likely = said.get("likely") if isinstance(said, Mapping) else None
    return (float(likely), was) if isinstance(likely, int | float) and likely > 0 and was else None
