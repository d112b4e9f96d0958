"""What Docker's list of containers tells of the others."""

from collections.abc import Iterable

from transship.hosts.base import Json

ALIVE = frozenset({"running", "restarting", "paused"})


def name_of(listed: Json) -> str:
    """A container's own name: others are `/OWNER/ALIAS`, given by links."""
    names: list[str] = listed.get("Names") or [listed["Id"][:12]]
    return min(names, key=lambda name: name.count("/")).removeprefix("/")


def linking(listed: Json) -> tuple[str, ...]:
    """The containers that are linked to this one: each gave it one more name, below its own."""
    names = (name.split("/") for name in listed.get("Names") or ())
    return tuple(sorted({parts[1] for parts in names if len(parts) > 2}))  # noqa: PLR2004 - "", the owner, the alias


def alive(containers: Iterable[Json], *, besides: str = "") -> list[Json]:
    """Those that run, but for the one of that id."""
    return [each for each in containers if each["State"] in ALIVE and each["Id"] != besides]


def names_where(containers: Iterable[Json], found: Iterable[bool]) -> tuple[str, ...]:
    """The names of those that were found."""
    return tuple(sorted(name_of(each) for each, wanted in zip(containers, found, strict=True) if wanted))


def volumes_of(listed: Json) -> frozenset[str]:
    """The names of its volumes."""
    return frozenset(str(mount.get("Name", "")) for mount in listed.get("Mounts") or ())


def networks_of(listed: Json) -> frozenset[str]:
    """The names of its networks."""
    return frozenset((listed.get("NetworkSettings") or {}).get("Networks") or {})


def repository(listed: Json) -> str:
    """The image's name without registry, tag and digest: `portainer/agent`."""
    name = str(listed.get("Image", "")).partition("@")[0]
    parts = name.split("/")
    parts[-1] = parts[-1].partition(":")[0]
    return "/".join(parts[-2:])
