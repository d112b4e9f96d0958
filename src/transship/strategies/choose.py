from collections.abc import Mapping
from dataclasses import replace

from transship.plan.checks import check
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions, StrategyName
from transship.plan.steps import Plan
from transship.strategies.base import Strategy
from transship.strategies.export_import import ExportImport
from transship.strategies.stop_start import StopStart

STRATEGIES: Mapping[StrategyName, Strategy] = {"stop-start": StopStart(), "export-import": ExportImport()}


def choose(seen: Observation, options: MoveOptions, migration: str) -> Plan:
    """The plan of the strategy that the user named, or of the one that loses nothing in the shortest time, and why."""
    name, reason = (options.strategy, "as asked for") if options.strategy != "auto" else _advise(seen)
    strategy = STRATEGIES[name]
    findings = (*check(seen, options), *strategy.feasible(seen, options))
    return replace(strategy.plan(seen, options, migration), reason=reason, findings=findings)


def _advise(seen: Observation) -> tuple[StrategyName, str]:
    count = seen.state.changed_paths
    if count:
        return "export-import", f"the container has written {count} paths of its own filesystem, which only this keeps"
    return (
        "stop-start",
        "the container has written nothing into its own filesystem, so image and settings are all of it",
    )
