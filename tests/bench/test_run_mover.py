"""The process of a move: it has ended when nobody needs it any more, whatever happened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from transship.bench import measure
from transship.bench.job import Ends, Job
from transship.bench.measure import Mover
from transship.lab.processes import ProcessId


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    with (tmp_path / "lock").open("w") as handle:
        yield handle.fileno()


def a_job(folder: Path) -> Job:
    """To hosts that are none."""
    return Job(
        method="sync",
        options={},
        ends=Ends("ssh://nobody.invalid", "ssh://nobody.invalid"),
        container="web",
        image="web",
        volume="",
        settings=(),
        command=(),
        probe="tcp:80",
        state_dir=str(folder / "state"),
    )


def test_a_move_that_cannot_be_made_is_an_answer(tmp_path: Path, lock: int) -> None:
    with Mover.begun(tmp_path, held=lock) as mover:
        ended = mover.make(a_job(tmp_path), timeout_s=60.0)
    assert not ended.timed_out
    assert not ended.answer.moved
    assert "nobody.invalid" in ended.answer.reason
    assert ended.cpu_s


def test_without_a_move_to_make_it_ends(tmp_path: Path, lock: int) -> None:
    """The scene could not be set."""
    with Mover.begun(tmp_path, held=lock) as mover:
        process = ProcessId.of(mover.pid)
        assert process is not None
    assert not process.alive
    assert (tmp_path / "words").read_text() == ""


def test_who_is_interrupted_once_more_waits_no_longer(
    tmp_path: Path, lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "_wait", interrupted)
    begun: list[ProcessId | None] = []
    with pytest.raises(KeyboardInterrupt), Mover.begun(tmp_path, held=lock) as mover:
        begun.append(ProcessId.of(mover.pid))
    (process,) = begun
    assert process is not None
    assert not process.alive
