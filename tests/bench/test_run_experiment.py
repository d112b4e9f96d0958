import csv
import io
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from transship.bench.matrix import Matrix, Planned
from transship.bench.result import Run
from transship.bench.run import lab_name, read_matrix
from transship.bench.store import ResultFolder
from transship.lab import places, record
from transship.lab.lab import take_down
from transship.lab.processes import ProcessId

pytestmark = pytest.mark.lab

SHORT = """
name = "short"
seed = 1
repetitions = 3
cache = ["cold", "warm"]
timeout_s = 60

[[image]]
name = "busybox"

[[state]]
name = "100KB"
bytes = 100_000
files = 10
where = "layer"

[[strategy]]
name = "sync"

[[strategy]]
name = "by hand"
method = "export-import-pipe"
"""
ONE = """
name = "one"
seed = 1
repetitions = 1
timeout_s = {timeout_s}
memory_bytes = [5_000_000]

[[image]]
name = "busybox"

[[state]]
name = "none"

[[strategy]]
name = "sync"

"""
KILLS = 10
LONGEST_S = 10.0


def bench(*words: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "transship", "bench", *words]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def ended(process: "subprocess.Popen[str]", seconds: float = 600.0) -> tuple[int, str, str]:
    with process:
        out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the smallest matrix that ships."""
    folder = tmp_path_factory.mktemp("smoke") / "results"
    code, _, err = ended(bench("run", "smoke", "--out", str(folder)))
    assert code == 0, err
    return folder


def test_every_run_of_the_smoke_matrix_moves_and_leaves_no_lab(smoke: Path) -> None:
    folder = ResultFolder.open(smoke)
    assert {run.cell.strategy: (run.outcome, run.reason) for run in folder.runs()} == {
        each.name: ("moved", "") for each in Matrix.read(folder.matrix).strategy
    }
    assert record.load(lab_name(smoke)) is None
    assert not (smoke / "under-way").exists()


def test_what_arrived_is_what_the_method_promises(smoke: Path) -> None:
    kept = {run.cell.method: run.kept for run in ResultFolder.open(smoke).runs()}
    assert {name: each.volume for name, each in kept.items()} == {
        "stop-start": False,
        "export-import": False,
        "sync": True,
        "commit-save-load": True,
        "export-import-pipe": True,
        "rsync-volumes": True,
    }
    assert {name for name, each in kept.items() if each.image} == {"stop-start", "sync", "rsync-volumes"}
    assert kept["sync"].settings
    assert not any(each.memory for each in kept.values())


def test_every_run_is_measured(smoke: Path) -> None:
    for run in ResultFolder.open(smoke).runs():
        measured = run.measures
        assert measured.total_s is not None and measured.client_downtime_s is not None  # noqa: PT018
        assert 0 < measured.client_downtime_s < measured.total_s
        assert measured.minimum_bytes is not None and measured.link_bytes is not None  # noqa: PT018
        assert measured.link_bytes > 0.9 * measured.minimum_bytes, run.cell.strategy
        assert set(measured.usage) == {"coordinator", "source", "target"}
        assert all(each.cpu_s and each.peak_memory_bytes for each in measured.usage.values())
        assert {each.name for each in run.phases} >= {"stop", "start", "healthy"}
        assert len({len(run.events.at_s), len(run.events.kind), len(run.events.phase), len(run.events.bytes)}) == 1
    product = {run.cell.method: run for run in ResultFolder.open(smoke).runs() if run.predicted}
    assert set(product) == {"stop-start", "export-import", "sync"}
    assert product["sync"].rounds


def test_the_export_has_a_row_a_run(smoke: Path) -> None:
    code, out, _ = ended(bench("export", str(smoke)))
    assert code == 0
    assert [row["run"] for row in csv.DictReader(io.StringIO(out))] == ["1", "2", "3", "4", "5", "6"]


def test_a_finished_experiment_has_nothing_to_resume(smoke: Path) -> None:
    before = ResultFolder.open(smoke).runs()
    assert ended(bench("resume", str(smoke)))[0] == 0
    assert ResultFolder.open(smoke).runs() == before


def test_an_altered_result_is_refused_with_a_sentence(smoke: Path) -> None:
    file = next((smoke / "runs").iterdir())
    text = file.read_text()
    try:
        file.write_text(text.replace('"moved"', '"failed"'))
        for command in ("resume", "export"):
            code, _, err = ended(bench(command, str(smoke)))
            assert code == 3
            assert f"{file} was altered" in err
    finally:
        file.write_text(text)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[[str], tuple[Run, ...]]]:
    """Make all runs of a matrix, and return them."""
    folder = tmp_path / "results"

    def make(matrix: str) -> tuple[Run, ...]:
        file = tmp_path / "matrix.toml"
        file.write_text(matrix)
        code, _, err = ended(bench("run", str(file), "--out", str(folder)))
        assert code == 0, err
        return ResultFolder.open(folder).runs()

    yield make
    take_down(lab_name(folder))


def test_a_run_that_fails_is_a_result_and_disturbs_no_other(made: Callable[[str], tuple[Run, ...]]) -> None:
    """Docker cannot checkpoint what a client is talking to, and could not restore it into a network of its own."""
    runs = made(ONE.format(timeout_s=60) + '[[strategy]]\nname = "docker-checkpoint"\n')
    by_method = {run.cell.method: run for run in runs}
    assert by_method["sync"].outcome == "moved"
    failed = by_method["docker-checkpoint"]
    assert failed.outcome == "failed"
    assert "Cannot checkpoint container" in failed.reason
    assert [phase.name for phase in failed.phases if phase.failed] == ["stop"]


def test_a_run_that_takes_too_long_is_ended_and_stored(made: Callable[[str], tuple[Run, ...]]) -> None:
    (run,) = made(ONE.format(timeout_s=1))
    assert (run.outcome, run.reason) == ("timeout", "it had not ended after 1 s")


def test_what_the_container_holds_and_how_far_away_it_is_are_factors(made: Callable[[str], tuple[Run, ...]]) -> None:
    near, far = sorted(
        made(ONE.format(timeout_s=60) + "[[link]]\n[[link]]\ndelay_ms = 100\n"), key=lambda run: run.cell.delay_ms
    )
    assert (near.outcome, far.outcome) == ("moved", "moved")
    connecting = {
        run.cell.delay_ms: sum(each.seconds for each in run.phases if each.name == "connect") for run in (near, far)
    }
    assert connecting[100.0] > 0.6, f"ssh's handshake alone is more than six round trips: {connecting}"


def test_services_of_a_swarm_are_moved_beside_containers(made: Callable[[str], tuple[Run, ...]]) -> None:
    strategies = "".join(f'[[strategy]]\nname = "{name}"\n' for name in ("swarm-constraint", "swarm-drain"))
    runs = {run.cell.method: run for run in made(ONE.format(timeout_s=90) + strategies)}
    assert {name: (run.outcome, run.reason) for name, run in runs.items()} == dict.fromkeys(
        ("sync", "swarm-constraint", "swarm-drain"), ("moved", "")
    )
    for name in ("swarm-constraint", "swarm-drain"):
        measured, phases = runs[name].measures, {phase.name: phase for phase in runs[name].phases}
        assert {"task-stop", "task-start"} <= set(phases)
        assert phases["change"].start_s <= phases["task-stop"].start_s < phases["finish"].start_s
        assert measured.client_downtime_s
        assert measured.wire_bytes
        assert runs[name].kept.image
        assert runs[name].kept.settings is None


def test_killed_again_and_again_every_run_is_made_once(tmp_path: Path) -> None:
    dice = random.Random(seed := os.environ["TRANSSHIP_SEED"])  # noqa: S311
    matrix, folder = tmp_path / "short.toml", tmp_path / "results"
    matrix.write_text(SHORT)
    words = ["run", str(matrix), "--out", str(folder)]
    try:
        for kill in range(KILLS):
            process = bench(*words)
            _wait_until(dice.uniform(0.5, LONGEST_S), process, folder)
            assert process.poll() is None, f"seed {seed}: it ended before kill {kill + 1}"
            process.kill()
            ended(process)
            if kill % 3 == 2:
                _kill_hosts(lab_name(folder))
            if (folder / "matrix.toml").exists():
                words = ["resume", str(folder)]
        code, _, err = ended(bench(*words), 900.0)
        assert code == 0, f"seed {seed}: {err}"
    finally:
        take_down(lab_name(folder))
    found = ResultFolder.open(folder)
    made = [Planned(run.run, run.cell, run.repetition, run.warm_up) for run in found.runs()]
    assert tuple(made) == Matrix.read(SHORT).schedule(), f"seed {seed}"
    assert Counter(run.outcome for run in found.runs()) == {"moved": len(made)}, f"seed {seed}"


def test_that_hosts_fail_says_nothing_of_the_method(tmp_path: Path) -> None:
    """The run that was under way is made again, between fresh hosts."""
    folder = tmp_path / "results"
    process = bench("run", "smoke", "--out", str(folder))
    try:
        _wait_for_results(folder, 1)
        _kill_hosts(lab_name(folder))
        code, _, err = ended(process)
    finally:
        take_down(lab_name(folder))
    assert code == 0, err
    assert "once more with fresh hosts" in err
    assert Counter((run.outcome, run.reason) for run in ResultFolder.open(folder).runs()) == {("moved", ""): 6}


def test_asked_to_end_it_takes_its_lab_down(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    process = bench("run", "smoke", "--out", str(folder))
    try:
        _wait_for_results(folder, 1)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] != 0
        assert record.load(lab_name(folder)) is None
    finally:
        take_down(lab_name(folder))
    assert 1 <= len(ResultFolder.open(folder).runs()) < len(Matrix.read(read_matrix("smoke")).schedule())


def test_nothing_of_a_killed_experiment_is_left_once_it_is_resumed(tmp_path: Path) -> None:
    """Also where it was killed after its last result."""
    folder = tmp_path / "results"
    process = bench("run", "smoke", "--out", str(folder))
    try:
        _wait_for_results(folder, 1)
        process.kill()
        ended(process)
        found = record.load(lab_name(folder))
        assert found is not None
        assert found.abandoned
        assert ended(bench("resume", str(folder)))[0] == 0
        assert record.load(lab_name(folder)) is None
    finally:
        take_down(lab_name(folder))
    assert len(ResultFolder.open(folder).runs()) == len(Matrix.read(read_matrix("smoke")).schedule())


def _wait_until(seconds: float, process: "subprocess.Popen[str]", folder: Path) -> None:
    """Until so much time is over, or one more result is there: there are more of them than kills."""
    before, deadline = _results(folder), time.monotonic() + seconds
    while time.monotonic() < deadline and _results(folder) == before and process.poll() is None:
        threading.Event().wait(0.05)


def _results(folder: Path) -> int:
    return len(list((folder / "runs").glob("*.json")))


def _wait_for_results(folder: Path, count: int) -> None:
    for _ in range(6000):  # where nothing is cached yet, the hosts are made first
        if _results(folder) >= count:
            return
        threading.Event().wait(0.1)
    pytest.fail("no result came")


def _kill_hosts(name: str) -> None:
    """End process 1 of every host, as if their power failed."""
    for file in (places.STATE / name).glob("h*/inner"):
        process = ProcessId.read(file)
        if process is not None:
            process.kill()
