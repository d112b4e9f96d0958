from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from transship.hosts.facts import Facts
from transship.hosts.facts_script import Listener
from transship.hosts.memory import MemorySeen
from transship.hosts.paths import PathSeen, TreeSize
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec, NetworkSpec


@dataclass(frozen=True, slots=True)
class Company:
    """Who on the source has to do with the container, by name.

    `dependants` use its network, `linked_by` are linked to it, `peers` are the running containers in each of its
    networks, `project` the others of its Compose project. `volume_users` maps a volume to the running containers that
    use it as well. `updaters` renew containers by themselves, `panels` when somebody tells them to; `units` are the
    systemd units that name it.
    """

    dependants: tuple[str, ...] = ()
    linked_by: tuple[str, ...] = ()
    peers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    project: tuple[str, ...] = ()
    volume_users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    updaters: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceState:
    """The container on its host. `changed_paths` counts what its writable layer holds, `layer_bytes` is its size.

    `status` is Docker's word (`running`, `paused`, `exited`, ...), `health` that of its health check, empty if it has
    none. `image_layers` are the sizes of the image's layers in bytes, lowest first, empty where Docker cannot tell.
    `sizes` tells what volumes (by name) and copied bind mounts (by path) hold, as far as it is known, and `paths` what
    lies where the bind mounts come from; None where nobody could look. `stop_heard` says whether the first process
    handles the signal that shall stop it; None where that could not be seen. `listeners` are the container's own on
    the host's network; None where they could not be seen, or it has another. `exec_sessions` counts the programs that
    `docker exec` has started in it, `volumes_from` names whose volumes it was given. `memory` is what its processes
    hold; None where that was not asked for, or could not be seen. `lender` is the id of the sandbox whose
    network it has, where it was moved live before, or empty.
    """

    container_id: str
    status: str
    changed_paths: int
    image_bytes: int
    unknown_fields: tuple[str, ...] = ()
    layer_bytes: int = 0
    image_layers: tuple[int, ...] = ()
    sizes: Mapping[str, TreeSize] = field(default_factory=dict)
    paths: Mapping[str, PathSeen] | None = field(default_factory=dict)
    health: str = ""
    stop_heard: bool | None = None
    listeners: tuple[Listener, ...] | None = None
    exec_sessions: int = 0
    volumes_from: tuple[str, ...] = ()
    company: Company = field(default_factory=Company)
    memory: MemorySeen | None = None
    lender: str = ""

    @property
    def running(self) -> bool:
        return self.status == "running"


@dataclass(frozen=True, slots=True)
class Base:
    """What is on the target from an earlier migration of this container, and is gone on from: only the rest crosses.

    `volumes` and `paths` hold data of it. `container` is the id of the one that is used again, empty if there is none;
    `name` is what it is called until then, empty where that is its own name already.
    """

    volumes: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    container: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class TargetState:
    """What of the target matters to one container: what is there of that name, and what is taken.

    `image` is the id under which the target has exactly the container's image, or empty; `shared_layers` counts the
    lowest layers that one of its images has, too. `foreign_tags` are those of
    the image's names that mean another image there. `published` maps an address and a port (`8080/tcp`) to the name of
    the container that has it. `has_source`: the very container that shall be moved is there already. `networks` holds
    those that the container needs and the target has, `addresses` what is taken in each of these, and by which
    container; `subnets` those of every network there by its name. `volumes` are the
    names of those that the container uses, `occupied_volumes` of those that are not proven empty. `paths` tells what
    lies where the bind mounts come from, and `devices` at the container's devices; None where nobody could look.
    `profiles` are the AppArmor profiles there, None where they could not be seen or were not needed. `log_plugins` are
    the log drivers that were installed. `base` is what an earlier migration has left there.
    """

    api_version: ApiVersion
    containers: frozenset[str] = frozenset()
    image: str = ""
    shared_layers: int = 0
    foreign_tags: frozenset[str] = frozenset()
    published: Mapping[tuple[str, str], str] = field(default_factory=dict)
    networks: Mapping[str, NetworkSpec] = field(default_factory=dict)
    addresses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    subnets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    volumes: frozenset[str] = frozenset()
    occupied_volumes: frozenset[str] = frozenset()
    paths: Mapping[str, PathSeen] | None = field(default_factory=dict)
    devices: Mapping[str, PathSeen] | None = field(default_factory=dict)
    profiles: frozenset[str] | None = None
    log_plugins: frozenset[str] = frozenset()
    has_source: bool = False
    base: Base = Base()

    def on(self, base: Base, arriving: str) -> "TargetState":
        """The same, where what `base` names is in nobody's way. `arriving` is the container's name here."""
        paths = self.paths and {
            path: replace(found, empty=found.empty or path in base.paths) for path, found in self.paths.items()
        }
        return replace(
            self,
            containers=self.containers - {arriving} if base.container and not base.name else self.containers,
            occupied_volumes=self.occupied_volumes - base.volumes,
            paths=paths,
            base=base,
        )


@dataclass(frozen=True, slots=True)
class Observation:
    """All that a plan is made from. Two equal observations give equal plans.

    `link` is what crosses from the source to the target through this machine, in bytes per second; None where it was
    not measured.
    """

    source_name: str
    target_name: str
    source: Facts
    target: Facts
    spec: ContainerSpec
    state: SourceState
    there: TargetState
    link: float | None = None
