import subprocess
import sys

import pytest

from tests.conftest import own_name
from transship.lab.lab import take_down


def transship(*words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "transship", "lab", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.lab
def test_a_lab_is_made_listed_used_and_removed() -> None:
    name = own_name()
    try:
        made = transship("up", "--name", name, "--hosts", "1", "--disk", "200M", "--load", "busybox", "--rate", "1gbit")
        assert made.returncode == 0, made.stderr
        assert f"{name}\tup\t1 hosts\t198.1" in transship("list").stdout
        variable = name.upper().replace("-", "_") + "_H1"
        exports = transship("env", "--name", name).stdout
        assert f"export {variable}=ssh://root@{name}-h1\n" in exports
        script = f'{exports}\nssh -F "$TRANSSHIP_SSH_CONFIG" "${variable}" docker image ls'
        assert "busybox" in subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
        shell = transship("shell", "h1", "--name", name, "--user", "mover", "--", "echo", "it's", "$HOME")
        assert shell.stdout == "it's $HOME\n"
        assert transship("shell", "h9", "--name", name).returncode == 7
        down = transship("down", "--name", name)
        assert (down.returncode, down.stderr) == (0, "")
        assert name not in transship("list").stdout
    finally:
        take_down(name)


def test_wrong_words_are_refused_before_anything_is_made() -> None:
    assert transship("up", "--hosts", "many").returncode == 2
    assert transship("up", "--name", "not A Name").returncode == 2
    assert transship("env", "--name", "nosuchlab").returncode == 7


def test_help_has_an_example() -> None:
    assert 'eval "$(transship lab env)"' in transship("--help").stdout
    assert "2:trixie,1:sid" in transship("up", "--help").stdout
