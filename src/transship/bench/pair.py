"""The two hosts between which the runs of an experiment are made."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from transship.bench.environment import Place
from transship.bench.job import Ends
from transship.bench.matrix import ImageFactor
from transship.bench.result import Cache, Cell, Usage
from transship.errors import CommandError, TransshipError
from transship.hosts.base import Host

Meter = dict[str, Usage]
"""What a run cost `source` and `target`: filled when it has ended."""


Cells = Sequence[tuple[Cell, ImageFactor]]
"""All cells of an experiment on hosts of one kind, each once."""


class SceneError(TransshipError):
    """The clean state from which a run begins cannot be made; the method under test has no part in it."""

    exit_code = 7


class Pair(Protocol):
    """A source and a target, reached by ssh. `clear` removes again what was made there."""

    @property
    def place(self) -> Place: ...

    @property
    def ends(self) -> Ends: ...

    @property
    def source(self) -> Host: ...

    @property
    def target(self) -> Host: ...

    def objections(self, cells: Cells) -> Iterable[str]:
        """What of these cells is impossible here, whatever the hosts have: each a sentence without a full stop."""
        ...

    def provide(self, image: ImageFactor) -> str:
        """See to it that the source has an image, and return what it is called there.

        Raises `UsageError` for an image that cannot be had there.
        """
        ...

    def clear(self, reference: str, cache: Cache) -> None:
        """Remove what earlier runs left; then the target has the image `reference` or lacks it, as `cache` says.

        Raises `SceneError` where that failed, and `PreflightError` where it would take what is somebody else's.
        """
        ...

    def join_swarm(self) -> tuple[str, str]:
        """Make a swarm of both hosts, the source its manager, and return their names in it; `clear` ends it.

        Raises `UsageError` where that is not the experiment's to do.
        """
        ...

    def settle(self) -> None:
        """Let what was prepared reach the disks, and where that is possible, be in no page cache any more."""
        ...

    def shape(self, mbit: float | None, delay_ms: float) -> None:
        """Limit what the links carry, and make the way to the hosts longer. Raises `UsageError` where that cannot be.

        `ends` tells the way with the delay; `source` and `target` are reached without it.
        """
        ...

    def carried(self) -> int | None:
        """Bytes that the target's link has carried towards it until now; None where nobody counts them."""
        ...

    def metered(self) -> AbstractContextManager[Meter]:
        """Measure what the block costs the hosts."""
        ...


def output(host: Host, *argv: str, stdin: bytes = b"", timeout: float = 120.0) -> str:
    """Run a program on a host and return what it printed. Raises `CommandError` with its last words."""
    done = host.run(argv, stdin=stdin, timeout=timeout)
    if done.status:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise CommandError(f"{' '.join(argv[:3])} failed on {host.name}: {words[-1] if words else 'it said nothing'}")
    return done.stdout.decode(errors="replace")
