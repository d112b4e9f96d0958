"""Whatever is said on the command line: an exit code that means something, one object for machines, no traceback."""

import json
import os
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.fuzz.fuzz import fuzz
from tests.fuzz.mutations import WORDS, text
from transship.cli.main import run

OPTIONS = (
    "--to", "--from", "--strategy", "--probe", "--health-timeout", "--max-downtime", "--limit-rate", "--binds",
    "--name", "--verify", "--source", "--path", "--yes", "--json", "--freeze", "--without-volumes", "--replace-data",
    "--unknown", "--shared-volumes", "--link", "-y", "-v", "-x", "--no-color", "--ssh-config", "--", "--help",
)  # fmt: skip
VALUES = (
    "unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "sync", "auto", "keep", "fail", "meta", "relay", "tcp:80",
    "60s", "20MiB/s", "web", "no-context", "ssh://-oProxyCommand=x", "ssh://user:secret@host", "1",
)  # fmt: skip
NOWHERE = ["--to", "unix:///nowhere/a.sock", "--from", "unix:///nowhere/b.sock"]
CODES = {0, 2, 3}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Without the user's own Docker configuration, and with nothing of this machine to speak to."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setenv("COLUMNS", "120")
    return monkeypatch


@fuzz(300)
def test_command_lines(random: Random, alone: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    alone.setattr(sys, "argv", ["transship", *words(random)])
    with pytest.raises(SystemExit) as ended:
        run()
    out, err = capfd.readouterr()
    assert ended.value.code in CODES, sys.argv
    assert "Traceback" not in out + err
    ours = [line for line in err.split("\n") if line.startswith("transship: ")]
    assert all(line.isprintable() for line in ours), sys.argv
    if "--json" in sys.argv and ended.value.code:
        (line,) = out.splitlines()
        told: dict[str, Any] = json.loads(line)
        assert told["outcome"] == "refused"
        assert told["error"]


def words(random: Random) -> list[str]:
    """A command that could be meant, with a few words too many, too few, or other ones; never one that acts here."""
    command = random.choice((["plan"], ["move"], ["hosts"], ["hosts", "check"]))
    said = [*command, random.choice((*VALUES, *WORDS)), *(NOWHERE if command[0] in {"plan", "move"} else ())]
    for _ in range(random.randrange(4)):
        added = [random.choice(OPTIONS), text(random, VALUES)][: random.choice((1, 2, 2))]
        at = random.randint(len(command), len(said))
        said[at:at] = added
    if random.random() < 0.5:
        said.append("--json")
    if random.random() < 0.2:
        said.pop(random.randrange(len(said)))
    # What a program is given: no NUL, and what is no UTF-8 as Python shows it.
    given = [each.replace("\0", "").encode("utf-8", "replace") for each in said]
    if random.random() < 0.1:
        given.append(b"\xff\xfe")
    return [os.fsdecode(each) for each in given if not _leads_elsewhere(each)]


def _leads_elsewhere(word: bytes) -> bool:
    """Whether ssh or a name server would be asked: addresses of real hosts are not for this test."""
    return b"://" in word and not word.startswith(
        (b"unix:///nowhere", b"tcp://127.0.0.1:1", b"ssh://-o", b"ssh://user:")
    )
