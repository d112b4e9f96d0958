"""Devices and GPUs: Docker looks for them when the container starts, that is too late."""

from collections.abc import Iterator

from transship.hosts.base import Json
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.spec.model import ContainerSpec

_BLOCK_DEVICES = ("BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
                  "BlkioDeviceWriteIOps")  # fmt: skip


def device_paths(spec: ContainerSpec) -> tuple[str, ...]:
    """The host's paths of the devices that the container is given, and of those that its limits name."""
    given = {str(each.get("PathOnHost", "")) for each in spec.host_config.get("Devices") or ()}
    limited = {str(each.get("Path", "")) for name in _BLOCK_DEVICES for each in spec.host_config.get(name) or ()}
    return tuple(sorted((given | limited) - {""}))


def devices_are_there(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """`--device` with a path that the target lacks."""
    for path in device_paths(seen.spec):
        if seen.there.devices is None:
            yield _unseen(seen, f"the device {path}")
        elif seen.there.devices[path].kind == "missing":
            yield Finding(
                "error",
                "device",
                f"{seen.target_name} has no {path}, which {seen.spec.name} is given",
                "attach it there, or make the container without it",
            )


def gpus_are_there(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """`--gpus`, and devices that a vendor's specification (CDI) describes."""
    for request in seen.spec.host_config.get("DeviceRequests") or ():
        if not _asks_nvidia(request):
            wanted = request.get("DeviceIDs") or request.get("Driver") or "unnamed"
            yield _unseen(seen, f"the devices {', '.join(wanted) if isinstance(wanted, list) else wanted}")
        elif seen.target.nvidia is None:
            yield _unseen(seen, "a GPU of NVIDIA that Docker can give away")
        elif not seen.target.nvidia:
            yield Finding(
                "error",
                "gpu",
                f"{seen.spec.name} asks for a GPU, and Docker on {seen.target_name} has none to give",
                "a GPU of NVIDIA, its driver and nvidia-container-toolkit must be there",
            )


def _asks_nvidia(request: Json) -> bool:
    driver = request.get("Driver") or ""
    capabilities = {word for group in request.get("Capabilities") or () for word in group}
    return driver == "nvidia" or (not driver and "gpu" in capabilities)


def _unseen(seen: Observation, what: str) -> Finding:
    return Finding(
        "warning",
        "device-unseen",
        f"whether {seen.target_name} has {what}, which {seen.spec.name} asks for, cannot be seen",
        "look there before you say --yes",
    )


DEVICE_RULES: tuple[Rule, ...] = (devices_are_there, gpus_are_there)
