from collections.abc import Mapping
from dataclasses import replace

from transship.plan.advise import Candidate, advise
from transship.plan.checks import check
from transship.plan.copied import copied_binds
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions, StrategyName
from transship.plan.predict import Model, predict
from transship.plan.steps import Plan
from transship.strategies.base import Strategy
from transship.strategies.export_import import ExportImport
from transship.strategies.live import Live
from transship.strategies.stop_start import StopStart
from transship.strategies.sync import Sync

STRATEGIES: Mapping[StrategyName, Strategy] = {
    "stop-start": StopStart(),
    "export-import": ExportImport(),
    "sync": Sync(),
    "live": Live(),
}

_WHEN_NAMED = frozenset({"live"})
"""What is not considered unless it is asked for: to find out whether it can be takes long, and it has its own risks."""


def choose(seen: Observation, options: MoveOptions, migration: str, *, model: Model | None = None) -> Plan:
    """The plan of the strategy that the user named, or of the one that suits best, with what was thought of each.

    `model` is what is known of the cost of things; without one it is what is built in.
    """
    candidates = {
        name: Candidate(name, strategy.feasible(seen, options), predict(seen, options, name, model))
        for name, strategy in STRATEGIES.items()
        if name not in _WHEN_NAMED or name == options.strategy
    }
    advice = advise(tuple(candidates.values()), options, _written(seen, options))
    (strategy,) = (each for name, each in STRATEGIES.items() if name == advice.strategy)
    findings = (*check(seen, options), *candidates[advice.strategy].findings)  # type: ignore[index]
    made = strategy.plan(seen, options, migration)
    return replace(made, reason=advice.reason, findings=findings, advice=advice)


def _written(seen: Observation, options: MoveOptions) -> list[str]:
    """What the container has written, and would miss."""
    kept = [f"{seen.state.changed_paths} paths of its own filesystem"] if seen.state.changed_paths else []
    kept += [f"the volume {volume.name}" for volume in seen.spec.volumes if not options.without_volumes]
    return kept + [f"the folder {path}" for path in copied_binds(seen.spec.mounts, options)]
