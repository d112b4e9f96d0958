"""Limits of memory and CPU, and what the target can give."""

import re
from collections.abc import Iterator, Mapping

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule

_NEEDS: Mapping[str, str] = {
    "Memory": "MemoryLimit",
    "MemoryReservation": "MemoryLimit",
    "MemorySwap": "SwapLimit",
    "NanoCpus": "CpuCfsQuota",
    "CpuQuota": "CpuCfsQuota",
    "CpuPeriod": "CpuCfsQuota",
    "CpuShares": "CPUShares",
    "CpusetCpus": "CPUSet",
    "CpusetMems": "CPUSet",
    "PidsLimit": "PidsLimit",
}
"""What of the kernel each limit of a container needs, both in Docker's words."""

_ONLY_IN_1 = ("KernelMemory", "KernelMemoryTCP", "MemorySwappiness", "OomKillDisable", "CpuRealtimePeriod",
              "CpuRealtimeRuntime")  # fmt: skip
_NUMBERS = re.compile(r"[0-9]{1,5}(?:-[0-9]{1,5})?(?:,[0-9]{1,5}(?:-[0-9]{1,5})?)*")


def limits_are_known(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A daemon drops what its kernel cannot limit, and the container would not be what it was."""
    dropped = [name for name, need in _NEEDS.items() if seen.spec.host_config.get(name) and need in _missing(seen)]
    if dropped:
        yield Finding(
            "error",
            "limit-unknown",
            f"the kernel of {seen.target_name} cannot limit what {seen.spec.name} is limited in ({', '.join(dropped)})",
            "enable these cgroup controllers there, or take the limits away with docker update",
        )


def _missing(seen: Observation) -> frozenset[str]:
    return frozenset(seen.target.missing_limits)


def limits_fit(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Docker refuses more CPUs than there are, and takes any limit of memory."""
    config, target = seen.spec.host_config, seen.target
    cpus = (config.get("NanoCpus") or 0) / 1e9
    if cpus > target.cpus:
        yield _too_large(seen, f"{cpus:g} CPUs", f"{target.cpus}")
    for name, last in (("CpusetCpus", target.cpus - 1), ("CpusetMems", _highest(target.memory_nodes or ""))):
        wanted = str(config.get(name) or "")
        if last is not None and (_highest(wanted) or 0) > last:
            yield Finding(
                "error",
                "cpuset",
                f"{seen.spec.name} is bound to {name} {wanted}, and {seen.target_name} has none above {last}",
                "docker update --cpuset-cpus or --cpuset-mems changes it",
            )
    memory = config.get("Memory") or 0
    if memory > target.memory_bytes:
        yield Finding(
            "warning",
            "memory",
            f"{seen.spec.name} may use {memory / 1e9:.1f} GB of memory, and {seen.target_name} has "
            f"{target.memory_bytes / 1e9:.1f} GB",
            "docker update --memory sets a smaller limit",
        )


def _too_large(seen: Observation, wanted: str, has: str) -> Finding:
    return Finding(
        "error",
        "cpus",
        f"{seen.spec.name} is given {wanted}, and {seen.target_name} has {has}",
        "docker update --cpus sets a smaller limit",
    )


def cgroups_fit(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Version 2 of control groups lacks some of version 1's limits, and systemd wants slices."""
    config, target = seen.spec.host_config, seen.target
    lost = [name for name in _ONLY_IN_1 if config.get(name)]
    if lost and target.cgroup_version == "2":
        yield Finding(
            "error",
            "cgroup-version",
            f"{seen.target_name} has control groups of version 2, which know no {', '.join(lost)}",
            "make the container without them",
        )
    parent = str(config.get("CgroupParent") or "")
    if parent and target.cgroup_driver == "systemd" and not parent.endswith(".slice"):
        yield Finding(
            "error",
            "cgroup-parent",
            f"{seen.spec.name} is in the control group {parent}, and the Docker of {seen.target_name} takes only "
            "slices of systemd",
            "make the container with --cgroup-parent NAME.slice",
        )


def _highest(numbers: str) -> int | None:
    """The highest of a set such as `0-3,7`; None for what is no such set."""
    if not _NUMBERS.fullmatch(numbers):
        return None
    return max(int(number) for number in re.split("[,-]", numbers))


LIMIT_RULES: tuple[Rule, ...] = (limits_are_known, limits_fit, cgroups_fit)
