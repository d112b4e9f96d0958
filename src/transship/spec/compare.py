"""Whether two containers are the same thing, and where they are not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transship.spec import fields
from transship.spec.codec import Json, encode
from transship.spec.merge import merged
from transship.spec.model import ContainerSpec, ImageRef

ALLOWED: Mapping[str, str] = {
    "image.id": "stores name the same image differently: by its config, by its manifest or by its index",
    "image.reference": "a moved container is created by the image's verified id",
    "image.tags": "names of an image belong to the host, not to the container",
    "image.digests": "an image that was sent and not pulled has no registry digest",
}
"""Fields that may differ after a move, each with the reason."""

ALLOWED_FLAT: Mapping[str, str] = {
    **ALLOWED,
    "image.diff_ids": "a flat image has one layer, made of all of the container's files",
}
"""The same for a container that was created from a flat image."""

_SECRET = (
    "config.Env",
    "config.Labels",
    "config.Cmd",
    "config.Entrypoint",
    "config.Healthcheck",
    "host_config.LogConfig",
    "host_config.Annotations",
    "host_config.DeviceRequests",
    "host_config.SecurityOpt",
    "host_config.StorageOpt",
)
_SECRET_ENDS = (".options", ".labels", ".driver_options")


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs, and how. `what` shows values only where they cannot be secret."""

    field: str
    what: str

    def __str__(self) -> str:
        return f"{self.field}: {self.what}"


def differences(a: ContainerSpec, b: ContainerSpec, *, ignore: Iterable[str] = ALLOWED) -> tuple[Difference, ...]:
    """All fields in which `b` differs from `a`, sorted, without those in `ignore` and all below them.

    Compared is the effective config: it does not matter whether the user or the image says a thing.
    """
    ignored = tuple(ignore)
    old, new = _flat(a), _flat(b)
    return tuple(
        Difference(path, _what(path, old.get(path), new.get(path)))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path) and not any(_covers(prefix, path) for prefix in ignored)
    )


def same_image(a: ImageRef, b: ImageRef) -> bool:
    """Whether two images have the same layers and say the same of their containers. Their ids differ between stores."""
    return a.diff_ids == b.diff_ids and a.config == b.config


def _covers(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def _flat(spec: ContainerSpec) -> dict[str, Any]:
    """Every field by its path."""
    image = {key: value for key, value in encode(spec.image).items() if key != "config"}
    return {
        "name": spec.name,
        "network_mode": spec.network_mode,
        **_prefixed("image", image),
        **_prefixed("config", merged(spec.config, spec.image.config)),
        **_prefixed("host_config", spec.host_config),
        **{
            path: value
            for item in spec.mounts
            for path, value in _prefixed(f"mounts.{item.target}", encode(item)).items()
        },
        **{
            path: value
            for item in spec.volumes
            for path, value in _prefixed(f"volumes.{item.name}", encode(item)).items()
        },
        **{
            path: value
            for item in spec.networks
            for path, value in _prefixed(f"networks.{item.network.name}", _network(encode(item))).items()
        },
    }


def _network(attachment: Json) -> Json:
    definition = {f"network.{key}": value for key, value in attachment["network"].items()}
    return {**{key: value for key, value in attachment.items() if key != "network"}, **definition}


def _prefixed(prefix: str, members: Json) -> dict[str, Any]:
    return {f"{prefix}.{key}": value for key, value in members.items()}


def _what(path: str, old: Any, new: Any) -> str:
    if old is None:
        return "is there, and was not"
    if new is None:
        return "is missing"
    if isinstance(old, dict) and isinstance(new, dict):
        return _changed_names(old, new)
    if path == "config.Env":
        return _changed_names(_variables(old), _variables(new)) or "the order differs"
    if path in _SECRET or path.endswith(_SECRET_ENDS) or _unknown(path):
        return "differs"
    return f"{old!r} became {new!r}"


def _unknown(path: str) -> bool:
    """Whether nothing is known of this field, not even that it is no secret."""
    part, _, name = path.partition(".")
    known = {"config": fields.CONFIG, "host_config": fields.HOST_CONFIG}.get(part)
    return known is not None and name not in known


def _variables(entries: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _changed_names(old: Json, new: Json) -> str:
    words = [f"{name} is missing" for name in sorted(old.keys() - new.keys())]
    words += [f"{name} is new" for name in sorted(new.keys() - old.keys())]
    words += [f"{name} differs" for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]
    return ", ".join(words)
