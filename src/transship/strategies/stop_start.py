from dataclasses import dataclass

from transship.lifecycle import CreateContainer
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.steps import Plan, Step
from transship.strategies.frame import arriving, preparing, retiring, starting, stopping
from transship.transfer.image import KeepImage, ProvideImage


@dataclass(frozen=True, slots=True)
class StopStart:
    """The target gets the image and makes a new container of it; what the old one wrote stays behind."""

    name: str = "stop-start"

    def feasible(self, seen: Observation, options: MoveOptions) -> tuple[Finding, ...]:
        """Nothing but the loss of the writable layer speaks against it."""
        count = seen.state.changed_paths
        if not count:
            return ()
        return (
            Finding(
                "warning",
                "writable-layer-stays",
                f"{seen.spec.name} has changed {count} paths of its own filesystem, which stop-start leaves behind",
                "export-import takes them along",
            ),
        )

    def plan(self, seen: Observation, options: MoveOptions, migration: str) -> Plan:
        """Everything but stop and start happens while the source serves."""
        spec = arriving(seen, options)
        image: Step
        if seen.there.image:
            image = KeepImage(spec.image.reference, seen.there.image)
        else:
            image = ProvideImage(spec.image, seen.state.image_bytes)
        return Plan(
            strategy=self.name,
            prepare=(*preparing(seen, spec), image, CreateContainer(spec, seen.there.api_version)),
            cutover=(*stopping(seen), *starting(seen, options)),
            retire=retiring(seen, options, migration),
        )
