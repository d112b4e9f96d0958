import pytest

from transship.cli.output import Progress
from transship.cli.settings import Settings
from transship.metrics.events import Recorder


def run(capsys: pytest.CaptureFixture[str], *, verbose: bool) -> list[str]:
    with Progress(Settings(None, verbose=verbose, color=False)) as progress:
        recorder = Recorder(listeners=[progress.show])
        with recorder.phase("connect", "to a and b"), recorder.phase("inner") as phase:
            phase.advance(5)
        with progress.paused():
            pass
        with pytest.raises(KeyError), recorder.phase("copy"):
            raise KeyError
    captured = capsys.readouterr()
    assert captured.out == "", "stdout belongs to the machine"
    return captured.err.splitlines()


def test_where_there_is_no_terminal_every_phase_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, verbose=False) == ["  connect: to a and b", "  inner", "  copy"]


def test_verbose_tells_what_every_phase_took(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, verbose=True)
    assert [line.split(" 0.")[0] for line in lines] == [
        "  connect: to a and b",
        "  inner",
        "  inner took",
        "  connect took",
        "  copy",
        "  copy failed after",
    ]
