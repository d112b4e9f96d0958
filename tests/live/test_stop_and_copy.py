"""Memory and connections move with the container, and nothing is lost where they do not."""

import pytest

from tests.conftest import MakeLab
from tests.live.moving import HOSTS, macvlan, run_redis, sides
from tests.live.writer import Writer
from transship.errors import StepError
from transship.lab import Lab, Node
from transship.live.cutover import stop_and_copy
from transship.live.sandbox import sandbox_name
from transship.metrics.events import Recorder

pytestmark = pytest.mark.lab

MEGABYTES = 16


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(HOSTS)


def images(node: Node) -> str:
    """What is left of memory images on a host."""
    return node.output(["sh", "-c", "find /run/transship-live -mindepth 1 2>/dev/null; find / -xdev -name '*.img'"])


def status(node: Node, container: str) -> str:
    return node.output(["docker", "inspect", "-f", "{{.State.Status}}", container]).strip()


def test_a_client_that_never_stops_writing_loses_nothing(lab: Lab) -> None:
    h1, h2 = lab.nodes
    address = macvlan(lab)
    run_redis(lab, h1, address, MEGABYTES)
    recorder = Recorder()
    with sides(lab, h1, h2) as moving, Writer(address) as writer:
        writer.reach(1000)
        stop_and_copy(moving.source, moving.target, moving.pair, recorder)
        moving.target.finish()
        writer.reach(writer.commands + 1000)
        moving.source.end()
        writer.reach(writer.commands + 1000)
        writer.stop()
    assert writer.failure == ""
    assert {phase.name for phase in recorder.phases} == {"freeze", "dump", "connect", "memory", "restore", "open"}
    assert status(h1, "cache") == "exited"
    assert status(h2, "cache") == "running"
    assert h2.output(["docker", "exec", "cache", "redis-cli", "dbsize"]).strip() == str(MEGABYTES * 16 + 1)
    assert images(h1) == images(h2) == ""


def test_what_cannot_be_restored_goes_on_where_it_was(lab: Lab) -> None:
    h1, h2 = lab.nodes
    address = macvlan(lab)
    run_redis(lab, h1, address, MEGABYTES)
    with sides(lab, h1, h2) as moving, Writer(address) as writer:
        writer.reach(1000)
        # A restore needs the sandbox's process; its absence is what a target that fails looks like.
        h2.output(["docker", "kill", sandbox_name("cache")])
        with pytest.raises(StepError):
            stop_and_copy(moving.source, moving.target, moving.pair, Recorder())
        moving.target.abandon()
        moving.source.thaw()
        writer.reach(writer.commands + 1000)
        writer.stop()
    assert writer.failure == ""
    assert status(h1, "cache") == "running"
    assert h2.output(["docker", "ps", "--all", "--quiet"]) == ""
    assert images(h1) == images(h2) == ""
