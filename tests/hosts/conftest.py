from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import own_name
from transship.lab import HostOptions, Lab, LabOptions


@pytest.fixture(scope="session")
def hosts_lab() -> Iterator[Lab]:
    """h1 as usual, h2 with an sshd that forwards no sockets. Tests may break them, and mend them after."""
    hosts = (HostOptions(), HostOptions(sshd={"AllowStreamLocalForwarding": "no"}))
    with Lab(LabOptions(name=own_name(), hosts=hosts)) as running:
        yield running


@pytest.fixture(scope="session")
def ssh_config(hosts_lab: Lab) -> Path:
    return hosts_lab.ssh_config
