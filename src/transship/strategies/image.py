from transship.hosts.facts import Facts
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.steps import Step
from transship.spec.model import ContainerSpec
from transship.transfer.image import Ends, KeepImage, ProvideImage

OLDEST_PYTHON = (3, 8)
NAMES_LAYERS = (1, 44)
"""The API version of the first Docker whose archives name layers by their diff ids."""


def providing(seen: Observation, spec: ContainerSpec, *, pull: bool) -> Step:
    """The step after which the target has the image. `pull`: a registry is asked before the source."""
    if seen.there.image:
        return KeepImage(spec.image.reference, seen.there.image)
    return ProvideImage(spec.image, seen.state.image_bytes, ends_of(seen.source, seen.target), pull)


def image_findings(seen: Observation) -> tuple[Finding, ...]:
    """What of the image crosses without need, and why."""
    ends = ends_of(seen.source, seen.target)
    if seen.there.image or (ends.source_python and (ends.target_python or ends.target == "graphdriver")):
        return ()
    if ends.source_python or ends.target == "containerd" or not ends.named_layers:
        where = seen.target_name if ends.source_python else seen.source_name
        text = f"{where} has no Python 3.8 or newer, so layers that {seen.target_name} has already are sent, too"
        return (Finding("note", "image-sent-whole", text, "install python3 there, or let the target pull the image"),)
    text = f"{seen.source_name} has no Python 3.8 or newer, so all of the image comes here before layers are left out"
    return (Finding("note", "image-filtered-here", text, "install python3 there"),)


def ends_of(source: Facts, target: Facts) -> Ends:
    """What both hosts can do for an image on its way."""
    return Ends(
        source=source.image_store,
        target=target.image_store,
        named_layers=source.image_store == "graphdriver" and _version(source.api_version) >= NAMES_LAYERS,
        source_python=_has_python(source),
        target_python=_has_python(target),
    )


def _has_python(facts: Facts) -> bool:
    return facts.can_run and facts.python_path is not None and _version(facts.python_version or "") >= OLDEST_PYTHON


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
