"""The agents' memory with a million files, and with one file of 20 GB: `python benchmarks/tree_memory.py`.

The large file is sparse, with data in a part of its blocks (`--data` GiB, all over it), to fit on a small disk. What
counts is the number of blocks that hold data: about half a million for 4 GiB as for 20. Prints the highest resident
size of each agent (VmHWM) after a first round, one with a few changes and a check, in MiB, and exits with status 1 if
one is above 250.
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

from transship.hosts.agent import BOOTSTRAP, PYTHON, Agent
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

BOUND_MIB = 250
Process = subprocess.Popen[bytes]


def start(name: str) -> tuple[Agent, Process]:
    process = subprocess.Popen(
        [sys.executable, *PYTHON[1:], BOOTSTRAP],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    agent = Agent(name, process, lambda _: None)
    agent.greet()
    return agent, process


def peak_mib(process: Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
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


def large_file(root: Path, gib: int, data_gib: int) -> Callable[[], None]:
    """Data spread over the file, 256 KiB at a time."""
    file = root / "large"
    dice = random.Random(1)
    piece = 256 << 10
    step = piece * gib // data_gib
    with file.open("wb") as out:
        out.truncate(gib << 30)
        for offset in range(0, gib << 30, step):
            out.seek(offset)
            out.write(dice.randbytes(piece))

    def change() -> None:
        with file.open("r+b") as out:
            out.write(b"changed")

    return change


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
        peaks = peak_mib(one), peak_mib(two)
        print(
            f"{name}: {first.entries:,} entries, {first.bytes_logical / 2**30:.1f} GiB sent, "
            f"{time.perf_counter() - began:.0f} s; source {peaks[0]:.0f} MiB, target {peaks[1]:.0f} MiB"
        )
    shutil.rmtree(source)
    shutil.rmtree(target)
    return max(peaks) < BOUND_MIB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--gib", type=int, default=20)
    parser.add_argument("--data", type=int, default=4, metavar="GiB")
    parser.add_argument("--folder", type=Path)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=words.folder, prefix="tree-memory-") as made:
        results = [
            measure("large file", lambda root: large_file(root, words.gib, words.data), Path(made)),
            measure("many files", lambda root: many_files(root, words.files), Path(made)),
        ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
