"""A full disk shows up as something else, and late."""

from collections.abc import Iterator

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.plan.sizes import missing_image_bytes, volume_sizes

_FACTOR = 1.1
"""What is unpacked takes a little more than its size."""


def image_fits(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A graphdriver store writes the whole archive down before it unpacks it."""
    needed, free = _image_bytes(seen), seen.target.docker_free_bytes
    if needed and free is not None and free < needed:
        yield _too_small(seen, free, needed, "the image")


def data_fits(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Image, writable layer and volumes lie in the same place."""
    image, free = _image_bytes(seen), seen.target.docker_free_bytes
    stored = sum(size.stored for size in volume_sizes(seen, options).values())
    needed = image + (seen.state.layer_bytes + stored) * _FACTOR
    if free is not None and image <= free < needed:
        yield _too_small(seen, free, needed, "what comes along")


def image_can_be_saved(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A graphdriver store writes the archive of the whole image to its own disk before it sends any of it."""
    needed, free = seen.state.image_bytes * _FACTOR, seen.source.docker_free_bytes
    sends = not seen.there.image and seen.source.image_store == "graphdriver"
    if sends and free is not None and free < needed:
        yield Finding(
            "error",
            "no-space-source",
            f"{seen.source_name} has {free / 1e6:.0f} MB free in {seen.source.docker_root}, and Docker needs "
            f"{needed / 1e6:.0f} MB there to save the image",
            f"make room there, or pull the image on {seen.target_name} first",
        )


def _image_bytes(seen: Observation) -> float:
    twice = 2 if seen.target.image_store == "graphdriver" else 1
    return missing_image_bytes(seen) * _FACTOR * twice


def _too_small(seen: Observation, free: int, needed: float, what: str) -> Finding:
    return Finding(
        "error",
        "no-space",
        f"{seen.target_name} has {free / 1e6:.0f} MB free in {seen.target.docker_root}, "
        f"and {what} needs {needed / 1e6:.0f} MB",
        "docker system df there shows what could go",
    )


def filesystem_fits(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A flat image has all of the container's filesystem, whatever the target has of its image."""
    needed, free = (seen.state.image_bytes + seen.state.layer_bytes) * _FACTOR, seen.target.docker_free_bytes
    if free is not None and free < needed:
        yield _too_small(seen, free, needed, "the container's filesystem")


SPACE_RULES: tuple[Rule, ...] = (image_fits,)
COPY_SPACE_RULES: tuple[Rule, ...] = (image_can_be_saved, data_fits)
"""For a strategy that sends the image and copies the data."""
