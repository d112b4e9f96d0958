"""What a move costs that has next to nothing to copy: a busybox container between two hosts of an unshaped lab.

    python benchmarks/fixed_costs.py [--repeat 5]

Prints the median of every phase, in seconds, and of the whole command with the start of Python; and how long
`transship --help` takes.
"""

import argparse
import os
import subprocess
import sys
import time
from statistics import median

from sync_lab import Hosts

from transship.lab.node import Node

STRATEGIES = ("stop-start", "export-import", "sync")
PROGRAM = (
    "trap 'exit 0' TERM; mkdir -p /www; : > /www/index.html; httpd -p 80 -h /www; while :; do sleep 1 & wait $!; done"
)


def empty(node: Node) -> None:
    """Remove all containers and images of a host."""
    for each in node.docker.containers(all=True):
        node.docker.remove_container(each["Id"], force=True)
    node.output(["docker", "image", "prune", "--all", "--force"])


def measure(hosts: Hosts, strategy: str) -> dict[str, float]:
    """One move of a fresh container: the seconds of every phase, of the move, and of the command."""
    hosts.lab.load(hosts.source, "busybox")
    hosts.source.output(["docker", "run", "-d", "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", PROGRAM])
    began = time.monotonic()
    result = hosts.move("web", "--strategy", strategy, "--yes")
    command = time.monotonic() - began
    for node in (hosts.source, hosts.target):
        empty(node)
    phases = {phase["name"]: phase["seconds"] for phase in result["phases"]}
    return {**phases, "= move": result["total_s"], "= command": command, "downtime": result["downtime_s"]}


def help_seconds() -> float:
    """How long the help takes, as a process of its own."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "transship", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> None:
    """Measure every strategy, and print a column for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    with Hosts.up(f"costs-{os.getpid()}") as hosts:
        runs = {strategy: [measure(hosts, strategy) for _ in range(repeat)] for strategy in STRATEGIES}
    print(f"transship --help: median of {repeat} is {median(help_seconds() for _ in range(repeat)):.3f} s")
    words = dict.fromkeys(word for strategy in STRATEGIES for run in runs[strategy] for word in run)
    print(f"medians of {repeat} moves in seconds; load {os.getloadavg()[0]:.1f}")
    print(f"{'':<16}" + "".join(f"{strategy:>15}" for strategy in STRATEGIES))
    for word in sorted(words, key=lambda word: (word.startswith("="), word == "downtime")):
        cells = [[run[word] for run in runs[strategy] if word in run] for strategy in STRATEGIES]
        print(f"{word:<16}" + "".join(f"{median(cell):>15.3f}" if cell else f"{'':>15}" for cell in cells))


if __name__ == "__main__":
    main()
