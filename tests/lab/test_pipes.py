"""The limit for pipes is raised for all who need it, and put back by the last of them."""

from pathlib import Path

import pytest

from transship.lab import pipes, places


def test_the_last_one_puts_back_what_the_first_one_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "limit"
    limit.write_text("1048576\n")
    monkeypatch.setattr(pipes, "LIMIT", limit)
    monkeypatch.setattr(places, "STATE", tmp_path / "run")
    first, second = pipes.large_pipes(), pipes.large_pipes()
    first.__enter__()
    second.__enter__()
    assert limit.read_text() == str(pipes.LARGE)
    first.__exit__(None, None, None)
    assert limit.read_text() == str(pipes.LARGE)
    second.__exit__(None, None, None)
    assert limit.read_text() == "1048576"
    limit.write_text("2097152\n")
    with pipes.large_pipes():
        assert limit.read_text() == str(pipes.LARGE)
    assert limit.read_text() == "2097152"
