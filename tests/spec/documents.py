"""Inspect documents as a daemon of our own mind would write them, for tests without Docker."""

from copy import deepcopy
from typing import Any

CONTAINER_ID = "c0ffee" + "0" * 58
Document = dict[str, Any]

IMAGE: Document = {
    "Id": "sha256:" + "1" * 64,
    "Os": "linux",
    "Architecture": "arm",
    "Variant": "v7",
    "RepoTags": ["example/web:1"],
    "RepoDigests": [],
    "RootFS": {"Type": "layers", "Layers": ["sha256:" + "2" * 64]},
    "Config": {
        "User": "www",
        "Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"],
        "Cmd": ["serve"],
        "Entrypoint": ["/entry"],
        "WorkingDir": "/srv",
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"maintainer": "somebody"},
        "StopSignal": "SIGQUIT",
        "Healthcheck": {"Test": ["CMD", "probe"], "Interval": 5_000_000_000},
        "Volumes": None,
        "OnBuild": None,
    },
}


def image(**config: Any) -> Document:
    """The image above, its Config changed."""
    document = deepcopy(IMAGE)
    document["Config"] |= config
    return document


def container(*, config: Document | None = None, host_config: Document | None = None, **top: Any) -> Document:
    """A running container of that image on the default bridge, to which the user added nothing."""
    effective = {key: deepcopy(value) for key, value in IMAGE["Config"].items() if value is not None}
    return {
        "Id": CONTAINER_ID,
        "Name": "/web",
        "Image": IMAGE["Id"],
        "State": {"Running": True},
        "Config": {**effective, "Image": "example/web:1", "Hostname": CONTAINER_ID[:12], **(config or {})},
        "HostConfig": {"NetworkMode": "bridge", "RestartPolicy": {"Name": "no"}, **(host_config or {})},
        "Mounts": [],
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2", "MacAddress": "02:42:ac:11:00:02"}}},
        **top,
    }


def network(name: str, **members: Any) -> Document:
    return {"Name": name, "Id": f"id-of-{name}", "Driver": "bridge", "Scope": "local", **members}


def volume(name: str, **members: Any) -> Document:
    return {"Name": name, "Driver": "local", "Labels": None, "Options": None, "Scope": "local", **members}


BRIDGE = {"bridge": network("bridge")}
