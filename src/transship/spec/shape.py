"""What holds for the objects of Docker's API that this package works on."""

from ipaddress import ip_network
from typing import Any

from transship.spec.codec import Json, SpecError
from transship.spec.fields import MOUNT_OPTIONS

_TEXT = ("User", "WorkingDir", "StopSignal", "Hostname")
_TEXTS = ("Env", "Cmd", "Entrypoint")
_OBJECTS = ("Labels", "ExposedPorts", "Volumes", "Healthcheck")


_EMPTY_IS_SAID = frozenset({"Init", "MaskedPaths", "ReadonlyPaths", "MemorySwappiness", "StopTimeout"})


def sparse(document: Json) -> dict[str, Any]:
    """Only what says something: to Docker most zero values mean the same as no value."""
    return {key: value for key, value in document.items() if value or (key in _EMPTY_IS_SAID and value is not None)}


def check_config(config: Json, where: str) -> None:
    """Raise `SpecError` unless what `merge` works on has the types that Docker gives it."""
    _check(config, _TEXT, where, _is_text)
    _check(config, _TEXTS, where, lambda value: isinstance(value, list) and all(map(_is_text, value)))
    _check(config, _OBJECTS, where, lambda value: isinstance(value, dict))


def check_host_config(host_config: Json, where: str) -> None:
    """The same for HostConfig and the published ports in it."""
    _check(host_config, ("UTSMode", "Runtime", "PidMode", "IpcMode"), where, _is_text)
    _check(host_config, ("PortBindings",), where, _is_port_map)
    _check(host_config, ("LogConfig",), where, _is_log_config)


def check_mount_options(options: Json, where: str) -> None:
    """The same for the rest of a structured mount."""
    _check(options, tuple(MOUNT_OPTIONS), where, lambda value: isinstance(value, dict))


def check_ipam(ipam: Json, where: str) -> None:
    """The same for a network's pools of addresses."""
    _check(ipam, ("Config",), where, lambda value: isinstance(value, list) and all(map(_is_pool, value)))


def _check(document: Json, keys: tuple[str, ...], where: str, fits: Any) -> None:
    for key in keys:
        if key in document and not fits(document[key]):
            raise SpecError(f"the container spec is damaged: {where}.{key} has not the shape that Docker gives it")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_port_map(value: object) -> bool:
    return isinstance(value, dict) and all(
        key.partition("/")[0].isdecimal() and isinstance(bindings, list) and all(map(_is_binding, bindings))
        for key, bindings in value.items()
    )


def _is_log_config(value: object) -> bool:
    return isinstance(value, dict) and _is_text(value.get("Type", ""))


def _is_pool(value: object) -> bool:
    if not isinstance(value, dict) or not _is_text(value.get("Subnet", "")):
        return False
    try:
        ip_network(value.get("Subnet") or "0.0.0.0/0", strict=False)
    except ValueError:
        return False
    return True


def _is_binding(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"HostIp", "HostPort"} and all(map(_is_text, value.values()))
