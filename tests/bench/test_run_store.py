import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.results import a_run
from transship.bench.environment import Environment, HostEnvironment
from transship.bench.sealed import ResultError
from transship.bench.store import ResultFolder

HOST = HostEnvironment("amd64", "6.1", "Debian", 2, 1, "28.5", "overlay2", "graphdriver", "1.3", "", "2", "root")
ENVIRONMENT = Environment("lab", "6.1", "x86_64", "a CPU", 2, 1, "3.11", "0.1", HOST, HOST)
HOLDS_LOCK = """
import subprocess, sys
from pathlib import Path
from transship.bench.store import ResultFolder
with ResultFolder.open(Path(sys.argv[1])).locked() as lock:
    child = subprocess.Popen(["cat"], pass_fds=(lock.fileno(),), stdin=0)
    print(child.pid, flush=True)
    child.wait()
"""


@pytest.fixture
def folder(tmp_path: Path) -> ResultFolder:
    return ResultFolder.create(tmp_path / "results", "name = 'x'\n")


def test_what_was_kept_is_found_again(folder: ResultFolder) -> None:
    name = folder.keep_environment(ENVIRONMENT)
    for number in (2, 1, 10):
        folder.keep(a_run(number))
    found = ResultFolder.open(folder.path)
    assert [run.run for run in found.runs()] == [1, 2, 10]
    assert found.environments() == {name: ENVIRONMENT}
    assert found.matrix == "name = 'x'\n"


def test_a_result_is_never_replaced(folder: ResultFolder) -> None:
    folder.keep(a_run())
    with pytest.raises(ResultError, match="never replaced"):
        folder.keep(a_run())


def test_what_was_brought_is_remembered_until_it_is_gone(folder: ResultFolder) -> None:
    assert folder.brought() == ()
    folder.note_brought(("nginx:1", "redis:7"))
    again = ResultFolder.open(folder.path)
    assert again.brought() == ("nginx:1", "redis:7")
    file = folder.path / "brought.json"
    file.write_text(file.read_text().replace("redis", "theirs"))
    with pytest.raises(ResultError, match="was altered"):
        again.brought()
    again.note_brought(())
    assert folder.brought() == ()
    assert not file.exists()


def test_the_same_environment_is_stored_once(folder: ResultFolder) -> None:
    assert folder.keep_environment(ENVIRONMENT) == folder.keep_environment(ENVIRONMENT)
    assert len(list((folder.path / "environments").iterdir())) == 1


def test_what_was_being_written_is_no_result(folder: ResultFolder) -> None:
    folder.keep(a_run())
    (folder.path / "runs" / f"{a_run(2).name}.json.part").write_text('{"form')
    assert folder.runs() == (a_run(),)
    folder.keep(a_run(2))
    assert folder.runs() == (a_run(), a_run(2))


def test_a_folder_that_was_being_begun_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "matrix.toml.part").write_text("nam")
    assert ResultFolder.create(tmp_path, "name").matrix == "name"


def test_a_result_under_another_name_is_refused(folder: ResultFolder) -> None:
    folder.keep(a_run())
    file = folder.path / "runs" / f"{a_run().name}.json"
    file.rename(file.with_name(f"{a_run(2).name}.json"))
    with pytest.raises(ResultError, match="holds the result 00001-"):
        folder.runs()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(ResultError, match="is not empty"):
        ResultFolder.create(tmp_path, "")
    with pytest.raises(ResultError, match="holds no experiment"):
        ResultFolder.open(tmp_path)


def test_one_process_at_a_time_and_the_children_of_a_killed_one_are_waited_for(folder: ResultFolder) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_LOCK, str(folder.path)], stdin=reading, stdout=subprocess.PIPE, text=True
    ) as owner:
        os.close(reading)
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        with pytest.raises(ResultError, match=f"process {owner.pid} is working"), folder.locked():
            pass
        owner.kill()
        owner.wait()
        assert Path(f"/proc/{child}/fd").exists()
        os.close(writing)  # the child ends by itself, some time after this
        with folder.locked():
            pass
