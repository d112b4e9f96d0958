"""How commands that are typed by hand are run, and who is blamed when one fails."""

from pathlib import Path

import pytest

from transship.bench.by_hand import SAVE, pipe
from transship.bench.job import Ends
from transship.errors import CommandError


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_the_output_of_each_is_the_input_of_the_next() -> None:
    assert pipe(sh("echo one two"), sh("tr ' ' '\\n'"), ["sort", "-r"]) == "two\none\n"


def test_who_failed_first_is_blamed_and_not_who_lost_its_reader() -> None:
    with pytest.raises(CommandError, match="status 5: no room"):
        pipe(sh("yes"), sh("head -c 1 >/dev/null; echo no room >&2; exit 5"))


def test_who_failed_first_is_blamed_and_not_who_lost_its_input() -> None:
    with pytest.raises(CommandError, match="status 3: no such image"):
        pipe(sh("echo no such image >&2; exit 3"), sh("cat >/dev/null; echo cut short >&2; exit 4"))


def test_an_image_that_cannot_be_saved_is_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell looks at gzip alone."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho part of an image\necho it is gone >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(CommandError, match="status 1: it is gone"):
        pipe(["sh", "-c", SAVE, "sh", "web"], ["cat"])
    docker.write_text("#!/bin/sh\necho an image\n")
    assert pipe(["sh", "-c", SAVE, "sh", "web"], ["gunzip"]) == "an image\n"


def test_the_source_logs_in_to_the_target_as_the_configuration_here_says(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host there\n  HostName 192.0.2.7\n  User carol\n  Port 2022\n")
    ssh, address = Ends("ssh://here", "ssh://there", str(config)).onward()
    assert address == "192.0.2.7"
    assert ssh[ssh.index("-p") + 1] == "2022"
    assert ssh[ssh.index("-l") + 1] == "carol"
