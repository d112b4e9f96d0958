"""Relay against direct path: the same files from one lab host to another, through this machine and straight.

    python benchmarks/path.py [--mib 512] [--rate 100mbit] [--repeat 3]

Both ways take turns; prints the seconds of each round and the ratio of the medians. All hosts and the relay share this
machine's processors, so without `--rate` the ratio shows what a hop costs in processor time, not what a network would.
With `--rate` each host's link carries that much.
"""

import argparse
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from transship.hosts.agent import start_agent
from transship.hosts.open import open_host
from transship.hosts.pair import Pair
from transship.hosts.ssh import SshHost
from transship.lab import HostOptions, Lab, LabOptions
from transship.transfer.direct import connect
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

FROM, TO = "/var/lib/docker/path-from", "/var/lib/docker/path-to"
WAYS = ("relay", "direct")


@contextmanager
def ssh_agent(key: str) -> Iterator[None]:
    """An ssh-agent that holds `key`, for as long as the block lasts."""
    said = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True).stdout
    told = dict(re.findall(r"(SSH_\w+)=([^;]+);", said))
    before = os.environ.get("SSH_AUTH_SOCK")
    os.environ["SSH_AUTH_SOCK"] = told["SSH_AUTH_SOCK"]
    try:
        subprocess.run(["ssh-add", "-q", key], check=True)
        yield
    finally:
        os.kill(int(told["SSH_AGENT_PID"]), signal.SIGTERM)
        if before is None:
            del os.environ["SSH_AUTH_SOCK"]
        else:
            os.environ["SSH_AUTH_SOCK"] = before


@contextmanager
def hosts(lab: Lab) -> Iterator[tuple[SshHost, SshHost]]:
    """Both hosts, with a configuration that lets ssh ask the agent."""
    with TemporaryDirectory() as folder:
        config = Path(folder, "ssh_config")
        config.write_text(lab.ssh_config.read_text().replace("    IdentityAgent none\n", ""))
        opened = [open_host(f"ssh://{node.ssh_alias}", ssh_config=config) for node in lab.nodes]
        source, target = (host for host in opened if isinstance(host, SshHost))
        with source, target:
            yield source, target


def pair(way: str, source: SshHost, target: SshHost) -> Pair:
    if way == "direct":
        return connect(source, target, ("root", "root"))
    return AgentPair(start_agent(source, "root"), start_agent(target, "root"))


def copied(lab: Lab, way: str, source: SshHost, target: SshHost) -> float:
    """The seconds of a first round."""
    lab.nodes[1].output(["sh", "-c", f"rm -rf {TO}; mkdir {TO}"])
    with pair(way, source, target) as agents:
        tree = TreeSync(agents, 0, TreePaths("data", FROM, TO, durable=False))
        tree.open()
        seconds = tree.round(last=True).seconds
        tree.verify()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rate", default="")
    parser.add_argument("--repeat", type=int, default=3)
    words = parser.parse_args()
    options = LabOptions(name=f"path{os.getpid()}", hosts=(HostOptions(rate=words.rate), HostOptions(rate=words.rate)))
    with Lab(options) as lab:
        fill = f"mkdir {FROM}; for i in $(seq {words.mib // 8}); do head -c 8388608 /dev/urandom > {FROM}/$i; done"
        lab.nodes[0].output(["sh", "-c", fill], timeout=600)
        (key,) = set(re.findall(r"IdentityFile (\S+)", lab.ssh_config.read_text()))
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        with ssh_agent(key), hosts(lab) as (source, target):
            for _ in range(words.repeat):
                for way in WAYS:
                    seconds = copied(lab, way, source, target)
                    taken[way].append(seconds)
                    print(f"{way:8} {seconds:8.2f} s {words.mib / seconds:8.1f} MiB/s", flush=True)
    relay, direct = (median(taken[way]) for way in WAYS)
    print(f"relay takes {relay / direct:.2f} times as long as direct (medians of {words.repeat})")


if __name__ == "__main__":
    main()
