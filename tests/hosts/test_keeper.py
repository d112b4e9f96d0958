"""What a host does when its coordinator is lost, on real hosts and by really losing it."""

import json
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.agent.migrations import RECORD, a_record
from transship.errors import LockedError, TransferError
from transship.hosts.address import SshAddress
from transship.hosts.base import Json
from transship.hosts.facts import RootAccess
from transship.hosts.keeper import Keeper, Side, start_keeper
from transship.hosts.ssh import SshHost
from transship.lab import Lab, Node
from transship.plan.record import End

pytestmark = pytest.mark.lab

WAYS: list[tuple[str, RootAccess]] = [("root", "root"), ("admin", "sudo"), ("mover", "docker")]
RECORD_FILE = f"/var/lib/transship/{RECORD.id}.json"
SOON = 10.0


@dataclass
class Source:
    """A host with one container, which restarts always."""

    lab: Lab
    node: Node
    id: str

    @property
    def state(self) -> Json:
        found: Json = self.node.docker.inspect_container(self.id)
        return found

    @property
    def serves(self) -> bool:
        state = self.state["State"]
        return bool(state["Running"]) and not state["Paused"]

    @property
    def policy(self) -> str:
        return str(self.state["HostConfig"]["RestartPolicy"]["Name"])

    @property
    def is_back(self) -> bool:
        return self.serves and self.policy == "always"

    def fence(self) -> None:
        self.node.output(["docker", "update", "--restart", "no", self.id])

    def stop(self) -> None:
        self.fence()
        self.node.output(["docker", "stop", self.id])

    @property
    def keeper_pid(self) -> str:
        """The process on the host that holds a lock."""
        for fd in self.node.root.glob("proc/[0-9]*/fd/*"):
            with suppress(OSError):
                if "/run/transship/locks/" in str(fd.readlink()):
                    return fd.parent.parent.name
        pytest.fail("nobody holds a lock")

    def stored(self) -> Json:
        found: Json = json.loads(self.node.output(["cat", RECORD_FILE]))
        return found

    def locks(self) -> str:
        return self.node.output(["ls", "/run/transship/locks"])

    @contextmanager
    def keeper(self, user: str = "root", way: RootAccess = "root", *, lease_s: float = 5.0) -> Iterator[Keeper]:
        with (
            SshHost("h1", SshAddress(self.node.ssh_alias, user), config=self.lab.ssh_config) as host,
            start_keeper(host, way, lease_s=lease_s) as keeper,
        ):
            yield keeper

    @contextmanager
    def coordinator(self, user: str = "root", way: RootAccess = "root") -> Iterator["subprocess.Popen[str]"]:
        """A process that has stopped the source; it is ended, and was waited for, when this ends."""
        words = [self.node.ssh_alias, user, way, str(self.lab.ssh_config), self.id]
        with subprocess.Popen(
            [sys.executable, "-m", "tests.hosts.coordinator", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout
                assert process.stdout.readline() == "ready\n"
                self.stop()
                yield process
            finally:
                process.kill()


@pytest.fixture
def source(lab: Lab) -> Iterator[Source]:
    with a_source(lab) as source:
        yield source


@contextmanager
def a_source(lab: Lab) -> Iterator[Source]:
    node = lab.nodes[0]
    lab.load(node, "busybox")
    started = node.output(
        ["docker", "run", "--detach", "--name", f"web-{secrets.token_hex(4)}", "--restart", "always",
         "--stop-signal", "KILL", "busybox", "sleep", "100000"]
    )  # fmt: skip
    try:
        yield Source(lab, node, started.strip())
    finally:
        node.output(["docker", "rm", "--force", started.strip()])
        node.output(["rm", "-rf", "/var/lib/transship", "/run/transship"])


def eventually(condition: Callable[[], Any], seconds: float = SOON) -> float:
    """Wait until something is so, and return how long that took in seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it never was so"
        threading.Event().wait(0.02)
    return time.monotonic() - began


def keep(keeper: Keeper, source: Source, *locks: str, side: Side = "source", **record: Any) -> None:
    keeper.keep(a_record(**{"container_id": source.id, **record}), side, [f"container:{source.id}", *locks])


def reach(keeper: Keeper, source: Source, stage: str) -> None:
    """Have a stage on the host's disk: from here on the keeper acts by it."""
    keeper.write({**source.stored(), "stage": stage})


@pytest.mark.parametrize(("user", "way"), WAYS, ids=[way for _, way in WAYS])
def test_a_coordinator_that_is_killed_leaves_a_source_that_serves(
    source: Source, user: str, way: RootAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    with source.coordinator(user, way) as coordinator:
        coordinator.kill()
        took = eventually(lambda: source.serves)
    eventually(lambda: source.is_back)
    eventually(lambda: source.stored()["stage"] == "restored")
    assert "coordinator was lost" in source.stored()["detail"]
    eventually(lambda: not source.locks())
    with capsys.disabled():
        sys.stdout.write(f"\n  {way}: the source serves again {took:.2f} s after the coordinator was killed\n")


@pytest.mark.parametrize(("user", "way"), WAYS, ids=[way for _, way in WAYS])
def test_a_coordinator_that_falls_silent_is_not_waited_for(
    source: Source, user: str, way: RootAccess, capsys: pytest.CaptureFixture[str]
) -> None:
    with source.coordinator(user, way) as coordinator:
        coordinator.send_signal(signal.SIGSTOP)
        took = eventually(lambda: source.is_back)
        coordinator.send_signal(signal.SIGCONT)

        def knows() -> str:
            assert coordinator.stdin
            assert coordinator.stdout
            coordinator.stdin.write("\n")
            coordinator.stdin.flush()
            return coordinator.stdout.readline().strip()

        eventually(knows)
    with capsys.disabled():
        sys.stdout.write(f"\n  {way}: the source serves again {took:.2f} s after the coordinator fell silent\n")


def test_a_cable_that_is_pulled_brings_the_source_back_and_the_coordinator_knows_when_it_is_mended(
    source: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    with source.keeper() as keeper:
        keep(keeper, source)
        reach(keeper, source, "stopping")
        source.stop()
        source.node.cut()
        try:
            took = eventually(lambda: source.is_back)
        finally:
            source.node.mend()
        eventually(lambda: keeper.lost)
        with pytest.raises(TransferError, match="lost"):
            reach(keeper, source, "released")
    assert source.stored()["stage"] == "restored"
    with capsys.disabled():
        sys.stdout.write(f"\n  the source serves again {took:.2f} s after the cable was pulled\n")


def test_a_keeper_that_is_killed_drops_its_locks(source: Source) -> None:
    with source.keeper() as keeper, source.keeper() as other:
        keep(keeper, source)
        with pytest.raises(LockedError):
            keep(other, source, id="another")
        source.node.output(["kill", "-KILL", source.keeper_pid])
        keep(other, source, id="another")
        eventually(lambda: keeper.lost)
        other.end("done")


def test_a_hangup_does_not_end_a_keeper(source: Source) -> None:
    with source.keeper() as keeper:
        keep(keeper, source)
        source.node.output(["kill", "-HUP", source.keeper_pid])
        reach(keeper, source, "fenced")
        keeper.end("done")


@pytest.mark.parametrize("stage", ["preparing", "committed", "restored", "forward", "ended"])
def test_where_the_source_is_not_in_question_nothing_is_started(source: Source, stage: str) -> None:
    source.stop()
    with source.keeper() as keeper:
        keep(keeper, source, retired_name="")
        reach(keeper, source, stage)
    eventually(lambda: not source.locks())
    assert not source.serves
    assert source.policy == "no"
    assert source.stored()["stage"] == stage


def test_a_fenced_source_has_its_policy_again(source: Source) -> None:
    began = source.state["State"]["StartedAt"]
    with source.keeper() as keeper:
        keep(keeper, source)
        reach(keeper, source, "fenced")
        source.fence()
    eventually(lambda: source.is_back)
    assert source.state["State"]["StartedAt"] == began
    eventually(lambda: source.stored()["stage"] == "restored")


def test_a_fenced_source_that_ended_meanwhile_is_started(source: Source) -> None:
    with source.keeper() as keeper:
        keep(keeper, source)
        reach(keeper, source, "fenced")
        source.fence()
        source.node.output(["docker", "kill", source.id])
    eventually(lambda: source.is_back)


def test_a_source_that_did_not_run_is_not_started(source: Source) -> None:
    source.node.output(["docker", "stop", source.id])
    with source.keeper() as keeper:
        keep(keeper, source, running=False)
        reach(keeper, source, "stopping")
        source.fence()
    eventually(lambda: source.stored()["stage"] == "restored")
    assert source.policy == "always"
    assert not source.serves


@pytest.mark.parametrize("stage", ["released", "committed"])
def test_a_released_source_that_stands_still_gets_a_name_that_warns(source: Source, stage: str) -> None:
    source.stop()
    with source.keeper() as keeper:
        keep(keeper, source, retired_name="web-has-moved")
        reach(keeper, source, stage)
    eventually(lambda: source.state["Name"] == "/web-has-moved")
    eventually(lambda: not source.locks())
    assert not source.serves
    assert source.stored()["stage"] == stage


def test_a_released_source_that_runs_is_left_alone(source: Source) -> None:
    name = source.state["Name"]
    with source.keeper() as keeper:
        keep(keeper, source)
        reach(keeper, source, "released")
        source.fence()
    eventually(lambda: not source.locks())
    assert source.serves
    assert source.state["Name"] == name


def test_a_target_that_was_released_serves(source: Source) -> None:
    source.stop()
    with source.keeper() as keeper:
        keep(keeper, source, side="target", container_id="f" * 64, made=source.id)
        reach(keeper, source, "released")
    eventually(lambda: source.is_back)
    eventually(lambda: source.stored()["stage"] == "forward")


@pytest.mark.parametrize("stage", ["preparing", "stopping", "committed"])
def test_a_target_that_was_not_is_left_alone(source: Source, stage: str) -> None:
    source.stop()
    with source.keeper() as keeper:
        keep(keeper, source, side="target", container_id="f" * 64, made=source.id)
        reach(keeper, source, stage)
    eventually(lambda: not source.locks())
    assert not source.serves
    assert source.policy == "no"


def test_a_stop_that_is_under_way_ends_first(source: Source) -> None:
    node = source.node
    slow = node.output(
        ["docker", "run", "--detach", "--stop-timeout", "3", "busybox", "sh", "-c", 'trap "" TERM; sleep 100000']
    ).strip()
    stubborn = Source(source.lab, node, slow)
    stop = threading.Thread(target=node.output, args=(["docker", "stop", slow],))
    try:
        with source.keeper() as keeper:
            keep(keeper, stubborn)
            reach(keeper, source, "stopping")
            began = stubborn.state["State"]["StartedAt"]
            stop.start()
            eventually(lambda: "signal=15" in node.output(["docker", "events", "--since", "1m", "--until", "0s"]))
        eventually(lambda: stubborn.is_back)
        eventually(lambda: stubborn.stored()["stage"] == "restored")
        assert stubborn.state["State"]["StartedAt"] != began
    finally:
        if stop.ident:
            stop.join()
        node.output(["docker", "rm", "--force", slow])


def test_a_frozen_source_goes_on(source: Source) -> None:
    began = source.state["State"]["StartedAt"]
    with source.keeper() as keeper:
        keep(keeper, source, freeze=True)
        reach(keeper, source, "stopping")
        source.fence()
        source.node.output(["docker", "pause", source.id])
    eventually(lambda: source.is_back)
    eventually(lambda: source.stored()["stage"] == "restored")
    assert source.state["State"]["StartedAt"] == began


def test_a_source_that_was_to_be_frozen_goes_on(source: Source) -> None:
    with source.keeper() as keeper:
        keep(keeper, source, freeze=True)
        reach(keeper, source, "stopping")
    eventually(lambda: source.stored()["stage"] == "restored")
    assert source.is_back


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_a_keeper_waits_for_its_docker(one_host: Lab, *, crash: bool) -> None:
    with a_source(one_host) as source:
        with source.keeper() as keeper:
            keep(keeper, source)
            reach(keeper, source, "stopping")
            source.fence()
            source.node.stop_dockerd(crash=crash)
        eventually(lambda: "does not answer" in source.stored()["detail"])
        source.node.start_dockerd()
        eventually(lambda: source.is_back)
        eventually(lambda: source.stored()["stage"] == "restored")
        eventually(lambda: not source.locks())


def test_a_source_that_is_gone_is_said_to_be(source: Source) -> None:
    with source.keeper() as keeper:
        keep(keeper, source, container_id="d" * 64)
        reach(keeper, source, "stopping")
    eventually(lambda: "404" in source.stored()["detail"])
    assert source.stored()["stage"] == "stopping"
    eventually(lambda: not source.locks())


def test_two_moves_of_one_container_exclude_each_other_and_the_second_is_told_of_the_first(source: Source) -> None:
    with source.keeper() as keeper, source.keeper() as other:
        keep(keeper, source, "volume:data")
        with pytest.raises(LockedError) as refused:
            other.keep(a_record(id="another"), "source", ["volume:aaa", "volume:data"])
        assert f"web is under way on h1: begun by ann@desk at {RECORD.begun} (migration {RECORD.id})" in str(
            refused.value
        )
        assert refused.value.exit_code == 3
        other.keep(a_record(id="another"), "source", ["volume:aaa"])
        other.end("done")
        keeper.end("done")


def test_a_second_move_waits_as_long_as_it_may(source: Source) -> None:
    with source.keeper() as keeper, source.keeper() as other:
        keep(keeper, source)
        ends = threading.Timer(1.0, keeper.end, ["done"])
        ends.start()
        other.keep(a_record(id="another"), "source", [f"container:{source.id}"], patience_s=20.0)
        ends.join()
        other.end("done")


def test_silence_is_no_matter_while_the_keeper_hears_beats(source: Source) -> None:
    with source.keeper(lease_s=0.5) as keeper:
        keep(keeper, source, stage="fenced")
        silent = time.monotonic() + 2.0
        eventually(lambda: keeper.lost or time.monotonic() > silent)
        assert not keeper.lost
        keeper.end("done")


def test_a_slow_link_that_is_full_of_data_loses_no_keeper(source: Source) -> None:
    node = source.node
    with (
        SshHost("h1", SshAddress(node.ssh_alias, "root"), config=source.lab.ssh_config) as host,
        start_keeper(host, "root") as keeper,
    ):
        keep(keeper, source)
        node.set_rate("1mbit")
        try:
            began = time.monotonic()
            sink = threading.Thread(target=host.run, args=(["wc", "-c"],), kwargs={"stdin": bytes(3 << 19)})
            sink.start()
            reach(keeper, source, "preparing")
            sink.join()
            reach(keeper, source, "fenced")
            assert time.monotonic() - began > 5.0
        finally:
            node.set_rate(None)
        assert not keeper.lost
        keeper.end("done")


def test_records_are_told_with_who_keeps_them_and_can_be_forgotten(source: Source) -> None:
    with source.keeper() as keeper, source.keeper() as other:
        assert other.records() == []
        record = a_record(container_id=source.id)
        keeper.keep(record, "source", [])
        made = {**record["made"], "container": "b" * 64}
        keeper.write({**record, "made": made, "stage": "fenced", "detail": "a détail"})
        (found,) = other.records()
        assert found["held"]
        assert found["record"]["made"]["container"] == "b" * 64
        assert (found["record"]["stage"], found["record"]["detail"]) == ("fenced", "a détail")
        assert keeper.records()[0]["held"] is False
        with pytest.raises(TransferError, match="under way"):
            other.forget(str(record["id"]))
        keeper.end("moved")
        (found,) = other.records()
        assert (found["held"], found["record"]["stage"], found["record"]["outcome"]) == (False, "ended", "moved")
        other.forget(str(record["id"]))
        assert other.records() == []
        assert source.node.output(["stat", "-c", "%a", "/var/lib/transship", "/run/transship/locks"]) == "700\n700\n"


def test_many_records_come_in_several_answers(source: Source) -> None:
    folder = source.node.root / "var/lib/transship"
    folder.mkdir(0o700)
    for number in range(30):
        text = json.dumps(a_record(id=f"m{number:02}", detail="x" * 100_000))
        (folder / f"m{number:02}.json").write_text(text)
    with source.keeper() as keeper:
        assert [each["record"]["id"] for each in keeper.records()] == [f"m{number:02}" for number in range(30)]


def test_a_host_with_another_docker_than_the_move_began_with_is_refused(source: Source) -> None:
    with source.keeper() as keeper:
        with pytest.raises(TransferError, match="the Docker of this move is not found"):
            keeper.keep(a_record(container_id=source.id, source=End("h1", "another-daemon")), "source", [])
        assert not keeper.lost
        daemon = str(source.node.docker.info()["ID"])
        keeper.keep(a_record(container_id=source.id, source=End("h1", daemon)), "source", [])
        keeper.end("done")
