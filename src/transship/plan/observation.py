from collections.abc import Mapping
from dataclasses import dataclass

from transship.hosts.facts import Facts
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec, NetworkSpec


@dataclass(frozen=True, slots=True)
class SourceState:
    """The container on its host. `changed_paths` counts what its writable layer holds.

    `status` is Docker's word (`running`, `paused`, `exited`, ...). `dependants` are the names of containers that use
    this one's network; `volume_users` maps a volume to the
    running containers that use it as well.
    """

    container_id: str
    status: str
    changed_paths: int
    image_bytes: int
    unknown_fields: tuple[str, ...]
    dependants: tuple[str, ...]
    volume_users: Mapping[str, tuple[str, ...]]

    @property
    def running(self) -> bool:
        return self.status == "running"


@dataclass(frozen=True, slots=True)
class TargetState:
    """What of the target matters to one container: what is there of that name, and what is taken.

    `image` is the id under which the target has exactly the container's image, or empty. `foreign_tags` are those of
    the image's names that mean another image there. `published` maps an address and a port (`8080/tcp`) to the name of
    the container that has it. `has_source`: the very container that shall be moved is there already. `networks` holds
    those that the container needs and the target has, `subnets` those of every network there by its name; `volumes` the
    names of those that the container uses, `occupied_volumes` of those that are not proven empty. `missing_paths` are
    the bind mounts' paths that are not there, `occupied_paths` those that are there and not proven to be empty folders;
    None where nobody could look.
    """

    api_version: ApiVersion
    containers: frozenset[str]
    image: str
    foreign_tags: frozenset[str]
    published: Mapping[tuple[str, str], str]
    networks: Mapping[str, NetworkSpec]
    subnets: Mapping[str, tuple[str, ...]]
    volumes: frozenset[str]
    occupied_volumes: frozenset[str]
    missing_paths: frozenset[str] | None
    occupied_paths: frozenset[str] | None
    has_source: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """All that a plan is made from. Two equal observations give equal plans."""

    source_name: str
    target_name: str
    source: Facts
    target: Facts
    spec: ContainerSpec
    state: SourceState
    there: TargetState
