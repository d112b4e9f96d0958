"""The agents' memory does not grow with the number of files; benchmarks/tree_memory.py has the large sizes."""

import re
from pathlib import Path

from tests.agent.local_pair import local_pair, opened
from transship.hosts.agent import Agent
from transship.transfer.relay import AgentPair

PER_FILE = 40
"""Bytes: less than any Python object takes that would be kept of each."""


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    with local_pair() as pair:
        few = peaks_after_moving(pair, tmp_path, 10_000)
        many = peaks_after_moving(pair, tmp_path, 40_000)
    for before, after in zip(few, many, strict=True):
        assert after - before < 30_000 * PER_FILE


def peaks_after_moving(pair: AgentPair, folder: Path, files: int) -> list[int]:
    """The highest resident sizes of both agents, in bytes, after all that they do with a tree."""
    source, target = (folder / f"{files} on the {side}" for side in ("source", "target"))
    target.mkdir()
    for number in range(files):
        if number % 1000 == 0:
            (source / f"{number // 1000}").mkdir(parents=True)
        (source / f"{number // 1000}" / f"a file of which nothing is kept {number}").touch()
    tree = opened(pair, source, target, files)
    tree.round(last=True)
    (source / "one more").touch()
    tree.round(last=True)
    tree.look_ahead()
    tree.verify()
    opened(pair, source, target, files, empty=False).adopt(contents=False)
    return [peak(agent) for agent in (pair.source, pair.target)]


def peak(agent: Agent) -> int:
    status = Path(f"/proc/{agent._process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024
