"""What is seen of a node's host."""

from collections.abc import Callable, Sequence

import pytest

from tests.plan.observed import FACTS
from tests.swarm.told import H2, service
from transship.hosts.base import Completed
from transship.hosts.fake import FakeHost
from transship.hosts.fake_images import pack
from transship.swarm.observe import _has_ipvs, _volumes, see_host


def where(*found: str) -> Callable[[Sequence[str], bytes], Completed]:
    """Programs of a host that finds IPVS in these files only."""

    def run(argv: Sequence[str], _stdin: bytes) -> Completed:
        return Completed(0 if any(each in word for word in argv for each in found) else 1, b"", b"")

    return run


@pytest.mark.parametrize(
    ("host", "has"),
    [
        (FakeHost(programs=where("/proc/net/ip_vs")), True),
        (FakeHost(programs=where("modules.dep")), True),
        (FakeHost(programs=where()), False),
        (FakeHost(), None),
    ],
)
def test_ipvs_is_there_when_it_is_loaded_or_could_be(host: FakeHost, *, has: bool | None) -> None:
    assert _has_ipvs(host, FACTS) is has


def test_a_volume_is_what_it_is_and_not_what_the_service_says_of_it() -> None:
    host = FakeHost()
    host.docker.create_volume({"Name": "data", "Driver": "local", "DriverOpts": {"type": "nfs"}})
    (mount,) = service(container={"Mounts": [{"Type": "volume", "Source": "data", "Target": "/d"}]}).mounts
    assert mount.stays_behind
    assert not mount.as_is(_volumes(host.docker, ["data"])["data"]).stays_behind


def test_volumes_that_only_the_image_asks_for_are_seen() -> None:
    host = FakeHost()
    host.docker.daemon = {"Swarm": {"NodeID": H2.id}, "CgroupVersion": "2"}
    host.docker.images.add([pack({})], name="db:1")
    labels = {"com.docker.swarm.service.id": "web-id", "com.docker.swarm.task.id": "t1"}
    mounts = [{"Type": "bind", "Source": "/srv", "Target": "/srv"}]
    body = {"Image": "db:1", "Labels": labels, "Volumes": {"/data": {}}, "HostConfig": {"Mounts": mounts}}
    container = host.docker.create_container("web.1.t1", body)
    host.docker.start(container)
    assert see_host(host, H2, service(container={"Image": "db:1"}), container).mounted == {
        "web-id": frozenset({"/data"})
    }
