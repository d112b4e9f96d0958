import os
import time
from dataclasses import dataclass

from transship.agent.compress import NAMES as CODEC_NAMES
from transship.errors import TransferError
from transship.hosts.pair import Pair


@dataclass(frozen=True, slots=True)
class TreePaths:
    """One tree that moves: a volume, a writable layer, a bind mount.

    `name` is what messages call it. `devices` allows device nodes on the target (whiteouts always are). `limit` is the
    most content in bytes that one round may write there, 0 for no limit. `durable`: each round ends with the target's
    file system written to disk, so that the last one, in the cutover, finds little left to write. `single`: the tree is
    one file, and what lies beside it is left alone.
    """

    name: str
    source: str
    target: str
    devices: bool = False
    limit: int = 0
    durable: bool = True
    single: bool = False


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One round. Bytes: `logical` of content that was sent, `raw` with all that belongs to it, `wire` as it crossed."""

    entries: int
    files: int
    """Entries that were sent: new, changed, or with other attributes."""
    deleted: int
    bytes_logical: int
    bytes_raw: int
    bytes_wire: int
    seconds: float
    changed_during: int
    """Paths that changed or vanished while they were read; the next round sends them again."""
    changed_paths: tuple[str, ...]
    """The first of them."""
    sockets: int
    """Sockets, which are left out: they are made by whoever listens."""
    compression: str
    """The best that any frame used: `none`, `zlib` or `zstd`; `bytes_wire` by `bytes_raw` is what it came to."""
    link_rate: float
    """The link's speed in bytes per second as it was seen so far, 0 while it was never what one waited for."""


class TreeSync:
    """Moves one tree over a pair of agents in rounds.

    The first round sends what the target lacks, each later one what changed since. Several trees may share a pair, one
    call at a time. After an error that is not said to be harmless the pair is closed.
    """

    def __init__(self, pair: Pair, number: int, paths: TreePaths) -> None:
        """`number` tells the trees of a pair apart."""
        self.paths = paths
        self._pair = pair
        self._number = number

    def open(self, *, empty: bool = True) -> None:
        """Open the tree on both hosts; its folders, or those that hold the file, exist. Raises `TransferError` if not.

        `empty`: also where the target's holds anything. Without it call `adopt`, or what is there and not in the
        source will stay.
        """
        self._pair.source.call("open", tree=self._number, **self._place(self.paths.source))
        self._pair.target.call("open", tree=self._number, empty=empty, **self._place(self.paths.target))

    def _place(self, path: str) -> dict[str, str]:
        if not self.paths.single:
            return {"path": os.fsencode(path).hex()}
        folder, name = os.path.split(os.fsencode(path))
        _, called = os.path.split(os.fsencode(self.paths.target))
        return {"path": folder.hex(), "name": name.hex(), "as": called.hex()}

    def adopt(self, *, contents: bool) -> int:
        """Start from what the target holds, and return how many entries that is.

        What differs will be changed or deleted by the next round. With `contents` all files on both sides are read and
        compared by digest; without, a file of the same size and nanosecond time counts as the same.
        """
        pair = self._pair
        describe = {"do": "describe", "tree": self._number, "contents": contents, "codec": pair.codec}
        return int(pair.back({"do": "adopt", "tree": self._number}, describe).receiver["entries"])

    def round(self, *, last: bool = False, rate: float = 0.0, compress: bool = True) -> RoundReport:
        """Send what changed. `rate` limits the wire, in bytes per second; 0: no limit.

        The `last` round is for a source that nobody writes to any more: then whatever changed while it was read is a
        `TransferError`. The target has all that was sent up to then, on disk, and another round may follow.
        """
        pair = self._pair
        began = time.monotonic()
        codec = pair.codec if compress else 0
        relayed = pair.forth(
            {"do": "send", "tree": self._number, "still": last, "rate": rate, "codec": codec},
            {
                "do": "receive",
                "tree": self._number,
                "devices": self.paths.devices,
                "limit": self.paths.limit,
                "sync": self.paths.durable,
            },
        )
        said = relayed.sender
        report = RoundReport(
            entries=said["entries"],
            files=said["sent"],
            deleted=said["deleted"],
            bytes_logical=said["bytes"],
            bytes_raw=said["raw"],
            bytes_wire=relayed.bytes,
            seconds=time.monotonic() - began,
            changed_during=said["unsteady"],
            changed_paths=tuple(said["unsteady_paths"]),
            sockets=said["sockets"],
            compression=CODEC_NAMES[said["codec"]],
            link_rate=said["link"],
        )
        if last and report.changed_during:
            raise TransferError(
                f"{self.paths.name}: {report.changed_paths[0]} changed while the last round read it",
                hint="something outside of the container still writes there: stop it, then try again",
            )
        return report

    def look_ahead(self) -> None:
        """Let the target read what it holds by now, so that `verify` needs to read only what changes after this."""
        self._pair.target.call("manifest", tree=self._number, of="disk", full=False)

    def verify(self, *, full: bool = False) -> int:
        """Prove that the target holds what the source held in the last round, and return the number of entries.

        The target's tree is read from its disk; with `full` the content of all files too, on both sides. Raises
        `TransferError` with the first path that differs; the pair stays usable.
        """
        manifest = {"do": "manifest", "tree": self._number, "full": full}
        here, there = self._pair.both({**manifest, "of": "disk" if full else "sent"}, {**manifest, "of": "disk"})
        if here["digest"] == there["digest"]:
            return int(here["entries"])
        pairs = list(zip(here["marks"], there["marks"], strict=False))
        window = next((number for number, (one, other) in enumerate(pairs) if one != other), len(pairs))
        raise TransferError(
            f"{self.paths.name}: {self._first_difference(window, here['step'])} is not the same on both hosts",
            hint="something else writes there, or a disk is failing: the source's data is as it was",
        )

    def _first_difference(self, window: int, step: int) -> str:
        source, target = self._pair.source, self._pair.target
        mine = source.call("window", tree=self._number, window=window)["entries"]
        theirs = target.call("window", tree=self._number, window=window)["entries"]
        same = next((at for at, (one, other) in enumerate(zip(mine, theirs, strict=False)) if one != other), None)
        position = window * step + (min(len(mine), len(theirs)) if same is None else same)
        names: list[str] = [
            agent.call("path", tree=self._number, position=position)["path"] for agent in (source, target)
        ]
        return min(name for name in names if name)
