"""Memory and connections move between different versions of Docker, and different stores of images."""

from collections.abc import Iterator

import pytest

from tests.conftest import own_name
from tests.live.moving import left_behind, macvlan, run_redis
from tests.live.writer import Writer
from tests.move.conftest import Hosts, clean
from transship.lab import HostOptions, Lab, LabOptions

pytestmark = pytest.mark.lab

OLDER = HostOptions(suite="trixie+criu", store="overlay2")
NEWER = HostOptions(suite="sid", store="containerd")


@pytest.fixture(scope="module")
def unlike() -> Iterator[Lab]:
    with Lab(LabOptions(name=own_name(), hosts=(OLDER, NEWER))) as running:
        for node in running.nodes:
            running.load(node, "redis")
        yield running


@pytest.mark.parametrize("upwards", [True, False], ids=["from Docker 26 to 28", "from Docker 28 to 26"])
@pytest.mark.parametrize("mode", [(), ("--post-copy",)], ids=["copied", "following"])
def test_a_connection_goes_on_with_another_docker(
    unlike: Lab, large_pipes: None, mode: tuple[str, ...], *, upwards: bool
) -> None:
    older, newer = unlike.nodes
    versions = [node.docker.version()["Version"].partition(".")[0] for node in (older, newer)]
    assert versions == ["26", "28"]
    hosts = Hosts(unlike, older, newer) if upwards else Hosts(unlike, newer, older)
    try:
        address = macvlan(hosts)
        redis = run_redis(hosts, 16, address=address)
        with Writer(address) as writer:
            writer.reach(200)
            moved = hosts.move("cache", "--strategy", "live", "--yes", "--json", *mode)
            assert moved.code == 0, moved.err
            writer.reach(writer.commands + 200)
            writer.stop()
        assert writer.failure == ""
        assert redis.host is hosts.h2
        assert redis.is_whole()
        assert left_behind(hosts.h1) == left_behind(hosts.h2) == ""
    finally:
        for node in unlike.nodes:
            clean(node, ("redis:latest",))
            node.output(["sh", "-c", "rm -rf /tmp/ctrd-checkpoint*"])
