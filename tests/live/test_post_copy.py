"""The processes go on before their memory has come, or, where it cannot come, where they were."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import MakeLab
from tests.live.moving import HOSTS, Sides, macvlan, run_redis, sides
from tests.live.writer import Writer
from transship.errors import StepError
from transship.hosts.agent import start_agent
from transship.lab import Lab
from transship.live.cutover import post_copy
from transship.live.pages import PageWay
from transship.metrics.events import Recorder

pytestmark = pytest.mark.lab

MEGABYTES = 16
PIPE_LIMIT = Path("/proc/sys/fs/pipe-max-size")


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(HOSTS)


@pytest.fixture
def large_pipes() -> Iterator[None]:
    """What CRIU's page server needs where root lacks CAP_SYS_RESOURCE."""
    before = PIPE_LIMIT.read_text()
    PIPE_LIMIT.write_text(str(64 << 20))
    yield
    PIPE_LIMIT.write_text(before)


class CutWay(PageWay):
    """A way that is lost as soon as it is there."""

    def open(self) -> None:
        super().open()
        self.close()


def way(moving: Sides, kind: type[PageWay], resources: ExitStack) -> PageWay:
    reader = resources.enter_context(start_agent(moving.source.host, "root"))
    writer = resources.enter_context(start_agent(moving.target.host, "root"))
    opened = kind(reader, writer, name=moving.source.name, container=moving.target.container)
    return resources.enter_context(opened)


def test_memory_follows_and_a_client_that_never_stops_writing_loses_nothing(lab: Lab, large_pipes: None) -> None:
    h1, h2 = lab.nodes
    address = macvlan(lab)
    run_redis(lab, h1, address, MEGABYTES)
    with sides(lab, h1, h2) as moving, Writer(address) as writer, ExitStack() as resources:
        writer.reach(1000)
        pages = way(moving, PageWay, resources)
        recorder = Recorder()
        post_copy(moving.source, moving.target, moving.pair, pages, recorder)
        moving.target.finish()
        writer.reach(writer.commands + 1000)
        moving.source.end()
        writer.reach(writer.commands + 1000)
        writer.stop()
    assert writer.failure == ""
    assert pages.bytes > MEGABYTES << 20
    assert next(phase.bytes for phase in recorder.phases if phase.name == "memory") < 4 << 20
    assert h2.output(["docker", "exec", "cache", "redis-cli", "dbsize"]).strip() == str(MEGABYTES * 16 + 1)


def test_a_way_that_is_lost_leaves_the_source_as_it_was(lab: Lab) -> None:
    h1, h2 = lab.nodes
    address = macvlan(lab)
    run_redis(lab, h1, address, MEGABYTES)
    with sides(lab, h1, h2) as moving, Writer(address) as writer, ExitStack() as resources:
        writer.reach(1000)
        pages = way(moving, CutWay, resources)
        with pytest.raises(StepError):
            post_copy(moving.source, moving.target, moving.pair, pages, Recorder())
        moving.target.abandon()
        moving.source.thaw()
        writer.reach(writer.commands + 1000)
        writer.stop()
    assert writer.failure == ""
    assert h2.output(["docker", "ps", "--all", "--quiet"]) == ""
