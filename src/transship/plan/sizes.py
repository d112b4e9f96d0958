"""How much there is of the container, by kind of data, and what of it the target lacks."""

from collections.abc import Mapping

from transship.hosts.paths import TreeSize
from transship.plan.copied import copied_binds, is_copied
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions


def missing_image_bytes(seen: Observation) -> int:
    """The unpacked size of the layers that the target lacks.

    Where Docker does not tell the size of each layer, those are taken to be of the same size.
    """
    count = len(seen.spec.image.diff_ids)
    missing = max(0, count - seen.there.shared_layers)
    if seen.there.image or not missing:
        return 0
    if not seen.there.shared_layers:
        return seen.state.image_bytes
    if seen.state.image_layers:
        return sum(seen.state.image_layers[-missing:])
    return seen.state.image_bytes * missing // count


def volume_sizes(seen: Observation, options: MoveOptions) -> Mapping[str, TreeSize]:
    """The copied volumes whose size is known, by name."""
    if options.without_volumes:
        return {}
    names = [volume.name for volume in seen.spec.volumes if is_copied(volume)]
    return {name: seen.state.sizes[name] for name in names if name in seen.state.sizes}


def bind_sizes(seen: Observation, options: MoveOptions) -> Mapping[str, TreeSize]:
    """The copied bind mounts whose size is known, by path."""
    paths = copied_binds(seen.spec.mounts, options)
    return {path: seen.state.sizes[path] for path in paths if path in seen.state.sizes}


def all_known(seen: Observation, options: MoveOptions) -> bool:
    """Whether the size of everything that is copied was seen to the end."""
    volumes, binds = volume_sizes(seen, options), bind_sizes(seen, options)
    wanted = 0 if options.without_volumes else sum(1 for volume in seen.spec.volumes if is_copied(volume))
    known = len(volumes) == wanted and len(binds) == len(copied_binds(seen.spec.mounts, options))
    return known and all(size.complete for size in (*volumes.values(), *binds.values()))
