import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import SystemRandom

import pytest

from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.cgroups import hierarchies
from transship.lab.lab import remove_abandoned
from transship.lab.options import CgroupVersion

MakeLab = Callable[[LabOptions], Lab]

IS_ROOT = os.geteuid() == 0
REASON = "needs root, because it runs real Docker hosts in network namespaces"
WITH_LIMITS: CgroupVersion = "v1" if any(not tree.unified for tree in hierarchies()) else "v2"
"""The version of control groups that limits memory and CPU in a host of this machine."""

_numbers = count(1)

# A shell starts what runs in the background with Ctrl-C ignored, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Before any process of pytest-xdist begins: all of them must draw the same cases.
os.environ.setdefault("TRANSSHIP_SEED", str(SystemRandom().randrange(2**32)))


def pytest_report_header() -> str:
    return f"TRANSSHIP_SEED={os.environ['TRANSSHIP_SEED']} draws the same cases again"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("lab") and not IS_ROOT:
        if os.environ.get("CI") == "true":
            pytest.fail(REASON, pytrace=False)  # in CI nothing may be left out unseen
        pytest.skip(REASON)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = [report for report in terminalreporter.getreports("skipped") if REASON in str(report.longrepr)]
    if left_out:
        terminalreporter.write_line(f"left out: {len(left_out)} tests of the lab: {REASON}")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the journal of whoever runs it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def own_name() -> str:
    """A lab's name that no other run of the tests on this machine uses."""
    return f"t{os.getpid()}-{next(_numbers)}"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Two hosts with trixie, h1 and h2, shared by all tests: leave them as you found them."""
    remove_abandoned()
    with Lab(LabOptions(name=own_name())) as running:
        yield running


@pytest.fixture
def make_lab() -> Iterator[MakeLab]:
    """Make a lab of one's own, whatever name the options say; it is taken down after the test."""
    with ExitStack() as labs:

        def make(options: LabOptions) -> Lab:
            return labs.enter_context(Lab(replace(options, name=own_name())))

        yield make


@pytest.fixture
def one_host(make_lab: MakeLab) -> Lab:
    """A lab with a single host of its own."""
    return make_lab(LabOptions(hosts=(HostOptions(),)))
