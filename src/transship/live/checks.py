"""What the strategy `live` needs of both hosts and of the container, beyond what `sync` needs. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass

from transship.hosts.facts import Facts
from transship.hosts.readiness import readiness
from transship.live.sandbox import ANNOTATIONS_SINCE
from transship.plan.findings import Finding
from transship.sandbox.image import ARCHITECTURES
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec

_MOVING_DRIVERS = ("macvlan", "ipvlan", "overlay")
_OTHERS = "the other strategies remain"


@dataclass(frozen=True, slots=True)
class LiveHost:
    """One host, as live sees it. `problem` is what `criu check` complains of, empty if it does not."""

    facts: Facts
    problem: str
    features: frozenset[str]


def host_findings(host: LiveHost) -> Iterator[Finding]:
    """What keeps a host, as source or target, from taking part."""
    facts = host.facts
    (needed,) = (each for each in readiness(facts) if each.strategy == "live")
    for lack in needed.lacks:
        yield _error("no-live", f"{facts.host} cannot take part in live: {lack.what}", lack.remedy or _OTHERS)
    if facts.root_access == "docker":
        yield _error(
            "live-root", f"root on {facts.host} is had through Docker only, and CRIU needs it without", _OTHERS
        )
    if host.problem:
        yield _error("criu-check", f"CRIU on {facts.host} does not pass its own check: {host.problem}", _OTHERS)
    if "uffd-noncoop" not in host.features:
        yield _error("no-userfaultfd", f"the kernel of {facts.host} cannot deliver memory on demand", _OTHERS)


def target_findings(facts: Facts, api_version: ApiVersion) -> Iterator[Finding]:
    """What the target must be able to do, besides."""
    if facts.architecture not in ARCHITECTURES:
        yield _error("no-sandbox", f"there is no sandbox program for {facts.architecture}, {facts.host}'s", _OTHERS)
    if api_version < ANNOTATIONS_SINCE:
        yield _error(
            "no-annotations",
            f"Docker {facts.docker_version} on {facts.host} is older than 24, which live needs",
            _OTHERS,
        )


def container_findings(spec: ContainerSpec) -> Iterator[Finding]:
    """What of the container cannot move with its memory."""
    for device in spec.host_config.get("Devices", ()):
        path = device.get("PathOnHost", "")
        yield _error("live-device", f"{spec.name} has the device {path}, whose state stays on its host", _OTHERS)
    if spec.host_config.get("DeviceRequests"):
        yield _error("live-gpu", f"{spec.name} uses devices such as GPUs, whose state stays on their host", _OTHERS)
    if spec.network_mode in ("host", "none") or spec.network_mode.startswith("container:"):
        yield _error("live-network", f"{spec.name} has no network of its own ({spec.network_mode})", _OTHERS)
    for key in ("PidMode", "IpcMode", "UTSMode"):
        mode = str(spec.host_config.get(key, ""))
        if mode == "host" or mode.startswith("container:"):
            yield _error(
                "live-namespace", f"{spec.name} shares processes or memory with others ({key} {mode})", _OTHERS
            )
    yield _connections(spec)


def address_moves(spec: ContainerSpec) -> bool:
    """Whether the container has the same address on the target: then its connections go on."""
    return bool(spec.networks) and all(
        item.network.driver in _MOVING_DRIVERS and (item.ipv4 or item.ipv6) for item in spec.networks
    )


def _connections(spec: ContainerSpec) -> Finding:
    if address_moves(spec):
        return Finding("note", "connections-go-on", f"the address of {spec.name} moves with it: its connections go on")
    return Finding(
        "error",
        "connections-end",
        f"{spec.name} gets another address on the target, and connections to the old one cannot go on there",
        "give it a fixed address on a macvlan, ipvlan or attachable overlay network; or use another strategy",
    )


def _error(code: str, message: str, hint: str) -> Finding:
    return Finding("error", code, message, hint)
