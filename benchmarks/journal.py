"""What one durable write to the journal costs: `python -m benchmarks.journal [FOLDER]`, a folder on that disk."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.journal.records import record

from transship.journal.store import Journal

WRITES = 300


def measured(write: Callable[[int], None]) -> str:
    taken = []
    for number in range(WRITES):
        began = time.perf_counter()
        write(number)
        taken.append((time.perf_counter() - began) * 1000)
    deciles = statistics.quantiles(taken, n=100)
    return f"median {statistics.median(taken):.2f} ms, 99 % below {deciles[98]:.2f} ms, worst {max(taken):.2f} ms"


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else Path.cwd()) as folder:
        began = time.perf_counter()
        with Journal.open(Path(folder)) as journal:
            print(f"open  {(time.perf_counter() - began) * 1000:.2f} ms")
            print("begin", measured(lambda number: journal.begin(record(id=f"m{number}"))))
            print("save ", measured(lambda number: journal.save(record(id=f"m{number}", stage="fenced"))))
            print("note ", measured(lambda number: journal.note(f"m{number}", "stop the source", "intent", 1.0)))


if __name__ == "__main__":
    main()
