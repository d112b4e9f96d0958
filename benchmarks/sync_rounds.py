"""What the last round of `sync` sends, and how long nobody answers, when little of much has changed.

    python benchmarks/sync_rounds.py [--mb 2000] [--files 100000] [--repeat 3]

A container with a volume of 2 GB in 100,000 files, of which 200 change before each round after the first; then one with
a single file of 2 GB, of which 1 % of the blocks of 4 KiB change. The last changes come just before the stop, when no
round is left but the last. The link has no limit. A client asks both hosts every 10 ms and measures the downtime.
"""

import argparse
import os
import random
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from sync_lab import PORT, PROBE, Hosts, load, phases_of, show, stop_and_start, wait_serving

from transship import api
from transship.metrics.events import Event
from transship.plan.options import MoveOptions

MB = 1_000_000
BLOCK = 4096
FOLDER = 500
CHANGED_FILES = 200
CHANGED_PART = 100
"""One block of so many changes."""
Change = Callable[[], int]
"""Changes some of the data, and returns how many bytes are not what they were."""


def many_files(root: Path, files: int, size: int) -> Change:
    dice = random.Random(1)
    for number in range(files):
        if number % FOLDER == 0:
            (root / f"{number // FOLDER:04d}").mkdir()
        (root / f"{number // FOLDER:04d}" / f"{number:07d}").write_bytes(dice.randbytes(size))

    def change() -> int:
        chosen = dice.sample(range(files), min(CHANGED_FILES, files))
        for number in chosen:
            (root / f"{number // FOLDER:04d}" / f"{number:07d}").write_bytes(dice.randbytes(size))
        return len(chosen) * size

    return change


def one_file(root: Path, mb: int) -> Change:
    dice = random.Random(2)
    blocks = mb * MB // BLOCK
    with (root / "data").open("wb") as out:
        for _ in range(mb):
            out.write(dice.randbytes(MB))

    def change() -> int:
        chosen = sorted(dice.sample(range(blocks), blocks // CHANGED_PART))
        with (root / "data").open("r+b") as out:
            for number in chosen:
                out.seek(number * BLOCK)
                out.write(dice.randbytes(BLOCK))
        return len(chosen) * BLOCK

    return change


def start_web(hosts: Hosts) -> None:
    """A web server with an empty volume; the target has its image, and nothing else."""
    for node in (hosts.source, hosts.target):
        hosts.clean(node, keep_data=False)
        hosts.lab.load(node, "nginx")
    hosts.source.output(["docker", "run", "-d", "--name", "web", "-p", f"{PORT}:80", "-v", "data:/data", "nginx"])
    wait_serving(hosts.source)


def move(hosts: Hosts, change: Change) -> tuple[dict[str, Any], int]:
    """Move while the data changes before every round but the first; the result, and what the last change was."""
    changed = 0

    def between_rounds(event: Event) -> None:
        nonlocal changed
        later_round = event.phase.startswith("round-") and event.phase != "round-1"
        if event.kind == "started" and (later_round or event.phase == "fence"):
            changed = change()

    target, source = (f"ssh://{node.ssh_alias}" for node in (hosts.target, hosts.source))
    journey = api.Journey("web", target, source, hosts.lab.ssh_config)
    result = api.move(journey, MoveOptions(strategy="sync", probe=PROBE, max_downtime_s=60), listener=between_rounds)
    return result.to_json(), changed


def measure(hosts: Hosts, make: Callable[[Path], Change], repeat: int) -> tuple[str, ...]:
    """Numbers of one data set: medians."""
    results, floors, changed = [], [], 0
    for _ in range(repeat):
        start_web(hosts)
        change = make(hosts.volume(hosts.source))
        os.sync()
        floors.append(stop_and_start(hosts)[0])
        result, changed = move(hosts, change)
        results.append(result)
    rounds = [[each for each in one["rounds"] if each["tree"] == "volume data"] for one in results]
    last = [of_one[-1] for of_one in rounds]
    print(f"cutover in ms: {phases_of(results)} ({load()})", flush=True)
    wire = median(each["bytes_wire"] for each in last)
    downtime = median(one["client"]["downtime_s"] for one in results)
    first = median(of_one[0]["seconds"] for of_one in rounds)
    return (
        f"{first:.1f}", f"{changed / 1e6:.2f}", f"{wire / 1e6:.2f}", f"{wire / changed:.3f}",
        f"{median(each['seconds'] for each in last):.2f}", f"{downtime:.2f}", f"{downtime / median(floors):.1f}",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mb", type=int, default=2000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    words = parser.parse_args()
    size = words.mb * MB // words.files
    with Hosts.up("bench-rounds") as hosts:
        rows = [
            (f"{words.files:,} files", *measure(hosts, lambda root: many_files(root, words.files, size), words.repeat)),
            ("one file", *measure(hosts, lambda root: one_file(root, words.mb), words.repeat)),
        ]
        head = (
            "first round s",
            "changed MB",
            "last round MB",
            "x changed",
            "last round s",
            "downtime s",
            "x stop+start",
        )
        show([(f"{words.mb} MB in", *head), *rows])


if __name__ == "__main__":
    main()
