"""The mounts and volumes of an inspected container."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from transship.spec.codec import Json, SpecError
from transship.spec.model import Mount, VolumeSpec

ANONYMOUS_LABEL = "com.docker.volume.anonymous"
"""The label by which Docker 23 and later knows the volumes that it named itself."""

_GENERATED_NAME = re.compile(r"[0-9a-f]{64}")
_STRUCTURED = ("Type", "Source", "Target", "ReadOnly")


def mounts_of(container: Json) -> tuple[Mount, ...]:
    """Every mount, sorted by target: what was said, and what came from the image or another container.

    Docker's own list of mount points gives anonymous volumes their names, and tells what `--volumes-from` brought.
    """
    host_config: Json = container["HostConfig"]
    points: Mapping[str, Json] = {point["Destination"]: point for point in container.get("Mounts") or []}
    said = [_from_string(text, points) for text in host_config.get("Binds") or []]
    said += [_from_structure(mount, points) for mount in host_config.get("Mounts") or []]
    taken = {mount.target for mount in said} | {posixpath.normpath(path) for path in host_config.get("Tmpfs") or {}}
    said += [_from_point(point) for target, point in points.items() if target not in taken]
    return tuple(sorted(said, key=lambda mount: mount.target))


def volumes_of(container: Json, mounts: Iterable[Mount], inspected: Mapping[str, Json]) -> tuple[VolumeSpec, ...]:
    """The volumes behind the mounts, sorted by name. Raises `SpecError` when one was not inspected."""
    named = _names_in_request(container["HostConfig"])
    found: dict[str, VolumeSpec] = {}
    for mount in mounts:
        if mount.type == "volume" and mount.source and mount.source not in found:
            if mount.source not in inspected:
                raise SpecError(f"the volume {mount.source} at {mount.target} was not inspected")
            found[mount.source] = _volume(mount, inspected[mount.source], named)
    return tuple(found[name] for name in sorted(found))


def _volume(mount: Mount, inspected: Json, named: set[str]) -> VolumeSpec:
    labels = dict(inspected.get("Labels") or {})
    labelled = labels.pop(ANONYMOUS_LABEL, None) is not None
    # Before Docker 23 there is no label, only a name that nobody would type.
    generated = mount.source not in named and _GENERATED_NAME.fullmatch(mount.source) is not None
    return VolumeSpec(
        name=mount.source,
        driver=inspected.get("Driver") or "local",
        anonymous=labelled or generated,
        destination=mount.target,
        options=dict(inspected.get("Options") or {}),
        labels=labels,
    )


def _names_in_request(host_config: Json) -> set[str]:
    strings = {text.partition(":")[0] for text in host_config.get("Binds") or [] if ":" in text}
    return strings | {mount.get("Source", "") for mount in host_config.get("Mounts") or []}


def _from_string(text: str, points: Mapping[str, Json]) -> Mount:
    source, separator, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    # Docker's mount points have the cleaned path, whatever was said.
    target = posixpath.normpath(target if separator else text)
    if not separator:
        source = _anonymous_name(target, points)
    kind = "bind" if source.startswith("/") else "volume"
    words = {word for word in mode.split(",") if word}
    return Mount(kind, source, target, "ro" in words, "string", mode=tuple(sorted(words - {"ro", "rw"})))


def _from_structure(mount: Json, points: Mapping[str, Json]) -> Mount:
    kind, target = mount["Type"], posixpath.normpath(mount["Target"])
    source = mount.get("Source") or (_anonymous_name(target, points) if kind == "volume" else "")
    options = {key: value for key, value in mount.items() if key not in _STRUCTURED and value}
    return Mount(kind, source, target, bool(mount.get("ReadOnly")), "structured", options=options)


def _from_point(point: Json) -> Mount:
    kind, target = point["Type"], point["Destination"]
    if kind == "image":
        return Mount(kind, point["Name"], target, read_only=False, form="structured")
    if kind not in ("bind", "volume"):
        raise SpecError(f"the mount at {target} is of type {kind}, and nothing says where it came from")
    words = {word for word in (point.get("Mode") or "").split(",") if word not in ("", "ro", "rw")}
    if kind == "bind":
        # Where it was taken from another container, the mode is gone and only its effect is left.
        words |= {point.get("Propagation") or "rprivate"} - {"rprivate"}
    source = point["Source"] if kind == "bind" else volume_name(point)
    return Mount(kind, source, target, not point.get("RW", True), "string", mode=tuple(sorted(words)))


def volume_name(point: Json) -> str:
    """The name of the volume at a mount point. Docker 28 leaves it out where `Binds` asks for a volume without name."""
    named: str = point.get("Name") or PurePosixPath(point["Source"]).parent.name
    return named


def _anonymous_name(target: str, points: Mapping[str, Json]) -> str:
    if target not in points:
        raise SpecError(f"Docker does not list the anonymous volume at {target} among the container's mounts")
    return volume_name(points[target])
