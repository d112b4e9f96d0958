"""The memory of agents and coordinator with one file of 20 GB, one that grows, and a million files.

    python benchmarks/tree_memory.py [--gb 20] [--files 1000000] [--folder DIR]

Takes twice the large file on disk: every block of it holds data. The file that grows fourfold keeps the smallest blocks
for as long as it can, which takes the most notes. Prints the highest resident size (VmHWM) of each process so far after
a first round, one with a few changes and a check, in MiB, and exits with status 1 if one is above 250.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import transship.api  # noqa: F401 - what a coordinator has loaded
from transship.hosts.agent import BOOTSTRAP, PYTHON, Agent
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

BOUND_MIB = 250
PIECE = 1 << 20
GB = 1_000_000_000
Process = subprocess.Popen[bytes]


def start(name: str) -> tuple[Agent, Process]:
    process = subprocess.Popen(
        [sys.executable, *PYTHON[1:], BOOTSTRAP],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    agent = Agent(name, process, lambda _: None)
    agent.greet()
    return agent, process


def peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    if not found:
        raise SystemExit("the kernel does not tell VmHWM")
    return int(found[1]) / 1024


def many_files(root: Path, count: int) -> Callable[[], None]:
    """Empty files, 1,000 in a folder but a tenth of all in one."""
    for number in range(count):
        folder = root / ("all" if number % 10 == 0 else f"folder {number // 1000:05d}")
        if number % 1000 <= 1:
            folder.mkdir(exist_ok=True)
        os.mknod(folder / f"a file with a name as long as many {number:08d}")
    return (root / "one more").touch


def write_noise(file: Path, size: int) -> None:
    """Write `size` bytes at the end of a file."""
    dice = random.Random(1)
    with file.open("ab") as out:
        for offset in range(0, size, PIECE):
            out.write(dice.randbytes(min(PIECE, size - offset)))


def large_file(root: Path, size: int) -> Callable[[], None]:
    write_noise(root / "large", size)

    def change() -> None:
        with (root / "large").open("r+b") as out:
            out.write(b"changed")

    return change


def growing_file(root: Path, size: int) -> Callable[[], None]:
    """Becomes four times as large."""
    write_noise(root / "large", size)
    return lambda: write_noise(root / "large", 3 * size)


def measure(name: str, make: Callable[[Path], Callable[[], None]], folder: Path) -> bool:
    source, target = folder / "source", folder / "target"
    source.mkdir()
    target.mkdir()
    change = make(source)
    (reader, one), (writer, two) = start("source"), start("target")
    with AgentPair(reader, writer) as pair:
        tree = TreeSync(pair, 0, TreePaths(name, str(source), str(target), durable=False))
        tree.open()
        began = time.perf_counter()
        first = tree.round(last=True)
        change()
        tree.round(last=True)
        tree.verify()
        peaks = peak_mib(one.pid), peak_mib(two.pid), peak_mib(os.getpid())
        print(
            f"{name}: {first.entries:,} entries, {first.bytes_logical / 1e9:.1f} GB sent first, "
            f"{time.perf_counter() - began:.0f} s; MiB: source {peaks[0]:.0f}, target {peaks[1]:.0f}, "
            f"coordinator {peaks[2]:.0f}",
            flush=True,
        )
    shutil.rmtree(source)
    shutil.rmtree(target)
    return max(peaks) < BOUND_MIB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--gb", type=int, default=20)
    parser.add_argument("--folder", type=Path)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=words.folder, prefix="tree-memory-") as made:
        results = [
            measure("many files", lambda root: many_files(root, words.files), Path(made)),
            measure("growing file", lambda root: growing_file(root, words.gb * GB // 10), Path(made)),
            measure("large file", lambda root: large_file(root, words.gb * GB), Path(made)),
        ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
