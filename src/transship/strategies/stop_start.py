from dataclasses import dataclass

from transship.creation import CreateContainer
from transship.plan.checks import PLAIN_RULES, check
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.steps import Plan
from transship.strategies.frame import arriving, preparing, retiring, starting, stopping
from transship.strategies.image import image_findings, providing


@dataclass(frozen=True, slots=True)
class StopStart:
    """The target gets the image and makes a new container of it; what the old one wrote stays behind."""

    name: str = "stop-start"

    def feasible(self, seen: Observation, options: MoveOptions) -> tuple[Finding, ...]:
        """What is written stays behind: in volumes, in bind mounts, in the writable layer."""
        findings = (*check(seen, options, PLAIN_RULES), *image_findings(seen))
        count = seen.state.changed_paths
        if not count:
            return findings
        return (
            *findings,
            Finding(
                "warning",
                "writable-layer-stays",
                f"{seen.spec.name} has changed {count} paths of its own filesystem, which stop-start leaves behind",
                "sync and export-import take them along",
            ),
        )

    def plan(self, seen: Observation, options: MoveOptions, migration: str) -> Plan:
        """Everything but stop and start happens while the source serves."""
        spec = arriving(seen, options)
        image = providing(seen, spec, pull=True)
        return Plan(
            strategy=self.name,
            prepare=(*preparing(seen, spec), image, CreateContainer(spec, seen.there.api_version)),
            cutover=(*stopping(seen), *starting(seen, options)),
            retire=retiring(seen, options, migration),
        )
