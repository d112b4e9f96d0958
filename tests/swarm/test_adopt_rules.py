import pytest

from transship.errors import PreflightError
from transship.hosts.fake import FakeHost
from transship.swarm.adopt import _running


def test_a_container_that_is_gone_when_it_stops_is_not_adopted() -> None:
    host = FakeHost("h2")
    host.docker.images.add([b""], name="web:1")
    body = {"Image": "web:1", "HostConfig": {"AutoRemove": True}}
    host.docker.start(host.docker.create_container("web", body))
    with pytest.raises(PreflightError, match="started with --rm"):
        _running(host, "web")
