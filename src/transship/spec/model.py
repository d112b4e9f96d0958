"""What a container is, without where it runs."""

import json
from dataclasses import dataclass, field
from typing import Literal

from transship.spec.codec import Json, SpecError, decode, encode, loads
from transship.spec.shape import check_config, check_host_config, check_ipam, check_mount_options

VERSION = 1
"""Of the stored form. A reader refuses every other."""

PREDEFINED_NETWORKS = ("bridge", "host", "none")
"""Networks that every daemon has and nobody can create."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """The image that a container was created from.

    `reference` is the name in the create request: it may point to another image by now. `id` is what the source's
    store calls the image (it differs between stores), `diff_ids` are its layers, lowest first: together with `config`
    they are its identity. `config` holds what the image says about its containers, in Docker's words.
    """

    reference: str
    id: str
    platform: str
    diff_ids: tuple[str, ...]
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    config: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mount:
    """One place in the container where something from outside is mounted.

    `form` is how it was said: `string` for `-v`, `structured` for `--mount`. The two differ: Docker creates the missing
    host folder of a string, and refuses a structured one. `source` is a host path, a volume's name, an image, or empty.
    `mode` are a string's options without `ro` and `rw` (`z`, `rslave`, `nocopy`), sorted; `options` is the rest of a
    structured one.
    """

    type: str
    source: str
    target: str
    read_only: bool
    form: Literal["string", "structured"]
    mode: tuple[str, ...] = ()
    options: Json = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_mount_options(self.options, f"mounts.{self.target}")


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A volume that the container uses, `destination` being (one of) the places where it is mounted.

    `anonymous`: nobody named it, Docker did; it belongs to this container and is known by its destination.
    """

    name: str
    driver: str
    anonymous: bool
    destination: str
    options: Json = field(repr=False)
    labels: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network's own definition. Of a predefined one, only `name`, `driver` and `scope` say anything."""

    name: str
    driver: str
    scope: str = "local"
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    ipv4: bool = True
    ipv6: bool = False
    config_only: bool = False
    config_from: str = ""
    ipam: Json = field(default_factory=dict, repr=False)
    options: Json = field(default_factory=dict, repr=False)
    labels: Json = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_ipam(self.ipam, f"networks.{self.name}.ipam")

    @property
    def predefined(self) -> bool:
        """Whether the daemon brings it along, so that it is neither created nor compared."""
        return self.name in PREDEFINED_NETWORKS


@dataclass(frozen=True, slots=True)
class NetworkAttachment:
    """How the container is attached to a network: what was configured, never what was assigned."""

    network: NetworkSpec
    ipv4: str = ""
    ipv6: str = ""
    link_local: tuple[str, ...] = ()
    mac: str = ""
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    gateway_priority: int = 0
    driver_options: Json = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port that is reachable from outside. `host_port` is empty where Docker picks one, and may be a range."""

    port: int
    protocol: str
    host_address: str
    host_port: str


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What a container is, without where it runs.

    `config` is what the user said of Docker's Config, and nothing of what the image says by itself: created from the
    same image, both together give the same container. `host_config` is Docker's HostConfig without what has a field of
    its own here (mounts, network mode). In both a field that is absent has Docker's default; fields that this version
    of transship does not know are carried as they are. Mounts are sorted by target, networks and volumes by name.
    No `repr` shows what may hold a secret. Raises `SpecError` where a part has not the shape that Docker gives it.
    """

    name: str
    image: ImageRef
    network_mode: str
    mounts: tuple[Mount, ...]
    volumes: tuple[VolumeSpec, ...]
    networks: tuple[NetworkAttachment, ...]
    config: Json = field(repr=False)
    host_config: Json = field(repr=False)

    def __post_init__(self) -> None:
        check_config(self.config, "config")
        check_config(self.image.config, "image.config")
        check_host_config(self.host_config, "host_config")

    @property
    def published_ports(self) -> tuple[PublishedPort, ...]:
        """The ports published one by one. `-P` (`host_config["PublishAllPorts"]`) adds every exposed one."""
        bindings: Json = self.host_config.get("PortBindings", {})
        ports = []
        for key in sorted(bindings):
            port, _, protocol = key.partition("/")
            ports += [
                PublishedPort(int(port), protocol or "tcp", binding["HostIp"], binding["HostPort"])
                for binding in bindings[key]
            ]
        return tuple(ports)

    def to_json(self) -> str:
        """The stored form. It holds secrets (environment, labels, arguments): keep it 0600."""
        return json.dumps({"version": VERSION, "spec": encode(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "ContainerSpec":
        """Read the stored form. Raises `SpecError` for anything else, whatever it is."""
        document = loads(text)
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise SpecError(
                f"the stored container spec is not of version {VERSION}",
                hint="use the version of transship that wrote it",
            )
        return decode(cls, document.get("spec"))
