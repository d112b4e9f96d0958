from collections.abc import Mapping
from dataclasses import replace

from transship.plan.checks import check
from transship.plan.copied import copied_binds
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions, StrategyName
from transship.plan.steps import Plan
from transship.plan.sync_checks import HOST_RULES
from transship.strategies.base import Strategy
from transship.strategies.export_import import ExportImport
from transship.strategies.stop_start import StopStart
from transship.strategies.sync import Sync

STRATEGIES: Mapping[StrategyName, Strategy] = {
    "stop-start": StopStart(),
    "export-import": ExportImport(),
    "sync": Sync(),
}


def choose(seen: Observation, options: MoveOptions, migration: str) -> Plan:
    """The plan of the strategy that the user named, or of the one that loses nothing in the shortest time, and why."""
    name, reason = (options.strategy, "as asked for") if options.strategy != "auto" else _advise(seen, options)
    strategy = STRATEGIES[name]
    findings = (*check(seen, options), *strategy.feasible(seen, options))
    return replace(strategy.plan(seen, options, migration), reason=reason, findings=findings)


def _advise(seen: Observation, options: MoveOptions) -> tuple[StrategyName, str]:
    """Nothing to bring along: the simplest. Else what keeps it with the shortest interruption possible here."""
    kept = [f"{seen.state.changed_paths} paths of its own filesystem"] if seen.state.changed_paths else []
    kept += [f"the volume {volume.name}" for volume in seen.spec.volumes if not options.without_volumes]
    kept += [f"the folder {path}" for path in copied_binds(seen.spec.mounts, options)]
    if options.freeze:
        return "sync", "no other strategy freezes the container instead of stopping it"
    if not kept:
        return "stop-start", "the container has written nothing that would have to come along"
    wrote = f"the container has written {', '.join(kept)}"
    unfit = [finding for finding in check(seen, options, HOST_RULES) if finding.severity == "error"]
    if not unfit:
        return "sync", f"{wrote}, which this copies while the container serves"
    if seen.spec.volumes and not options.without_volumes:
        return "sync", f"{wrote}, and no other strategy keeps that"
    return "export-import", f"{wrote}, and {unfit[0].message}"
