"""Trees over a pair of which the target is asked through the source: the same rounds, and the same sentences."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.local_pair import attributes, opened
from transship.errors import TransferError
from transship.hosts.agent import BOOTSTRAP, PYTHON, Agent
from transship.transfer.direct import Beyond, DirectPair

MIB = 1 << 20

SSH = """#!/bin/sh
printf '%s\\n' "$*" > "$0.words"
cat "$(printf '%s' "$2" | cut -d= -f2)" > "$0.known_hosts"
for last; do :; done
exec sh -c "$last"
"""
"""Stands where ssh does, and stays on this machine: it runs the last word, as a shell over there would."""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere")
    return program


def start() -> Agent:
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, *PYTHON[1:], BOOTSTRAP], stdin=pipe, stdout=pipe, stderr=pipe)
    agent = Agent("old", process, lambda _: None)
    agent.greet()
    return agent


@pytest.fixture
def pair(ssh: Path) -> Iterator[DirectPair]:
    agent = start()
    command = f"exec '{sys.executable}' {' '.join(PYTHON[1:])} '{BOOTSTRAP}'"
    hello = agent.call("connect", words=["new", command], known_hosts="new ssh-ed25519 KEY\n")["peer"]
    with DirectPair(agent, Beyond("new", agent), frozenset(hello["codecs"])) as made:
        yield made


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    return source, target


def test_rounds_and_their_proof_are_the_same(pair: DirectPair, folders: tuple[Path, Path], ssh: Path) -> None:
    source, target = folders
    (source / "large").write_bytes(os.urandom(3 * MIB))
    (source / "small").write_text("one")
    tree = opened(pair, source, target)
    first = tree.round()
    assert first.bytes_wire > 3 * MIB
    (source / "small").write_text("two")
    last = tree.round(last=True)
    assert last.bytes_wire < MIB
    assert tree.verify(full=True) == 3
    assert attributes(source) == attributes(target)
    assert ssh.with_name("ssh.known_hosts").read_text() == "new ssh-ed25519 KEY\n"


def test_what_the_target_has_crosses_to_the_source(pair: DirectPair, folders: tuple[Path, Path]) -> None:
    source, target = folders
    for folder in folders:
        (folder / "large").write_bytes(bytes(range(256)) * 4096)
        os.utime(folder / "large", ns=(0, 0))
    (target / "extra").write_text("away")
    tree = opened(pair, source, target, empty=False)
    assert tree.adopt(contents=True) == 3
    assert tree.round(last=True).bytes_logical == 0
    assert attributes(source) == attributes(target)


def test_the_side_that_refuses_is_named(pair: DirectPair, folders: tuple[Path, Path]) -> None:
    source, target = folders
    (target / "precious").write_text("kept")
    with pytest.raises(TransferError, match=r"on new: .*is not empty"):
        opened(pair, source, target)


def test_a_target_that_gives_up_half_way_says_why(pair: DirectPair, folders: tuple[Path, Path]) -> None:
    """It has no room for this: the limit stands for a full disk."""
    source, target = folders
    (source / "large").write_bytes(os.urandom(32 * MIB))
    tree = opened(pair, source, target)
    limited = {"do": "receive", "tree": 0, "devices": 0, "limit": MIB, "sync": 0}
    with pytest.raises(TransferError, match=r"on new: .*more than the 1048576 bytes"):
        pair.forth({"do": "send", "tree": 0, "still": 0, "rate": 0, "codec": 0}, limited)
    with pytest.raises(TransferError, match="the agent on old was lost"):
        tree.round()


def test_a_difference_is_found_and_named(pair: DirectPair, folders: tuple[Path, Path]) -> None:
    source, target = folders
    (source / "file").write_text("one")
    tree = opened(pair, source, target)
    tree.round(last=True)
    (target / "file").write_text("bad")
    with pytest.raises(TransferError, match="file is not the same on both hosts"):
        tree.verify()


def test_a_login_that_fails_is_told_in_its_own_words(ssh: Path) -> None:
    with start() as agent:
        words = ["new", "echo 'root@new: Permission denied (publickey).' >&2; exit 255"]
        assert "Permission denied" in agent.call("connect", words=words, known_hosts="")["refused"]


def test_without_a_forwarded_agent_nothing_is_tried(ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with start() as agent:
        refused = agent.call("connect", words=["new", "true"], known_hosts="")["refused"]
    assert refused == "no ssh-agent was forwarded"
    assert not ssh.with_name("ssh.words").exists()
