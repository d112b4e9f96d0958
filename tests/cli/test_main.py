import json
import sys

import pytest

from transship.cli.main import fail, run
from transship.errors import NeedsRecoveryError, PreflightError, UsageError


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["plan", "web", "--json"], "--to"),
        (["move", "--json"], "CONTAINER"),
        (["move", "web", "--to", "x", "--strategy", "magic", "--json"], "'magic' is not one of"),
        (["hosts", "--json", "--unknown"], "--unknown"),
        (["plan", "web", "--to", "x", "--from", "y", "--probe", "udp:1", "--json"], "'udp:1' is no probe"),
    ],
)
def test_wrong_words_give_a_machine_an_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["transship", *words])
    with pytest.raises(SystemExit) as ended:
        run()
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    (line,) = out.splitlines()
    told = json.loads(line)
    assert told["outcome"] == "refused"
    assert sentence in told["error"]
    assert told["hint"]
    assert sentence in err or "Usage" in err


def test_without_json_nothing_of_it_is_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["transship", "plan", "web"])
    with pytest.raises(SystemExit):
        run()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(UsageError("x"), "refused"), (PreflightError("x"), "refused"), (NeedsRecoveryError("x"), "needs-recovery")],
)
def test_a_machine_is_told_what_kind_of_end_it_was(
    capsys: pytest.CaptureFixture[str], error: UsageError | PreflightError | NeedsRecoveryError, outcome: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        fail(error, as_json=True)
    assert ended.value.code == error.exit_code
    assert json.loads(capsys.readouterr().out)["outcome"] == outcome
