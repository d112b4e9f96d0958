import json
import sys

import pytest

from transship.cli.main import run


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
