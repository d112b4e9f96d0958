"""What the command line calls: begin an experiment, or go on with one that was cut off."""

import hashlib
import signal
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from transship.bench.experiment import Experiment, OpenPair, Progress
from transship.bench.job import Ends
from transship.bench.lab_pair import LabPair
from transship.bench.matrix import Matrix
from transship.bench.own_pair import OwnPair
from transship.bench.store import ResultFolder
from transship.errors import UsageError
from transship.lab.lab import remove_abandoned
from transship.metrics.events import Event, Recorder

Tell = Callable[[Progress | str], None]

_LONG = ("root filesystem", "image")
"""What a lab makes once on a machine, and takes a minute or more."""


def shipped() -> dict[str, str]:
    """The matrices that come along, by name."""
    folder = files("transship.bench") / "matrices"
    return {
        each.name.removesuffix(".toml"): each.read_text(encoding="utf-8")
        for each in sorted(folder.iterdir(), key=lambda each: each.name)
        if each.name.endswith(".toml")
    }


def read_matrix(name: str) -> str:
    """The text of a shipped matrix, or of a file. Raises `UsageError` where there is none."""
    if name in (known := shipped()):
        return known[name]
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"there is no matrix {name}: {error}", hint=f"give a TOML file, or one of {', '.join(known)}"
        ) from error


def begin(matrix: str, folder: Path, ends: Ends | None, tell: Tell) -> None:
    """Make all runs of a matrix, whose text this is, and store their results in a new folder.

    Ctrl-C, and from then on SIGTERM and SIGHUP (unless they are ignored), undo the move that is under way and raise
    `KeyboardInterrupt`. Without `ends` in a lab that is made for it, and gone afterwards. Raises as `Experiment.run`,
    and `UsageError` for a matrix that is wrong.
    """
    Matrix.read(matrix)
    _go_on(ResultFolder.create(folder, matrix), ends, tell)


def resume(folder: Path, ends: Ends | None, tell: Tell) -> None:
    """Make the runs of a folder that have no result yet, on hosts of the same kind. Raises as `begin`."""
    _go_on(ResultFolder.open(folder), ends, tell)


def lab_name(folder: Path) -> str:
    """What the lab of an experiment is called: always the same for one folder, so that it is found again."""
    return f"bench-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"


def _go_on(folder: ResultFolder, ends: Ends | None, tell: Tell) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):  # a move is undone and a lab taken down, as by Ctrl-C
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, signal.default_int_handler)
    experiment = Experiment(folder, _opener(folder, ends, tell), tell, own_hosts=ends is not None)
    with folder.locked() as lock:
        if ends is None:  # what a killed one left is in the way, also where nothing is to do; its last move has ended
            remove_abandoned(lab_name(folder.path))
        experiment.run(lock)


def _opener(folder: ResultFolder, ends: Ends | None, tell: Tell) -> OpenPair:
    if ends is not None:
        return lambda _: OwnPair.connected(ends, folder)

    def heard(event: Event) -> None:
        if event.kind == "started" and event.phase in _LONG:
            tell(f"{event.phase}: {event.detail}")

    return lambda kind: LabPair.up(lab_name(folder.path), kind, Recorder([heard]))
