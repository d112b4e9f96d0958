"""The mounts and volumes of an inspected container."""

import re
from collections.abc import Iterable, Mapping

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
    taken = {mount.target for mount in said} | set(host_config.get("Tmpfs") or {})
    said += [_from_point(point) for target, point in points.items() if target not in taken]
    return tuple(sorted(said, key=lambda mount: mount.target))


def volumes_of(container: Json, mounts: Iterable[Mount], inspected: Mapping[str, Json]) -> tuple[VolumeSpec, ...]:
    """The volumes behind the mounts, sorted by name. Raises `SpecError` when one was not inspected."""
    named = _names_in_request(container["HostConfig"])
    found: dict[str, VolumeSpec] = {}
    for mount in mounts:
        if mount.type == "volume" and mount.source and mount.source not in found:
            if mount.source not in inspected:
                raise SpecError(f"The volume {mount.source} at {mount.target} was not inspected.")
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
    parts = text.split(":", 2)
    if len(parts) == 1:
        source, target, mode = _anonymous_name(text, points), text, ""
    else:
        source, target, mode = parts[0], parts[1], parts[2] if len(parts) == 3 else ""  # noqa: PLR2004 - source, target, mode
    return _string_form("bind" if source.startswith("/") else "volume", source, target, mode)


def _string_form(kind: str, source: str, target: str, mode: str) -> Mount:
    words = {word for word in mode.split(",") if word}
    return Mount(kind, source, target, "ro" in words, "string", mode=tuple(sorted(words - {"ro", "rw"})))


def _from_structure(mount: Json, points: Mapping[str, Json]) -> Mount:
    kind, target = mount["Type"], mount["Target"]
    source = mount.get("Source") or (_anonymous_name(target, points) if kind == "volume" else "")
    options = {key: value for key, value in mount.items() if key not in _STRUCTURED and value}
    return Mount(kind, source, target, bool(mount.get("ReadOnly")), "structured", options=options)


def _from_point(point: Json) -> Mount:
    words = {word for word in (point.get("Mode") or "").split(",") if word not in ("", "ro", "rw")}
    kind = point["Type"]
    if kind not in ("bind", "volume"):
        raise SpecError(f"The mount at {point['Destination']} is of type {kind}, and nothing says where it came from.")
    source = point["Name"] if kind == "volume" else point["Source"]
    mount = _string_form(kind, source, point["Destination"], ",".join(words))
    if point.get("RW", True):
        return mount
    return Mount(kind, source, mount.target, read_only=True, form="string", mode=mount.mode)


def _anonymous_name(target: str, points: Mapping[str, Json]) -> str:
    if target not in points:
        raise SpecError(f"Docker does not list the anonymous volume at {target} among the container's mounts.")
    return str(points[target]["Name"])
