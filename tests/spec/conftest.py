from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import own_name
from tests.spec.daemon import Daemon
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.options import CgroupVersion

SUITES = ("bookworm", "trixie", "sid")
"""Docker 20.10, 26.1 and 28.5."""

UNIFIED_HIERARCHY = Path("/sys/fs/cgroup/cgroup.controllers")


@pytest.fixture(scope="session")
def running_daemons() -> Iterator[dict[str, Daemon]]:
    # A daemon forgets the limits that its cgroup version cannot keep; the machine decides which one can.
    cgroup: CgroupVersion = "v2" if UNIFIED_HIERARCHY.exists() else "v1"
    hosts = tuple(HostOptions(suite=suite, cgroup=cgroup) for suite in SUITES)
    with Lab(LabOptions(name=own_name(), hosts=hosts)) as lab:
        busybox = (lab.nodes[0].root / "bin/busybox").read_bytes()
        for node in lab.nodes:
            node.output(["mount", "--make-rshared", "/"])  # as systemd does; mounts that propagate need it
        yield {suite: Daemon(node, busybox) for suite, node in zip(SUITES, lab.nodes, strict=True)}


@pytest.fixture
def daemons(running_daemons: dict[str, Daemon]) -> Iterator[dict[str, Daemon]]:
    """Docker in three versions, by suite, one image in common; what a test made there is removed after it."""
    yield running_daemons
    for daemon in running_daemons.values():
        daemon.clear()
