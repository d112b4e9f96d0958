"""Moving an image between two lab hosts, against `docker save | gzip | ssh docker load`.

    python benchmarks/image_layers.py [--rate 100mbit] [--middle 20] [--top 5] [--suites trixie trixie]
        [--stores overlay2 containerd]

The image is a real program (its 90 MB compress to 40 %) under two layers of so many megabytes of noise. For
each of the four combinations of stores, with nothing of it on the target, with the base there, with all but the top
there, and with all there under another config. Prints bytes on the wire, seconds, and ratios from this one run. Needs
root; uses network namespaces of this machine only.
"""

import argparse
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from transship.hosts.base import Host
from transship.hosts.facts import Facts, observe_host
from transship.hosts.open import open_host
from transship.journal.store import Journal
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node
from transship.ledger import Ledger
from transship.metrics.events import Recorder
from transship.plan import record
from transship.plan.steps import Move
from transship.spec.extract import image_ref
from transship.strategies.image import ends_of
from transship.transfer.image import ProvideImage

Store = Literal["overlay2", "containerd"]
STORES: tuple[Store, ...] = ("overlay2", "containerd")
PROGRAM = "nginx"
IMAGE, BASE, MIDDLE = "bench:1", "bench:base", "bench:middle"


@dataclass(frozen=True)
class End:
    """A lab host as the benchmark uses it."""

    node: Node
    host: Host
    facts: Facts

    def clear(self) -> None:
        for each in self.node.docker.images():
            self.node.output(["docker", "rmi", "--force", each["Id"]])


@dataclass(frozen=True)
class Measured:
    """One way of moving the image once."""

    wire: int
    seconds: float


def measured(work: Callable[[], int]) -> Measured:
    began = time.monotonic()
    wire = work()
    return Measured(wire, time.monotonic() - began)


def make_images(node: Node, middle: int, top: int) -> None:
    """A real program's layers, then two of noise, each with an image of its own."""
    below = PROGRAM
    for name, size in ((MIDDLE, middle), (IMAGE, top)):
        write = f"head -c {size}000000 /dev/urandom > /{name.replace(':', '-')}"
        node.output(["docker", "run", "--name", "making", below, "sh", "-c", write])
        node.output(["docker", "commit", "making", name])
        node.output(["docker", "rm", "making"])
        below = name
    node.output(["docker", "create", "--name", "making", IMAGE])
    node.output(["docker", "commit", "-c", "LABEL other=config", "making", "bench:same-layers"])
    node.output(["docker", "rm", "making"])
    node.output(["docker", "tag", PROGRAM, BASE])


RECORD = record.Record(
    id="0badcafe",
    begun="2026-01-01T00:00:00+00:00",
    coordinator="benchmark@here",
    since="2026-01-01T00:00:00+00:00",
    strategy="sync",
    container="making",
    container_id="0" * 64,
    arriving="making",
    running=False,
    restart_policy={"Name": "no"},
    freeze=False,
    retire="keep",
    retired_name="making",
    source=record.End("source", ""),
    target=record.End("target", ""),
)
"""A step needs to write down what it makes; here nobody reads it."""


def transship(source: End, target: End) -> int:
    found = source.host.docker.inspect_image(IMAGE)
    image = image_ref(found, reference=IMAGE, id=found["Id"])
    step = ProvideImage(image, found["Size"], ends_of(source.facts, target.facts), pull=False)
    with tempfile.TemporaryDirectory() as state, Journal.open(Path(state)) as journal:
        ledger = Ledger(RECORD, journal, {})
        ledger.claim()
        move = Move(source.host, target.host, Recorder(), ledger)
        step.run(move)
    return move.measured.bytes["image"]


def by_hand(source: End, target: End, config: str) -> int:
    """What people type, run from here: the archive is gzipped on the source and counted on its way."""
    ssh = ["ssh", "-F", config]
    save = [*ssh, source.node.ssh_alias, f"docker save {shlex.quote(IMAGE)} | gzip"]
    load = [*ssh, target.node.ssh_alias, "docker load"]
    count = 0
    with (
        subprocess.Popen(save, stdout=subprocess.PIPE) as left,
        subprocess.Popen(load, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as right,
    ):
        assert left.stdout and right.stdin  # noqa: PT018, S101 - they are pipes
        while chunk := left.stdout.read(1 << 18):
            right.stdin.write(chunk)
            count += len(chunk)
        right.stdin.close()
    if left.returncode or right.returncode:
        raise SystemExit("docker save | gzip | docker load failed")
    return count


def prepare(source: End, target: End, there: str) -> None:
    """Give the target what it shall have already, as it would have got it: from the source's own archive."""
    target.clear()
    if there:
        archive = source.node.run(["docker", "save", there], timeout=300).stdout
        target.node.run(["docker", "load"], stdin=archive, timeout=300)


@contextmanager
def two_hosts(options: Sequence[HostOptions]) -> Iterator[tuple[Lab, End, End]]:
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(LabOptions(name="bench-layers", hosts=tuple(options))))
        ends = []
        for node in lab.hosts.values():
            host: Host = open_host(f"ssh://root@{node.ssh_alias}", ssh_config=lab.ssh_config)
            stack.enter_context(host)
            ends.append(End(node, host, observe_host(host)))
        yield lab, ends[0], ends[1]


def compare(words: argparse.Namespace, stores: tuple[Store, Store]) -> None:
    options = [HostOptions(suite=suite, store=store) for suite, store in zip(words.suites, stores, strict=True)]
    cases = {"nothing": "", "base": BASE, "all but top": MIDDLE, "all": "bench:same-layers"}
    with two_hosts(options) as (lab, source, target):
        lab.load(source.node, PROGRAM)
        make_images(source.node, words.middle, words.top)
        for case, there in cases.items():
            prepare(source, target, there)
            for end in (source, target):
                end.node.set_rate(words.rate)
            ours = measured(lambda: transship(source, target))
            for end in (source, target):
                end.node.set_rate(None)
            prepare(source, target, there)
            for end in (source, target):
                end.node.set_rate(words.rate)
            theirs = measured(lambda: by_hand(source, target, str(lab.ssh_config)))
            for end in (source, target):
                end.node.set_rate(None)
            print_row(" -> ".join(stores), case, ours, theirs)


def print_row(stores: str, case: str, ours: Measured, theirs: Measured) -> None:
    print(
        f"{stores:24} {case:12} {ours.wire / 1e6:9.2f} {ours.seconds:7.2f}   {theirs.wire / 1e6:9.2f} "
        f"{theirs.seconds:7.2f}   {theirs.wire / ours.wire:8.1f} {theirs.seconds / ours.seconds:7.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", default="100mbit", help="of each host's link, as tc has it; none for no limit")
    parser.add_argument("--middle", type=int, default=20, help="megabytes of the layer above the base")
    parser.add_argument("--top", type=int, default=5, help="megabytes of the topmost layer")
    parser.add_argument("--suites", nargs=2, default=["trixie", "trixie"], help="of source and target")
    parser.add_argument("--stores", nargs=2, choices=STORES, help="of source and target; all combinations without it")
    words = parser.parse_args()
    words.rate = None if words.rate == "none" else words.rate
    print(f"{'':24} {'':12} {'transship':>17}   {'save|gzip|load':>17}   {'ratio':>16}")
    print(f"{'stores':24} {'there':12} {'MB':>9} {'s':>7}   {'MB':>9} {'s':>7}   {'MB':>8} {'s':>7}")
    for stores in [tuple(words.stores)] if words.stores else product(STORES, STORES):
        compare(words, stores)


if __name__ == "__main__":
    main()
