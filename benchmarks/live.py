"""Where the time of a live move goes: a Redis with memory, and a client that never stops writing over one connection.

    python benchmarks/live.py [--megabytes 64] [--rate 100mbit] [--repeat 1]

Two lab hosts with Debian sid, one column a mode: stop and copy, and post-copy. Seconds, medians of the repetitions.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import median

from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.pipes import large_pipes

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.live.moving import macvlan, run_redis
from tests.live.writer import Writer
from tests.move.conftest import Hosts, clean

MODES = {"stop and copy": (), "post-copy": ("--post-copy",)}
PHASES = ("freeze", "dump", "last-round", "verify", "connect", "memory", "serve", "release", "restore", "open")


def measure(hosts: Hosts, megabytes: int, rate: str, words: tuple[str, ...]) -> dict[str, float]:
    """One move: the seconds of its phases, and what the client saw."""
    for node in (hosts.h1, hosts.h2):
        clean(node, ("redis:latest",))
        node.set_rate(None)
    address = macvlan(hosts)
    run_redis(hosts, megabytes, address=address, durable=False)
    for node in (hosts.h1, hosts.h2):
        node.set_rate(rate or None)
    with Writer(address) as writer:
        writer.reach(500)
        ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
        with hosts.start("move", "cache", *ends, "--strategy", "live", "--yes", "--json", *words) as process:
            out, said = process.communicate()
        if process.returncode:
            raise SystemExit(said)
        writer.reach(writer.commands + 500)
        writer.stop()
    if writer.failure:
        raise SystemExit(f"the client lost its connection, or an answer: {writer.failure}")
    result = json.loads(out.splitlines()[-1])
    took = {phase["name"]: phase["seconds"] for phase in result["phases"]}
    frozen = next(phase["start_s"] for phase in result["phases"] if phase["name"] == "freeze")
    return {
        **{name: took[name] for name in PHASES},
        "= downtime": result["downtime_s"],
        "= the client's longest wait": writer.longest_wait_s,
        "= all memory there after": result["memory_s"] - frozen,
        "= predicted downtime": result["predicted"]["downtime_s"]["likely"],
    }


def main() -> None:
    """Move in each mode, and print a column for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--rate", default="", help="what each host's link carries, as tc writes it")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--mode", choices=MODES, action="append", help="one of the two only")
    said = parser.parse_args()
    options = LabOptions(name=f"live-{os.getpid()}", hosts=(HostOptions(suite="sid"), HostOptions(suite="sid")))
    with large_pipes(), Lab(options) as lab:
        for node in lab.nodes:
            lab.load(node, "redis")
        hosts = Hosts(lab, *lab.nodes)
        runs = {
            mode: [measure(hosts, said.megabytes, said.rate, words) for _ in range(said.repeat)]
            for mode, words in MODES.items()
            if mode in (said.mode or MODES)
        }
    print(f"Redis with {said.megabytes} MB, {said.rate or 'no limit'}; load {os.getloadavg()[0]:.1f}")
    print(f"{'':<30}" + "".join(f"{mode:>16}" for mode in runs))
    for name in next(iter(runs.values()))[0]:
        print(f"{name:<30}" + "".join(f"{median(run[name] for run in runs[mode]):>16.3f}" for mode in runs))


if __name__ == "__main__":
    main()
