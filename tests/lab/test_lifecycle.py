import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest

from tests.conftest import WITH_LIMITS, MakeLab, own_name
from tests.lab import traces
from transship.errors import LabError
from transship.lab import HostOptions, Lab, LabOptions, record
from transship.lab.lab import remove_abandoned, take_down
from transship.lab.processes import wait_until
from transship.lab.record import LabRecord

pytestmark = pytest.mark.lab


@contextmanager
def holder(name: str) -> Iterator["subprocess.Popen[bytes]"]:
    argv = [sys.executable, "-m", "tests.lab.hold", name]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            take_down(name)


def recorded(name: str) -> LabRecord:
    wait_until(lambda: record.load(name) is not None, 10, "the lab was written down")
    found = record.load(name)
    assert found
    return found


def reached(found: LabRecord, moment: str) -> None:
    wait_until((found.folder / moment).exists, 10, f"{moment} was there")


def test_a_lab_that_is_taken_down_leaves_nothing() -> None:
    with Lab(LabOptions(name=own_name(), hosts=(HostOptions(disk="100M"), HostOptions(cgroup=WITH_LIMITS)))) as lab:
        for node in lab.nodes:
            lab.load(node, "busybox")
            node.output(["docker", "run", "-d", "--restart", "always", "busybox", "sleep", "600"])
        found = lab.record
        while_up = traces.of_kind(found)
    assert all(while_up.values()), while_up
    assert traces.left(found) == []


@pytest.mark.parametrize("moment", ["lab.json", "h1/boot.json", "h1/inner", "h1/dockerd.log"])
def test_what_a_killed_process_left_is_removed(moment: str) -> None:
    name = own_name()
    with holder(name) as process:
        found = recorded(name)
        reached(found, moment)
        process.kill()
        process.wait()
        remove_abandoned(name)
        assert traces.left(found) == []


def test_a_killed_lab_makes_way_for_the_next_of_its_name() -> None:
    name = own_name()
    with holder(name) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        old = recorded(name)
        process.kill()
        process.wait()
        with pytest.raises(LabError, match="ended process"):
            Lab.open(name)
        with Lab(LabOptions(name=name, hosts=(HostOptions(),))) as lab:
            assert lab.nodes[0].docker.ping()
        assert traces.left(old) == []


@pytest.mark.parametrize("moment", ["lab.json", "h1/inner", "h1/dockerd.log"])
def test_an_interrupted_up_cleans_up_after_itself(moment: str) -> None:
    name = own_name()
    with holder(name) as process:
        found = recorded(name)
        reached(found, moment)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert b"KeyboardInterrupt" in errors
        assert traces.left(found) == []


def test_a_lab_in_use_by_another_process_is_left_alone() -> None:
    name = own_name()
    with holder(name) as process:
        found = recorded(name)
        with pytest.raises(LabError, match=f"in use by process {process.pid}"):
            take_down(name)
        with pytest.raises(LabError, match="exists already"), Lab(LabOptions(name=name)):
            pytest.fail("the name is taken")
        assert found.folder.exists()


def test_labs_stand_side_by_side_and_do_not_reach_each_other(lab: Lab, make_lab: MakeLab) -> None:
    other = make_lab(LabOptions(hosts=(HostOptions(),))).nodes[0]
    assert other.network.subnet != lab.network.subnet
    own = lab.nodes[0]
    assert own.run(["ping", "-c1", "-W2", lab.nodes[1].address]).status == 0
    assert own.run(["ping", "-c1", "-W2", other.address]).status != 0


def test_a_lab_stays_up_until_it_is_taken_down() -> None:
    name = own_name()
    script = "import sys; from transship.lab import *; Lab.up(LabOptions(name=sys.argv[1], hosts=(HostOptions(),)))"
    try:
        subprocess.run([sys.executable, "-c", script, name], check=True)
        lab = Lab.open(name)
        assert lab.nodes[0].docker.ping()
        lab.down()
        assert traces.everything_named(name) == []
    finally:
        take_down(name)


def test_a_failed_up_names_the_cause_and_leaves_nothing() -> None:
    name = own_name()
    options = LabOptions(name=name, hosts=(HostOptions(daemon={"nonsense": True}),))
    with pytest.raises(LabError, match="nonsense"), Lab(options):
        pytest.fail("such a host cannot be")
    assert traces.everything_named(name) == []


def test_hosts_are_ready_within_15_seconds(make_lab: MakeLab) -> None:
    began = monotonic()
    make_lab(LabOptions())
    assert monotonic() - began < 15


def test_this_process_owns_no_child_of_a_lab(lab: Lab) -> None:
    children = traces.output("ps", "-o", "pid=,args=", "--ppid", str(os.getpid()))
    assert "unshare" not in children
