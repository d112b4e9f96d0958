"""How long nobody answers while a web server moves, and what crosses, against what people do by hand.

    python benchmarks/sync_downtime.py [--repeat 3] [--rate 100mbit] [--only-sync]

An nginx image of 166 MB that the target lacks (Debian with nginx, 90 MB, and a layer of 76 MB of noise), 5 MB of noise
written into the container, and a volume of 200 MB of noise in 2,000 files. A client asks both hosts every 10 ms and
measures the downtime. What crosses is counted where the link to the target is shaped, headers included; the client's
own packets are in it, about 0.1 %. Nothing but sync and the two scripts takes all of the container along.
"""

import argparse
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from sync_by_hand import IMAGE, commit_save_load, export_import, must_cross, rsync_twice, run_web
from sync_lab import Hosts, load, phases_of, show, stop_and_start, wait_serving

NOISE_BYTES = 76_000_000
WRITTEN_BYTES = 5_000_000
FILES, FILE_BYTES = 2_000, 100_000
SYNC, RSYNC = "transship sync", "rsync of the volume, twice *"


@dataclass(frozen=True)
class Measured:
    """One move. `downtime_s` is what the client saw.

    `floor_s` is what stop and start took on one host just before it, `floor_client_s` how long a client saw nothing.
    """

    downtime_s: float
    total_s: float
    wire: int
    result: Mapping[str, Any] = field(default_factory=dict)
    floor_s: float = 0.0
    floor_client_s: float = 0.0
    load: str = ""


def make_scene(hosts: Hosts) -> None:
    """The image and the volume on the source."""
    source = hosts.source
    source.output(["docker", "run", "-d", "--name", "made", hosts.lab.load(source, "nginx")])
    source.output(["docker", "exec", "made", "sh", "-c", f"head -c {NOISE_BYTES} /dev/urandom > /srv/noise"])
    source.output(["docker", "commit", "made", IMAGE])
    source.output(["docker", "volume", "create", "data"])
    dice = random.Random(1)
    for number in range(FILES):
        folder = hosts.volume(source) / f"{number % 20:02d}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:04d}").write_bytes(dice.randbytes(FILE_BYTES))


def start_web(hosts: Hosts) -> None:
    """The container on the source, as if it had never moved; nothing on the target."""
    hosts.clean(hosts.source, keep_data=True)
    hosts.clean(hosts.target, keep_data=False)
    hosts.source.output(run_web(IMAGE))
    hosts.source.output(["docker", "exec", "web", "sh", "-c", f"head -c {WRITTEN_BYTES} /dev/urandom > /var/written"])
    hosts.source.output(["sync"])
    wait_serving(hosts.source)


def transship(hosts: Hosts, *words: str) -> Measured:
    before = hosts.crossed()
    result = hosts.move("web", *words)
    return Measured(result["client"]["downtime_s"], result["total_s"], hosts.crossed() - before, result)


def by_hand(hosts: Hosts, script: Callable[[Hosts], None]) -> Measured:
    """`script` ends with a container that starts on the target."""
    before, began = hosts.crossed(), time.monotonic()
    with hosts.prober() as prober:
        script(hosts)
        wait_serving(hosts.target)
        seconds = time.monotonic() - began
    return Measured(prober.report().downtime_s, seconds, hosts.crossed() - before)


def measure_move(hosts: Hosts, run: Callable[[Hosts], Measured]) -> Measured:
    """A move, and the floor right before it: what else this machine does changes both."""
    start_web(hosts)
    floor_s, floor_client_s = stop_and_start(hosts)
    return replace(run(hosts), floor_s=floor_s, floor_client_s=floor_client_s, load=load())


def measure(hosts: Hosts, methods: Sequence[str], repeat: int) -> None:
    make_scene(hosts)
    start_web(hosts)
    needed = must_cross(hosts)
    found: dict[str, list[Measured]] = {}
    for name in methods:
        for _ in range(repeat if name in REPEATED else 1):
            found.setdefault(name, []).append(one := measure_move(hosts, METHODS[name]))
            print(
                f"{name}: downtime {one.downtime_s:.3f} s, stop and start {one.floor_s:.3f} s ({one.load})", flush=True
            )
    show(table(found, needed))
    print("*  leaves behind what was written into the container      **  leaves behind the volume's data")
    ours = [run.result for run in found[SYNC]]
    ratio = median(run.downtime_s / run.floor_s for run in found[SYNC])
    print(f"sync: downtime {ratio:.2f} x stop and start; cutover in ms: {phases_of(ours)}")
    print(f"sync: bytes of payload { ({kind: each['wire'] for kind, each in ours[-1]['bytes'].items()}) }")


def table(found: Mapping[str, Sequence[Measured]], needed: int) -> list[tuple[str, ...]]:
    ours = median(run.downtime_s for run in found[SYNC])
    every = [run for runs in found.values() for run in runs]
    rows: list[tuple[str, ...]] = [("", "runs", "downtime s", "x sync", "all s", "MB crossed", "x needed")]
    for name, runs in found.items():
        downtime_s, wire = median(run.downtime_s for run in runs), median(run.wire for run in runs)
        numbers = (f"{downtime_s:.2f}", f"{downtime_s / ours:.1f}", f"{median(run.total_s for run in runs):.1f}")
        rows.append((name, str(len(runs)), *numbers, f"{wire / 1e6:.1f}", f"{wire / needed:.3f}"))
    for name, seconds in (
        ("stop, start on one host", median(run.floor_s for run in every)),
        ("the same, as the client sees it", median(run.floor_client_s for run in every)),
    ):
        rows.append((name, str(len(every)), f"{seconds:.2f}", f"{seconds / ours:.1f}", "", "", ""))
    return [*rows, ("sent once with zstd, to nobody", "1", "", "", "", f"{needed / 1e6:.1f}", "1.000")]


METHODS: Mapping[str, Callable[[Hosts], Measured]] = {
    SYNC: lambda hosts: transship(hosts, "--strategy", "sync"),
    RSYNC: lambda hosts: by_hand(hosts, rsync_twice),
    "transship export-import **": lambda hosts: transship(
        hosts, "--strategy", "export-import", "--without-volumes", "--yes"
    ),
    "commit, save | gzip | load, tar": lambda hosts: by_hand(hosts, commit_save_load),
    "export | import, tar": lambda hosts: by_hand(hosts, export_import),
}
REPEATED = {SYNC, RSYNC}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rate", default="100mbit")
    parser.add_argument("--only-sync", action="store_true", help="leave the others out")
    words = parser.parse_args()
    with Hosts.up("bench-downtime", words.rate) as hosts:
        measure(hosts, [SYNC] if words.only_sync else list(METHODS), words.repeat)


if __name__ == "__main__":
    main()
