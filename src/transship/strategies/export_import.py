from dataclasses import dataclass

from transship.creation import CreateContainer
from transship.plan.checks import PLAIN_RULES, check
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.space_checks import filesystem_fits
from transship.plan.steps import Plan, Step
from transship.strategies.frame import arriving, preparing, retiring, starting, stopping
from transship.transfer.filesystem import CopyFilesystem, VerifyFilesystem


@dataclass(frozen=True, slots=True)
class ExportImport:
    """The whole filesystem as one tar, imported as a flat image.

    The source is stopped while it is copied: what it writes meanwhile would be lost.
    """

    name: str = "export-import"

    def feasible(self, seen: Observation, options: MoveOptions) -> tuple[Finding, ...]:
        """Volumes and bind mounts stay behind; and comparing every file needs a Python there."""
        findings = check(seen, options, (*PLAIN_RULES, filesystem_fits))
        if seen.target.python_path is None:
            return (
                *findings,
                Finding(
                    "note",
                    "filesystem-not-compared",
                    f"{seen.target_name} has no Python, so only the archive's digest proves the filesystem",
                ),
            )
        return findings

    def plan(self, seen: Observation, options: MoveOptions, migration: str) -> Plan:
        """The copy lies between stop and start."""
        spec = arriving(seen, options)
        copy = CopyFilesystem(
            container=seen.state.container_id,
            image=f"transship/{_repository(spec.name)}:{migration}",
            platform=spec.image.platform,
            size=seen.state.image_bytes,
            verify=options.verify,
        )
        verify: tuple[Step, ...] = (VerifyFilesystem(options.verify),) if seen.target.python_path is not None else ()
        return Plan(
            strategy=self.name,
            prepare=preparing(seen, spec),
            cutover=(
                *stopping(seen),
                copy,
                CreateContainer(spec, seen.there.api_version, flat_image=copy.image),
                *verify,
                *starting(seen, options),
            ),
            retire=retiring(seen, options, migration),
        )


def _repository(name: str) -> str:
    """A container's name as part of an image's: lower case, and single separators between letters and digits."""
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return "-".join(words) or "container"
