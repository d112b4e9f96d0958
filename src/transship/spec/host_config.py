"""Docker's HostConfig as inspect shows it, brought to one form for all versions of Docker."""

from collections.abc import Mapping
from typing import Any

from transship.spec.codec import Json
from transship.spec.networks import Surroundings
from transship.spec.shape import sparse

_ELSEWHERE = frozenset({"Binds", "Mounts", "VolumesFrom", "NetworkMode", "ContainerIDFile"})
"""What the spec holds in fields of its own, and the client's own file."""

_MODES = ("IpcMode", "PidMode", "Cgroup")

_MASKED_BY_ALL = frozenset(
    {
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/firmware",
    }
)
_MASKED_BY_SOME = frozenset({"/sys/devices/virtual/powercap", "/proc/interrupts"})
_THERMAL = ("/sys/devices/system/cpu/cpu", "/thermal_throttle")
_READ_ONLY_BY_ALL = frozenset({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})


def normalised(inspected: Json, around: Surroundings) -> dict[str, Any]:
    """What was said, without defaults, in the spelling of the newest Docker."""
    result = {key: value for key, value in sparse(inspected).items() if key not in _ELSEWHERE}
    result |= {key: around.by_name(result[key]) for key in _MODES if key in result}
    result |= {key: _capabilities(result[key]) for key in ("CapAdd", "CapDrop") if key in result}
    result |= {key: sparse(result[key]) for key in ("LogConfig", "RestartPolicy") if key in result}
    if "Links" in result:
        result["Links"] = sorted(_link(text) for text in result["Links"])
    if "DeviceRequests" in result:
        result["DeviceRequests"] = [sparse(request) for request in result["DeviceRequests"]]
    if "PortBindings" in result:
        result["PortBindings"] = _port_bindings(result["PortBindings"])
    return {key: value for key, value in result.items() if not _is_default(key, value)}


def _is_default(key: str, value: Any) -> bool:
    match key:
        case "RestartPolicy":
            return value.get("Name") in (None, "no")
        case "ConsoleSize":
            return not any(value)
        case "MemorySwappiness":
            return bool(value == -1)
        case "ReadonlyPaths":
            return set(value) == _READ_ONLY_BY_ALL
        case "MaskedPaths":
            return _is_default_mask(set(value))
        case _:
            return False


def _is_default_mask(paths: set[str]) -> bool:
    """Whether it is the list that a daemon fills in. It grows, and the target's own is to be taken then."""
    more = paths - _MASKED_BY_ALL - _MASKED_BY_SOME
    start, end = _THERMAL
    return paths >= _MASKED_BY_ALL and all(path.startswith(start) and path.endswith(end) for path in more)


def _capabilities(names: list[str]) -> list[str]:
    """As Docker 23 and later write them; older ones keep the spelling of the request."""
    upper = {name.upper() for name in names}
    return sorted(name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in upper)


def _link(text: str) -> str:
    """`/target:/owner/alias`, as inspect shows a legacy link, in the form of a request: `target:alias`."""
    target, _, alias = text.partition(":")
    return f"{target.removeprefix('/')}:{alias.rpartition('/')[2]}"


def _port_bindings(bindings: Mapping[str, list[Json] | None]) -> dict[str, list[Json]]:
    return {port: [_port_binding(binding) for binding in bindings[port] or []] for port in bindings}


def _port_binding(binding: Json) -> Json:
    host_port = binding.get("HostPort") or ""
    # Port 0 and no port are the same request: any free one.
    return {"HostIp": binding.get("HostIp") or "", "HostPort": "" if host_port == "0" else host_port}
