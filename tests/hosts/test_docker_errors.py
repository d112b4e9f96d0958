import json
from typing import Any

import pytest

from transship.errors import ConflictError
from transship.hosts.docker_errors import hidden, refusal

BODY: dict[str, Any] = {
    "Image": "registry.example/web:1",
    "Env": ["TOKEN=marked-1", "URL=https://me:marked-2@db.example/x", 'QUOTED=a"marked-3\n'],
    "Labels": {"owner": "marked-4"},
    "Cmd": ["/bin/marked-5", "--password=marked-6"],
    "Entrypoint": ["marked-7"],
    "Healthcheck": {"Test": ["CMD-SHELL", "curl marked-8"]},
    "HostConfig": {
        "LogConfig": {"Type": "gelf", "Config": {"gelf-address": "udp://marked-9:12201"}},
        "Annotations": {"a": "marked-10"},
        "StorageOpt": {"size": "marked-11"},
        "Mounts": [{"VolumeOptions": {"DriverConfig": {"Name": "nfs", "Options": {"o": "user,pass=marked-12"}}}}],
        "DeviceRequests": [{"Driver": "nvidia", "Options": {"x": "marked-13"}}],
    },
}


@pytest.mark.parametrize(
    "said",
    [
        "invalid environment variable: TOKEN=marked-1",
        'parse "https://me:marked-2@db.example/x": no',
        "host db.example is not known, user me, password marked-2",
        f"cannot use {json.dumps(BODY['Env'][2])}",
        'exec: "/bin/marked-5": stat /bin/marked-5: no such file or directory: unknown',
        'exec: "marked-7": executable file not found in $PATH; args --password=marked-6',
        "health: curl marked-8 failed",
        "failed to initialize logging driver: gelf: dial udp: lookup marked-9: no such host",
        "annotation marked-10, size marked-11, mount user,pass=marked-12, device marked-13, owner marked-4",
    ],
)
def test_nothing_of_what_may_be_secret_is_repeated(said: str) -> None:
    assert "marked" not in hidden(said, BODY)


def test_what_helps_is_left() -> None:
    said = "unknown log opt 'gelf-adress' for gelf log driver; no such image: registry.example/web:1"
    assert hidden(said, BODY) == said


def test_what_kind_of_failure_it_is_does_not_hang_on_what_is_shown() -> None:
    error = refusal("start container web", "h2", "address already in use", about={"Labels": {"a": "address"}})
    assert isinstance(error, ConflictError)
    assert str(error) == "Docker on h2 cannot start container web: *** already in use"
