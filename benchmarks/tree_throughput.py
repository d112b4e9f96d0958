"""Rounds against `tar | tar` and rsync on this machine, without a network: many files, one large file, a mix.

    python benchmarks/tree_throughput.py [--mib 2048] [--files 100000] [--folder DIR]

Each data set is copied cold, then again with nothing changed, then with a few changes (200 files; 1 % of the 4 KiB
blocks of the large file). Prints seconds, bytes that would cross, and ratios from this one run. tar has no second
round: it copies everything again.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transship.hosts.agent import BOOTSTRAP, PYTHON, Agent
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

BLOCK = 4096
CHANGED_FILES = 200


@dataclass(frozen=True)
class Measured:
    """What one tool took for one copy."""

    seconds: float
    wire: int


def start(name: str) -> Agent:
    process = subprocess.Popen(
        [sys.executable, *PYTHON[1:], BOOTSTRAP],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    agent = Agent(name, process, lambda _: None)
    agent.greet()
    return agent


def many_files(root: Path, files: int, size: int) -> Callable[[], None]:
    """`files` files of `size` bytes, 500 in a folder; returns what changes 200 of them."""
    block = random.Random(1).randbytes(size)
    for number in range(files):
        folder = root / f"{number // 500:04d}"
        if number % 500 == 0:
            folder.mkdir()
        (folder / f"{number:07d}").write_bytes(b"%07d" % number + block[7:])

    def change() -> None:
        for number in random.Random(2).sample(range(files), min(CHANGED_FILES, files)):
            (root / f"{number // 500:04d}" / f"{number:07d}").write_bytes(b"changed" + block[7:])

    return change


def one_file(root: Path, mib: int) -> Callable[[], None]:
    """One file of random bytes; returns what changes 1 % of its blocks."""
    file = root / "data"
    dice = random.Random(3)
    with file.open("wb") as out:
        for _ in range(mib):
            out.write(dice.randbytes(1 << 20))

    def change() -> None:
        blocks = (mib << 20) // BLOCK
        with file.open("r+b") as out:
            for number in dice.sample(range(blocks), blocks // 100):
                out.seek(number * BLOCK)
                out.write(dice.randbytes(BLOCK))

    return change


def tar(source: Path, target: Path) -> Measured:
    began = time.perf_counter()
    writer = subprocess.Popen(["tar", "--xattrs", "--acls", "-C", source, "-cf", "-", "."], stdout=subprocess.PIPE)
    subprocess.run(["tar", "--xattrs", "--acls", "-C", target, "-xpf", "-"], stdin=writer.stdout, check=True)
    if writer.wait():
        raise SystemExit("tar failed")
    return Measured(time.perf_counter() - began, sum(file.stat().st_size for file in source.rglob("*")))


def rsync(source: Path, target: Path) -> Measured:
    """`--no-whole-file`: as over a network."""
    began = time.perf_counter()
    command = ["rsync", "-aHAXS", "--numeric-ids", "--delete", "--no-whole-file", "--stats", f"{source}/", f"{target}/"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wire = sum(int(line.split(":")[1].replace(",", "")) for line in said.splitlines() if line.startswith("Total bytes"))
    return Measured(time.perf_counter() - began, wire)


def rounds(tree: TreeSync, *, last: bool) -> Measured:
    report = tree.round(last=last)
    return Measured(report.seconds, report.bytes_wire)


def measure(name: str, make: Callable[[Path], Callable[[], None]], folder: Path) -> None:
    places = {each: folder / name / each for each in ("source", "transship", "tar", "rsync")}
    for place in places.values():
        place.mkdir(parents=True)
    change = make(places["source"])
    os.sync()
    with AgentPair(start("source"), start("target")) as pair:
        tree = TreeSync(pair, 0, TreePaths(name, str(places["source"]), str(places["transship"]), durable=False))
        tree.open()
        tools: dict[str, Callable[[], Measured]] = {
            "tar": lambda: tar(places["source"], places["tar"]),
            "rsync": lambda: rsync(places["source"], places["rsync"]),
            "transship": lambda: rounds(tree, last=True),
        }
        for state in ("cold", "no change", "few changes"):
            if state == "few changes":
                change()
            results = {}
            for tool, run in tools.items():
                os.sync()
                results[tool] = run()
            show(name, state, results)
        began = time.perf_counter()
        tree.verify(full=True)
        print(f"{name:12} verify, contents too                {time.perf_counter() - began:8.2f} s")
    shutil.rmtree(folder / name)


def show(name: str, state: str, results: dict[str, Measured]) -> None:
    ours = results["transship"]
    for tool, result in results.items():
        ratio = f"{result.seconds / ours.seconds:7.2f} x our time" if tool != "transship" else ""
        print(f"{name:12} {state:12} {tool:10} {result.seconds:8.2f} s {result.wire:14,} bytes {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=words.folder, prefix="tree-throughput-") as made:
        size = (words.mib << 20) // words.files
        measure("many files", lambda root: many_files(root, words.files, size), Path(made))
        measure("large file", lambda root: one_file(root, words.mib), Path(made))


if __name__ == "__main__":
    main()
