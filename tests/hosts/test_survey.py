from pathlib import Path

import pytest

from tests.hosts.daemon import Said, scripted
from transship.hosts.address import UnixAddress
from transship.hosts.contexts import Context
from transship.hosts.survey import survey


def test_each_context_answers_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(tmp_path / "s") as script:
        script.on("GET /version", Said(body=b'{"Version": "28.5.2"}'))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        good = Context("default", UnixAddress(str(tmp_path / "s")), current=True)
        gone = Context("gone", UnixAddress(str(tmp_path / "none")))
        bad = Context("bad", None, problem="it is spoilt")
        first, second, third = survey([good, gone, bad])
    assert (first.context, first.docker_version, first.problem) == (good, "28.5.2", "")
    assert "no daemon answers" in second.problem
    assert second.hint
    assert third.problem == "it is spoilt"
