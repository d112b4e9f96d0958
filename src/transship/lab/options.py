import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from transship.errors import UsageError
from transship.lab.netns import bits_per_second

Store = Literal["overlay2", "containerd"]
CgroupVersion = Literal["v1", "v2"]
RegistryKind = Literal["none", "tls", "insecure"]

SUITES = ("bookworm", "trixie", "trixie+criu", "forky", "sid")
STORES = ("overlay2", "containerd")
CGROUPS = ("v1", "v2")
REGISTRIES = ("none", "tls", "insecure")
UNIT_BYTES = {"M": 1024**2, "G": 1024**3}
MOST_HOSTS = 200


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{value!r} is no {what} of the lab", hint=f"known are {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What one host of a lab is like."""

    suite: str = "trixie"
    """The Debian release, which decides the versions: bookworm has Docker 20.10, trixie 26.1, forky and sid 28.5.

    `trixie+criu` is trixie with the CRIU of sid."""
    store: Store = "overlay2"
    """Where Docker keeps images: the classic graph driver, or containerd's snapshotter (from Docker 24 on)."""
    cgroup: CgroupVersion = "v2"
    """`v1` gives a host of a hybrid machine real memory and CPU limits, but CRIU does not work there."""
    disk: str = ""
    """The size of the host's disk (`2G`, `500M`); empty for all that the machine has."""
    rate: str = ""
    """What the link carries in each direction, as tc writes it (`100mbit`); empty for no limit."""
    sshd: Mapping[str, str] = field(default_factory=dict)
    """Lines of sshd_config, for example `{"AllowStreamLocalForwarding": "no"}`."""
    daemon: Mapping[str, Any] = field(default_factory=dict)
    """Entries of Docker's daemon.json besides ours."""

    def __post_init__(self) -> None:
        _one_of("suite", self.suite, SUITES)
        _one_of("store", self.store, STORES)
        _one_of("cgroup version", self.cgroup, CGROUPS)
        if self.rate:
            bits_per_second(self.rate)
        if self.disk:
            disk_bytes(self.disk)
        if self.store == "containerd" and self.suite == "bookworm":
            raise UsageError("Docker 20.10 of bookworm has no containerd store", hint="take trixie or sid")


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What a lab is to be."""

    name: str = "lab"
    hosts: tuple[HostOptions, ...] = (HostOptions(), HostOptions())
    """The hosts h1, h2 and so on."""
    registry: RegistryKind = "none"
    """Whether an image registry runs beside the hosts, and whether they speak TLS to it."""
    mirror: str = ""
    """The Debian mirror to build root filesystems from; empty for the one that this machine's apt uses."""

    def __post_init__(self) -> None:
        # the name is part of file names, host names and names of environment variables
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", self.name):
            raise UsageError(
                f"{self.name!r} cannot name a lab", hint="use up to 20 of a-z, 0-9 and -, with a letter first"
            )
        if not 1 <= len(self.hosts) <= MOST_HOSTS:
            raise UsageError(f"a lab has from 1 to {MOST_HOSTS} hosts, not {len(self.hosts)}")
        _one_of("registry", self.registry, REGISTRIES)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "hosts": tuple(HostOptions(**host) for host in data["hosts"])})


def parse_hosts(text: str, like: HostOptions) -> tuple[HostOptions, ...]:
    """Read `3`, or a mix such as `2:trixie,1:sid`; all else is as in `like`. Raises `UsageError` for other words."""
    hosts: list[HostOptions] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,3})(?::([a-z]+))?", part.strip())
        if match is None:
            raise UsageError(f"{text!r} is not a number of hosts", hint="write 2, or 2:trixie,1:sid")
        hosts.extend([replace(like, suite=match[2] or like.suite)] * int(match[1]))
    return tuple(hosts)


def disk_bytes(size: str) -> int:
    """Read a size like `2G`. Raises `UsageError` for anything else, or for a disk that Docker could not start on."""
    match = re.fullmatch(r"(\d+)([MG])", size)
    if match is None or int(match[1]) * UNIT_BYTES[match[2]] < 64 * UNIT_BYTES["M"]:
        raise UsageError(f"{size!r} is not a size of a disk", hint="write 500M or 2G; 64M is the least")
    return int(match[1]) * UNIT_BYTES[match[2]]
