"""How long a container takes to stop and to be healthy, by what it says of itself."""

from transship.hosts.base import Json
from transship.spec.model import ContainerSpec

STOP_GRACE_S = 10.0
"""What Docker waits after the signal to stop, unless the container says otherwise."""

_INTERVAL_S = 30.0
_START_INTERVAL_S = 5.0


def stop_grace_s(spec: ContainerSpec) -> float:
    """The seconds that the container is given to end by itself. Negative values mean for ever: infinity."""
    said = spec.config.get("StopTimeout")
    grace = STOP_GRACE_S if said is None else float(said)
    return grace if grace >= 0 else float("inf")


def first_healthy_s(spec: ContainerSpec) -> float:
    """The seconds from the start until the health check can first pass; 0 where there is none."""
    check: Json = {**(spec.image.config.get("Healthcheck") or {}), **(spec.config.get("Healthcheck") or {})}
    if not check.get("Test") or check["Test"][0] == "NONE":
        return 0.0
    if check.get("StartPeriod"):
        return min(_seconds(check, "StartInterval", _START_INTERVAL_S), _seconds(check, "Interval", _INTERVAL_S))
    return _seconds(check, "Interval", _INTERVAL_S)


def _seconds(check: Json, key: str, default: float) -> float:
    return (check.get(key) or 0) / 1e9 or default
