"""What counts as the state of a container: the script that tells it is run on files of this machine."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.results import CELL
from transship.bench.meter import machine_cpu_s
from transship.bench.scene import counted
from transship.bench.workload import WORKLOADS, Scene
from transship.hosts.base import Completed, Host


@pytest.fixture
def state(tmp_path: Path) -> Path:
    part = tmp_path / "0"
    part.mkdir()
    for number in range(3):
        (part / str(number)).write_bytes(bytes([number]) * 1000)
        os.utime(part / str(number), (1_700_000_000, 1_700_000_000))
    return tmp_path


def digest(folder: Path) -> str:
    _, script = Scene(replace(CELL, where="layer"), WORKLOADS["busybox"], "busybox", 80).tell_state("it")
    done = subprocess.run(["sh", "-s", "--", str(folder)], input=script, capture_output=True, check=True)
    return done.stdout.decode().splitlines()[-1]


def _swap(state: Path) -> None:
    """The same bytes in the same order, but for where the one file ends and the next begins."""
    (state / "0" / "0").write_bytes(b"\0" * 999)
    (state / "0" / "1").write_bytes(b"\0" + b"\1" * 1000)
    for name in "01":
        os.utime(state / "0" / name, (1_700_000_000, 1_700_000_000))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a name": lambda state: (state / "0" / "2").rename(state / "0" / "3"),
    "a mode": lambda state: (state / "0" / "2").chmod(0o4750),
    "a folder's mode": lambda state: (state / "0").chmod(0o700),
    "a time": lambda state: os.utime(state / "0" / "2", (1, 1)),
    "one more": lambda state: (state / "0" / "9").touch(),
    "a length": _swap,
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_state_is_more_than_its_bytes(change: str, state: Path) -> None:
    before = digest(state)
    assert digest(state) == before
    CHANGES[change](state)
    assert digest(state) != before


def test_what_is_written_anew_all_the_time_is_no_part_of_it(state: Path) -> None:
    before = digest(state)
    (state / "changing").write_bytes(b"x")
    assert digest(state) == before


def test_a_folder_that_is_not_there_has_a_digest_of_its_own(tmp_path: Path) -> None:
    assert digest(tmp_path / "gone") == "absent"


@pytest.mark.parametrize(
    ("told", "number"),
    [(b"123", 123), (b"", 0), (b"many", 0), (b"-1", 0), (b"\xc2\xb2", 0), (b"9" * 5000, 0)],
)
def test_a_host_that_counts_oddly_has_counted_nothing(told: bytes, number: int) -> None:
    assert counted(told) == number


@pytest.mark.parametrize("told", [b"", b"cpu", b"cpu 1 2 3", b"cpu a b c d e f g h", b"mem 1 2 3 4 5 6 7 8"])
def test_a_host_that_does_not_tell_its_time_is_not_measured(told: bytes) -> None:
    assert machine_cpu_s(_saying(told)) is None


def test_the_time_of_a_machine_is_without_its_idleness() -> None:
    spent = machine_cpu_s(_saying(b"cpu 100 200 300 9999 9999 0 0 0"))
    assert spent == pytest.approx(600 / os.sysconf("SC_CLK_TCK"))


def _saying(told: bytes) -> Host:
    class Saying:
        def run(self, _: list[str]) -> Completed:
            return Completed(0, told, b"")

    return Saying()  # type: ignore[return-value]
