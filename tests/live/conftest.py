from collections.abc import Iterator

import pytest

from tests.conftest import own_name
from tests.live.moving import macvlan
from tests.move.conftest import Hosts, clean
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.pipes import large_pipes

SID = HostOptions(suite="sid")
"""Of Debian's CRIU only that of sid reads TCP sockets on a kernel from 6.16 on."""


@pytest.fixture(scope="module")
def sid() -> Iterator[Lab]:
    with Lab(LabOptions(name=own_name(), hosts=(SID, SID))) as running:
        for node in running.nodes:
            running.load(node, "redis")
        yield running


@pytest.fixture
def hosts(sid: Lab) -> Iterator[Hosts]:
    """Two hosts with CRIU 4.2, empty but for an image of Redis."""
    pair = Hosts(sid, *sid.nodes)
    yield pair
    for node in sid.nodes:
        clean(node, ("redis:latest",))
        node.output(["sh", "-c", "rm -rf /tmp/ctrd-checkpoint*"])


@pytest.fixture
def address(hosts: Hosts) -> str:
    """An address on a network that both hosts have, and that a container can take along."""
    return macvlan(hosts)


@pytest.fixture(name="large_pipes")
def with_large_pipes() -> Iterator[None]:
    """What CRIU's page server needs where root lacks CAP_SYS_RESOURCE."""
    with large_pipes():
        yield
