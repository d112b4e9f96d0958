"""Fault after fault, in as many processes as are asked for, each with a lab of its own; what came of them is a table.

usage: python -m tests.faults.campaign [--live] [--count N] [--minutes M] [--processes P] [--results FILE] [--seed SEED]

FILE gets a line for each fault. A run that is given a file goes on with its seed, and leaves out what it has. Besides N
that are drawn (520; with --live, which is about moves with memory, 130), there is one for each boundary while nobody
serves, at which the coordinator is killed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import SystemRandom
from typing import Any

from tests.faults.arena import Arena, options
from tests.faults.fault import LIVE_VARIANTS, VARIANTS, deaths, draw
from tests.faults.table import table
from tests.faults.trial import attempt, learn
from transship.lab import Lab

LATEST = Path(".faults/results.jsonl")
LATEST_LIVE = Path(".faults/live.jsonl")


@dataclass(frozen=True, slots=True)
class Campaign:
    """How many faults of which seed, until when (of the monotonic clock), and where their results go."""

    seed: str
    count: int
    until: float
    results: Path
    live: bool = False

    def part(self, number: int, of: int) -> None:
        """Carry out every `of`-th fault that has no result yet."""
        done = {each["number"] for each in read(self.results)}
        variants = tuple(LIVE_VARIANTS if self.live else VARIANTS)
        whole = [*deaths(self.seed, variants), *islice(draw(self.seed, variants), self.count)]
        faults = [each for each in whole if each.number % of == number]
        with (
            Lab(options(f"f{os.getpid()}", live=self.live)) as lab,
            tempfile.TemporaryDirectory() as folder,
            self.results.open("a", buffering=1) as results,
        ):
            arena = Arena(lab, Path(folder))
            learn(arena, variants)
            for fault in faults:
                if time.monotonic() > self.until:
                    return
                if fault.number in done:
                    continue
                report = attempt(arena, fault)
                results.write(json.dumps({"seed": self.seed, **report.to_json()}) + "\n")
                said = "; ".join(report.failures) or f"{report.result}{', recovered' if report.recovered else ''}"
                print(f"{report.seconds:5.1f} s  {fault}: {said}", flush=True)  # noqa: T201


def read(results: Path) -> list[dict[str, Any]]:
    """The results that there are."""
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--count", type=int)
    parser.add_argument("--minutes", type=float, default=24 * 60.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--seed", default="")
    parser.add_argument("--part", default="", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    given.results = given.results or (LATEST_LIVE if given.live else LATEST)
    given.count = given.count if given.count is not None else 130 if given.live else 520
    given.results.parent.mkdir(exist_ok=True)
    before = read(given.results)
    seed = before[0]["seed"] if before else given.seed or str(SystemRandom().randrange(2**32))
    if given.part:
        campaign = Campaign(seed, given.count, time.monotonic() + given.minutes * 60, given.results, given.live)
        campaign.part(int(given.part), given.processes)
        return 0
    argv = [sys.executable, "-m", "tests.faults.campaign", *words, "--seed", seed]
    parts = [subprocess.Popen([*argv, "--part", str(number)]) for number in range(given.processes)]
    statuses = [part.wait() for part in parts]
    print(table(read(given.results)))  # noqa: T201
    return max(map(abs, statuses)) or int(any(each["failures"] for each in read(given.results)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
