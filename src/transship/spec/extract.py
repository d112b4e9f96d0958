"""From inspect documents to a spec."""

from collections.abc import Iterator, Mapping
from typing import Any

from transship.spec import fields
from transship.spec.codec import Json, understood
from transship.spec.host_config import normalised
from transship.spec.merge import IMAGE_FIELDS, said_by_user
from transship.spec.model import ContainerSpec, ImageRef
from transship.spec.mounts import mounts_of, volume_name, volumes_of
from transship.spec.networks import Surroundings, attachments_of, network_mode_of
from transship.spec.shape import sparse

__all__ = ["Surroundings", "extract", "image_ref", "network_names", "unknown_fields", "volume_names"]

_DOCUMENT = "Docker's description of the container"


def extract(
    container: Json,
    image: Json,
    networks: Mapping[str, Json],
    volumes: Mapping[str, Json],
    *,
    around: Surroundings | None = None,
) -> ContainerSpec:
    """Say what a container is, from Docker's inspect documents.

    `networks` and `volumes` hold by name the documents of all that the container uses. Raises `SpecError` when one of
    them is missing, or a document is not what Docker would answer.
    """
    around = around or Surroundings()
    with understood(_DOCUMENT):
        return _extract(container, image, networks, volumes, around)


def network_names(container: Json) -> tuple[str, ...]:
    """The networks whose inspect documents `extract` needs. Raises `SpecError`."""
    with understood(_DOCUMENT):
        return tuple(sorted(container["NetworkSettings"].get("Networks") or {}))


def volume_names(container: Json) -> tuple[str, ...]:
    """The volumes whose inspect documents `extract` needs. Raises `SpecError`."""
    with understood(_DOCUMENT):
        points = container.get("Mounts") or []
        return tuple(sorted({volume_name(point) for point in points if point["Type"] == "volume"}))


def unknown_fields(container: Json) -> tuple[str, ...]:
    """Fields that say something and that this version does not know, as paths. They are carried as they are.

    Raises `SpecError`.
    """
    with understood(_DOCUMENT):
        return tuple(_unknown_fields(container))


def _unknown_fields(container: Json) -> Iterator[str]:
    yield from (f"Config.{name}" for name in fields.unknown(sparse(container["Config"]), fields.CONFIG))
    yield from (f"HostConfig.{name}" for name in fields.unknown(sparse(container["HostConfig"]), fields.HOST_CONFIG))
    health = container["Config"].get("Healthcheck") or {}
    yield from (f"Config.Healthcheck.{name}" for name in fields.unknown(health, fields.HEALTHCHECK))
    for mount in container["HostConfig"].get("Mounts") or []:
        where = f"HostConfig.Mounts[{mount['Target']}]"
        yield from (f"{where}.{name}" for name in fields.unknown(mount, fields.MOUNT))
        for part, known in fields.MOUNT_OPTIONS.items():
            yield from (f"{where}.{part}.{name}" for name in fields.unknown(mount.get(part) or {}, known))


def image_ref(image: Json, *, reference: str, id: str) -> ImageRef:  # noqa: A002 - Docker's word
    """Say what identifies an image, from its inspect document."""
    said = sparse(image.get("Config") or {})
    platform = (image.get("Os"), image.get("Architecture"), image.get("Variant"))
    return ImageRef(
        reference=reference,
        id=id,
        platform="/".join(part for part in platform if part),
        diff_ids=tuple((image.get("RootFS") or {}).get("Layers") or ()),
        tags=tuple(sorted(image.get("RepoTags") or ())),
        digests=tuple(sorted(image.get("RepoDigests") or ())),
        config={key: said[key] for key in IMAGE_FIELDS if key in said},
    )


def _extract(
    container: Json, image: Json, networks: Mapping[str, Json], volumes: Mapping[str, Json], around: Surroundings
) -> ContainerSpec:
    ref = image_ref(image, reference=container["Config"]["Image"], id=container["Image"])
    mode = network_mode_of(container, networks, around)
    mounts = mounts_of(container)
    return ContainerSpec(
        name=container["Name"].removeprefix("/"),
        image=ref,
        network_mode=mode,
        mounts=mounts,
        volumes=volumes_of(container, mounts, volumes),
        networks=attachments_of(container, mode, networks, around),
        config=said_by_user(_config(container, mode, around), ref.config),
        host_config=normalised(container["HostConfig"], around),
    )


def _config(container: Json, mode: str, around: Surroundings) -> dict[str, Any]:
    config = sparse(container["Config"])
    del config["Image"]
    config.pop("MacAddress", None)
    if "Healthcheck" in config:
        config["Healthcheck"] = sparse(config["Healthcheck"])
    generated = {container["Id"][:12]} | ({around.host_name} if mode == "host" else set())
    if config.get("Hostname") in generated:
        del config["Hostname"]
    if mode.startswith("container:"):
        # Docker copies these from the container that owns the network, and refuses them in a request.
        config.pop("Hostname", None)
        config.pop("Domainname", None)
    return config
