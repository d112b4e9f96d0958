"""Rounds from one lab host to another against `tar | ssh | tar` and rsync: many files, and one large file.

    python benchmarks/tree_throughput.py [--mib 2048] [--files 100000]

The links have no limit: all of it runs on this machine's processors. Each data set is copied cold, then again with
nothing changed, then with a few changes (200 files; 1 % of the 4 KiB blocks of the large file). Prints seconds, bytes
that would cross, and ratios from this one run. tar has no second round: it copies everything again. tar's stream and
transship's pass through this machine, from one ssh into another; rsync runs on the source, with one ssh to the target.
"""

import argparse
import os
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sync_lab import Hosts, load, pipe

from transship.hosts.agent import start_agent
from transship.hosts.open import open_host
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

BLOCK = 4096
CHANGED_FILES = 200
FOLDER = "var/lib/docker/throughput"
Change = Callable[[], None]


@dataclass(frozen=True)
class Measured:
    """What one tool took for one copy."""

    seconds: float
    wire: int


def many_files(root: Path, files: int, size: int) -> Change:
    """`files` files of `size` bytes, 500 in a folder; returns what changes 200 of them."""
    dice = random.Random(1)
    for number in range(files):
        folder = root / f"{number // 500:04d}"
        if number % 500 == 0:
            folder.mkdir()
        (folder / f"{number:07d}").write_bytes(dice.randbytes(size))

    def change() -> None:
        for number in dice.sample(range(files), min(CHANGED_FILES, files)):
            (root / f"{number // 500:04d}" / f"{number:07d}").write_bytes(dice.randbytes(size))

    return change


def one_file(root: Path, mib: int) -> Change:
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


def tar(hosts: Hosts) -> Measured:
    size = sum(file.stat().st_size for file in (hosts.source.root / FOLDER).rglob("*"))
    words = ("tar", "--numeric-owner", "--xattrs", "--acls", "-C")
    began = time.perf_counter()
    pipe(
        hosts.ssh(hosts.source, *words, f"/{FOLDER}", "-cf", "-", "."),
        hosts.ssh(hosts.target, *words, f"/{FOLDER}/tar", "-xpf", "-"),
    )
    return Measured(time.perf_counter() - began, size)


def rsync(hosts: Hosts) -> Measured:
    command = [
        "ip", "netns", "exec", hosts.source.network.namespace(hosts.source.name),
        "rsync", "-aHAXS", "--numeric-ids", "--delete", "--stats", "-e", f"ssh -F {hosts.lab.ssh_config}",
        f"{hosts.source.root / FOLDER}/", f"{hosts.target.ssh_alias}:/{FOLDER}/rsync/",
    ]  # fmt: skip
    began = time.perf_counter()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds = time.perf_counter() - began
    totals = (line for line in said.splitlines() if line.startswith("Total bytes"))
    return Measured(seconds, sum(int(line.split(":")[1].replace(",", "")) for line in totals))


def rounds(tree: TreeSync) -> Measured:
    report = tree.round(last=True)
    return Measured(report.seconds, report.bytes_wire)


def measure(hosts: Hosts, name: str, make: Callable[[Path], Change], pair: AgentPair) -> None:
    for node, below in ((hosts.source, [""]), (hosts.target, ["/tar", "/rsync", "/transship"])):
        node.output(["rm", "-rf", f"/{FOLDER}"], timeout=600)
        node.output(["mkdir", "-p", *(f"/{FOLDER}{each}" for each in below)])
    change = make(hosts.source.root / FOLDER)
    tree = TreeSync(pair, 0, TreePaths(name, f"/{FOLDER}", f"/{FOLDER}/transship", durable=False))
    tree.open()
    tools: dict[str, Callable[[], Measured]] = {
        "tar": lambda: tar(hosts),
        "rsync": lambda: rsync(hosts),
        "transship": lambda: rounds(tree),
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
    print(f"{name:12} verify, contents too                {time.perf_counter() - began:8.2f} s ({load()})", flush=True)


def show(name: str, state: str, results: dict[str, Measured]) -> None:
    ours = results["transship"]
    for tool, result in results.items():
        ratio = f"{result.seconds / ours.seconds:7.2f} x our time" if tool != "transship" else ""
        print(f"{name:12} {state:12} {tool:10} {result.seconds:8.2f} s {result.wire:14,} bytes {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--files", type=int, default=100_000)
    words = parser.parse_args()
    size = (words.mib << 20) // words.files
    with Hosts.up("bench-trees") as hosts:
        ends = (open_host(f"ssh://{node.ssh_alias}", ssh_config=hosts.lab.ssh_config) for node in hosts.lab.nodes)
        with next(ends) as source, next(ends) as target:
            print(load())
            with AgentPair(start_agent(source, "root"), start_agent(target, "root")) as pair:
                measure(hosts, "many files", lambda root: many_files(root, words.files, size), pair)
                measure(hosts, "large file", lambda root: one_file(root, words.mib), pair)


if __name__ == "__main__":
    main()
