import json
import sys
from pathlib import Path

import pytest

from tests.journal.records import record
from transship.cli.main import fail, run
from transship.errors import NeedsRecoveryError, PreflightError, UsageError
from transship.journal.store import Journal


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


@pytest.mark.parametrize("command", ["status", "history"])
def test_what_the_journal_cannot_read_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    with Journal.open(tmp_path) as journal:
        journal.begin(record(id="first"))
        journal._connection.execute("UPDATE migrations SET record = '{'")
    said = {}
    for words in ([command], [command, "--json"]):
        monkeypatch.setattr(sys, "argv", ["transship", "--state-dir", str(tmp_path), *words])
        with pytest.raises(SystemExit) as ended:
            run()
        assert not ended.value.code
        said[words[-1]] = capsys.readouterr().out
    (told,) = json.loads(said["--json"])["damaged"]
    assert "(migration first)" in told
    assert told in said[command]


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


@pytest.mark.parametrize("command", ["move", "plan", "switch-back", "status", "history", "recover", "abort"])
def test_help_has_an_example_and_every_exit_code_on_a_line_of_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "argv", ["transship", command, "--help"])
    with pytest.raises(SystemExit) as ended:
        run()
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"transship {command}" in told.partition("xample")[2]
    codes = told.partition("Exit codes:\n")[2].partition("╭")[0].split("\n")
    assert command == "switch-back" or [line for line in codes if line.strip() and not line.strip()[0].isdigit()] == []
