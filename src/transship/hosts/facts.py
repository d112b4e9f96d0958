import os
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self

from transship.errors import CommandError, HostError
from transship.hosts.base import Host, Json
from transship.hosts.daemon_settings import read_settings
from transship.hosts.facts_script import GATHER, GATHER_SCRIPT, Listener, read_answer

RootAccess = Literal["root", "sudo", "docker", "none"]
"""How one becomes root on a host: as the user, with `sudo -n`, with a container that sees the host, or not at all."""

CRIU_FEATURES = ("mem_dirty_track", "uffd-noncoop", "pagemap_scan", "timens", "clone3_set_tid")
"""What `observe_criu` asks for: pre-copy, post-copy, fast scans of memory, time namespaces, restored pids."""

LIMITS = ("MemoryLimit", "SwapLimit", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit")
"""Docker's words for the limits that a kernel may lack."""

_USUAL_ROOT = "/var/lib/docker"
_ARM = {"armv6l": "v6", "armv7l": "v7"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What was observed of one host. Sizes are in bytes, times in seconds.

    What Docker's API tells is always there, empty where an old daemon does not say it. What only a program on the host
    can tell is None where none can be run (`can_run` is false) or the host does not have it.
    """

    host: str
    system: str
    """The kind of system in Docker's platform words: `linux`."""
    os_name: str
    architecture: str
    """In Docker's platform words: `amd64`, `arm64`, `arm`; with `variant` such as `v7` for 32-bit ARM."""
    variant: str
    kernel: str
    docker_version: str
    api_version: str
    storage_driver: str
    image_store: Literal["graphdriver", "containerd"]
    docker_root: str
    cgroup_version: str
    cgroup_driver: str
    rootless: bool
    userns_remap: bool
    security_options: tuple[str, ...]
    memory_bytes: int
    cpus: int
    experimental: bool
    live_restore: bool
    default_runtime: str
    runtimes: tuple[str, ...]
    runc_version: str
    logging_driver: str
    log_drivers: tuple[str, ...]
    volume_drivers: tuple[str, ...]
    network_drivers: tuple[str, ...]
    swarm_state: str
    """Docker's word: `inactive`, `active`, `pending`, `error` or `locked`."""
    swarm_manager: bool
    rtt_s: float
    """One request to Docker and back, the fastest of three."""
    clock_skew_s: float
    """How far the host's clock is ahead of the coordinator's, give or take `clock_uncertainty_s`."""
    clock_uncertainty_s: float
    can_run: bool
    root_access: RootAccess | None = None
    docker_free_bytes: int | None = None
    temporary_free_bytes: int | None = None
    memory_available_bytes: int | None = None
    python_path: str | None = None
    python_version: str | None = None
    criu_version: str | None = None
    criu_features: tuple[str, ...] | None = None
    """Those of `CRIU_FEATURES` that the host has; None until `observe_criu` asked."""
    criu_problem: str = ""
    """What CRIU complains of when it checks the host, as far as that was asked."""
    cpu_features: tuple[str, ...] | None = None
    """In Linux's words; None until `observe_criu` asked."""
    listeners: tuple[Listener, ...] | None = None
    interfaces: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    """Of all interfaces, without the length of their networks."""
    memory_nodes: str | None = None
    """As Linux writes a set of numbers: `0-1`."""
    nvidia: bool | None = None
    """Whether Docker can give a GPU of NVIDIA to a container."""
    missing_limits: tuple[str, ...] = ()
    """Docker's words for the limits that the kernel does not know, so that the daemon drops them: `MemoryLimit`."""
    settings: Mapping[str, str] | None = None
    """Those of the daemon's own settings that shape its containers (`daemon_settings.KNOWN`), as JSON."""

    @property
    def platform(self) -> str:
        """System and architecture as `--platform` takes them: `linux/amd64`, `linux/arm/v7`."""
        return "/".join(each for each in (self.system, self.architecture, self.variant) if each)

    def to_json(self) -> Json:
        """The facts as an object that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave, also after it was JSON. Raises `TypeError` if fields are missing or unknown."""
        words: Json = {key: tuple(each) if isinstance(each, list) else each for key, each in value.items()}
        if words.get("listeners") is not None:
            words["listeners"] = tuple(Listener(**each) for each in words["listeners"])
        return cls(**words)


@dataclass(frozen=True, slots=True)
class Link:
    """What the way between coordinator and host carried, in bytes per second."""

    up: float
    down: float


def observe_host(host: Host) -> Facts:
    """Observe a host; nothing is changed there.

    Raises `HostError`s, one of them for what tells of itself as neither Docker nor a host would, and `DockerError` if
    the daemon fails.
    """
    try:
        return _observe(host)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise HostError(
            f"what {host.name} tells of itself cannot be understood ({type(error).__name__}: {error})",
            hint="docker info there shows what it tells; is it Docker?",
        ) from error


def _observe(host: Host) -> Facts:
    with ThreadPoolExecutor(max_workers=2) as pool:
        gathered = pool.submit(_gather, host, _USUAL_ROOT) if host.can_run else None
        version = pool.submit(host.docker.version)
        info, clock = _info(host)
        told = _from_docker(version.result(), info)
        _check_kinds(told)
        found = gathered.result() if gathered else {}
    if gathered and told["docker_root"] != _USUAL_ROOT:
        found["docker_free_bytes"] = _gather(host, told["docker_root"])["docker_free_bytes"]
    if gathered and found["root_access"] is None:
        found["root_access"] = "none" if told["rootless"] else "docker"
    return Facts(host=host.name, can_run=host.can_run, rtt_s=_rtt(host), **clock, **told, **found)


def _info(host: Host) -> tuple[Json, Json]:
    """What the daemon tells, and from the time in it the clock's difference: it was read between asking and hearing."""
    before = time.time()
    info = host.docker.info()
    after = time.time()
    # Nanoseconds are more than datetime takes.
    there = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", info["SystemTime"])).timestamp()
    skew, uncertainty = there - (before + after) / 2, (after - before) / 2
    return info, {"clock_skew_s": skew, "clock_uncertainty_s": uncertainty}


def _rtt(host: Host) -> float:
    times = []
    for _ in range(3):
        began = time.monotonic()
        host.docker.ping()
        times.append(time.monotonic() - began)
    return min(times)


def _from_docker(version: Json, info: Json) -> Json:
    plugins, swarm = info.get("Plugins") or {}, info.get("Swarm") or {}
    security = tuple(sorted(info.get("SecurityOptions") or ()))
    kinds = {part.removeprefix("name=") for option in security for part in option.split(",")}
    status = {line[0]: line[1] for line in info.get("DriverStatus") or ()}
    runc = [part for part in version.get("Components") or () if part.get("Name") == "runc"]
    return {
        "system": version["Os"],
        "os_name": info["OperatingSystem"],
        "architecture": version["Arch"],
        "variant": _ARM.get(info["Architecture"], ""),
        "kernel": info["KernelVersion"],
        "docker_version": version["Version"],
        "api_version": version["ApiVersion"],
        "storage_driver": info["Driver"],
        "image_store": "containerd" if "containerd" in status.get("driver-type", "") else "graphdriver",
        "docker_root": info["DockerRootDir"],
        "cgroup_version": info.get("CgroupVersion", ""),
        "cgroup_driver": info.get("CgroupDriver", ""),
        "rootless": "rootless" in kinds,
        "userns_remap": "userns" in kinds,
        "security_options": security,
        "memory_bytes": info["MemTotal"],
        "cpus": info["NCPU"],
        "experimental": bool(info.get("ExperimentalBuild")),
        "live_restore": bool(info.get("LiveRestoreEnabled")),
        "default_runtime": info.get("DefaultRuntime", ""),
        "runtimes": tuple(sorted(info.get("Runtimes") or ())),
        "runc_version": runc[0]["Version"] if runc else "",
        "logging_driver": info.get("LoggingDriver", ""),
        "log_drivers": tuple(sorted(plugins.get("Log") or ())),
        "volume_drivers": tuple(sorted(plugins.get("Volume") or ())),
        "network_drivers": tuple(sorted(plugins.get("Network") or ())),
        "swarm_state": swarm.get("LocalNodeState", ""),
        "swarm_manager": bool(swarm.get("ControlAvailable")),
        "missing_limits": tuple(word for word in LIMITS if info.get(word) is False),
    }


def _check_kinds(told: Json) -> None:
    """Raise `TypeError` unless text is where text belongs, and a number where a number does."""
    for name, value in told.items():
        kind = Facts.__annotations__[name]
        if isinstance(kind, type) and not isinstance(value, kind):
            raise TypeError(f"{name} is of type {type(value).__name__}")
        if isinstance(value, tuple) and not all(isinstance(each, str) for each in value):
            raise TypeError(f"{name} holds what is no text")


def _gather(host: Host, docker_root: str) -> Json:
    """What a program on the host finds out."""
    done = host.run([*GATHER, docker_root], stdin=GATHER_SCRIPT)
    if done.status != 0:
        raise CommandError(f"the program that observes {host.name} failed with status {done.status}")
    found, listeners = read_answer(done.stdout.decode(errors="replace"))
    return {
        "root_access": found.get("root"),
        "docker_free_bytes": _kib(found.get("docker_free")),
        "temporary_free_bytes": _kib(found.get("temporary_free")),
        "memory_available_bytes": _kib(found.get("memory_available")),
        "python_path": found.get("python"),
        "python_version": _number(found.get("python_version")),
        "criu_version": _number(found.get("criu")),
        "listeners": listeners,
        "interfaces": _lines(found.get("interface")),
        "addresses": _lines(found.get("address")),
        "memory_nodes": found.get("memory_nodes"),
        "nvidia": "nvidia" in found,
        "settings": read_settings(found.get("daemon_file", ""), found.get("daemon_words", "")),
    }


def _lines(text: str | None) -> tuple[str, ...] | None:
    return tuple(sorted(set(text.splitlines()))) if text else None


def _kib(text: str | None) -> int | None:
    return int(text) * 1024 if text and text.isdecimal() else None


def _number(text: str | None) -> str | None:
    """The version in what a program says of itself."""
    match = re.search(r"\d+(\.\d+)+", text or "")
    return match[0] if match else None


def observe_criu(host: Host, facts: Facts) -> Facts:
    """Ask CRIU itself which of `CRIU_FEATURES` the host has, and whether its own check passes.

    Raises `UnreachableError`.

    It answers to root only: without CRIU, or where root is not had by `root` or `sudo`, the facts come back unchanged.
    """
    if facts.criu_version is None or facts.root_access not in {"root", "sudo"}:
        return facts
    done = host.run([*_SUDO[facts.root_access], "sh", "-s", "--", *CRIU_FEATURES], stdin=_CRIU_SCRIPT)
    told = [line.partition("=")[::2] for line in done.stdout.decode(errors="replace").splitlines()]
    processor = " ".join(value for key, value in told if key == "cpu")
    return replace(
        facts,
        criu_features=tuple(value for key, value in told if key == "feature"),
        criu_problem=" ".join(value for key, value in told if key == "problem"),
        cpu_features=tuple(sorted(set(processor.partition(":")[2].split()))),
    )


_SUDO: dict[str, tuple[str, ...]] = {"root": (), "sudo": ("sudo", "-n")}

_CRIU_SCRIPT = rb"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
for feature; do criu check --feature "$feature" >/dev/null 2>&1 && echo "feature=$feature"; done
said=$(criu check 2>&1) || echo "problem=$(printf %s "$said" | tail -n 1)"
echo "cpu=$(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo)"
"""


def measure_link(host: Host, *, seconds: float = 0.5) -> Link:
    """Send random bytes to the host and back, in growing pieces, until one took `seconds`, and that one again.

    Raises `CommandError` where no program can be run, `UnreachableError`.
    """
    return Link(up=_rate(lambda size: _send(host, size), seconds), down=_rate(lambda size: _fetch(host, size), seconds))


def measure_way(source: Host, target: Host, *, seconds: float = 0.15) -> float | None:
    """Measure what crosses from one host to the other through this machine, in bytes per second, in half a second.

    None where one of them runs no programs. Raises as `measure_link`.
    """
    if not (source.can_run and target.can_run):
        return None
    with ThreadPoolExecutor(1) as pool:
        up = pool.submit(_rate, lambda size: _send(target, size), seconds)
        return min(_rate(lambda size: _fetch(source, size), seconds), up.result())


_MARGIN = 1.25
"""Of what the rate so far promises, so that the next try is most likely the last."""
_SHORTEST_S = 1e-4


def _rate(move: Callable[[int], None], seconds: float) -> float:
    """Bytes per second, without what it costs to move nothing; the better of two tries, as others use the host, too."""
    nothing = min(_timed(move, 0) for _ in range(2))
    size, limit = 1 << 18, 1 << 26
    while (took := _timed(move, size) - nothing) < seconds and size < limit:
        size = min(limit, max(size + 1, int(size * min(4.0, _MARGIN * seconds / max(took, _SHORTEST_S)))))
    return size / max(min(took, _timed(move, size) - nothing), _SHORTEST_S)


def _timed(move: Callable[[int], None], size: int) -> float:
    began = time.monotonic()
    move(size)
    return time.monotonic() - began


def _send(host: Host, size: int) -> None:
    done = host.run(["wc", "-c"], stdin=os.urandom(size))
    if done.stdout.split() != [str(size).encode()]:
        raise CommandError(f"of {size} bytes sent to {host.name} not all arrived")


def _fetch(host: Host, size: int) -> None:
    done = host.run(["head", "-c", str(size), "/dev/urandom"])
    if len(done.stdout) != size:
        raise CommandError(f"of {size} bytes sent by {host.name} not all arrived")
