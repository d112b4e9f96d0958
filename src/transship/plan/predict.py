"""What a move will take: bytes, seconds, and seconds of downtime, each with the interval that it is expected in.

Without I/O. The coefficients were measured on one slow machine (docs/plan.md); what was predicted and what happened
afterwards corrects them (recalibrate.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transship.hosts.base import Json
from transship.hosts.paths import TreeSize
from transship.plan.interval import Interval
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.sizes import all_known, bind_sizes, missing_image_bytes, volume_sizes
from transship.plan.timing import first_healthy_s, stop_grace_s

_LONGEST_GRACE_S = 3600.0
_SMALL_FILE, _LARGE_FILE = 2_000, 500_000
"""Bytes in a file, on average, where there are many files and where there are few."""

_TAR_AT_MOST = 100_000
"""Bytes of heads and padding in the archive of a small image."""

_STOP = Interval(0.05, 0.2, 2.0)
_START = Interval(0.15, 0.35, 1.2)
_FIRST_ANSWER = Interval(0.0, 0.1, 5.0)
_IMAGE_SHRINKS = Interval(0.2, 0.6, 1.05)
_DATA_SHRINKS = Interval(0.05, 0.8, 1.1)


@dataclass(frozen=True, slots=True)
class Correction:
    """By what a strategy's predictions are multiplied, learned from moves that were made."""

    total: float = 1.0
    downtime: float = 1.0
    wire: float = 1.0


@dataclass(frozen=True, slots=True)
class Model:
    """What things cost. Times are in seconds, rates in bytes per second; a round trip is one request to Docker.

    `setup` is all that is done around the copying, `settle` the proof that the target stays up, `agents` their start.
    `archive_rate` is that of Docker's own archives on their way, `store_rate` that of packing and unpacking them,
    `tree_rate` that of the agents, which take `name` for each file the first time and `look` each time they compare it;
    `read_rate` is that of comparing contents. `image_shrinks` and `data_shrinks` say what compression leaves. `spread`
    are the factors between what is likely and the bounds.
    """

    setup: float = 1.9
    settle: float = 0.5
    agents: float = 0.35
    round_trips: int = 60
    cutover_round_trips: int = 12
    stop: Interval = _STOP
    start: Interval = _START
    first_answer: Interval = _FIRST_ANSWER
    archive_rate: float = 40e6
    store_rate: float = 70e6
    tree_rate: float = 100e6
    read_rate: float = 400e6
    name: float = 9e-5
    look: float = 1.5e-5
    last_round: float = 0.05
    image_shrinks: Interval = _IMAGE_SHRINKS
    data_shrinks: Interval = _DATA_SHRINKS
    spread: tuple[float, float] = (0.5, 2.0)
    corrections: Mapping[str, Correction] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one strategy would take. `sizes` is what there is, `wire` what would cross, in bytes, by kind of data.

    None where it cannot be told: a size or the link's rate is not known. `corrected` is what the model had learned.
    """

    strategy: str
    sizes: Mapping[str, int | None]
    wire: Mapping[str, Interval | None]
    total_s: Interval | None
    downtime_s: Interval | None
    corrected: Correction = Correction()

    @property
    def wire_bytes(self) -> Interval | None:
        """All that would cross, in bytes."""
        known = [each for each in self.wire.values() if each is not None]
        return Interval.sum(known) if len(known) == len(self.wire) else None

    def to_json(self) -> Json:
        """As `plan --json` prints it and the journal keeps it."""
        return {
            "strategy": self.strategy,
            "total_s": _plain(self.total_s),
            "downtime_s": _plain(self.downtime_s),
            "wire_bytes": _plain(self.wire_bytes),
            "bytes": {
                kind: {"logical": self.sizes[kind], "wire": _plain(self.wire[kind])} for kind in sorted(self.wire)
            },
            "corrected": {
                "total": self.corrected.total,
                "downtime": self.corrected.downtime,
                "wire": self.corrected.wire,
            },
        }


def _plain(value: Interval | None) -> Json | None:
    return None if value is None else {"low": value.low, "likely": value.likely, "high": value.high}


def predict(seen: Observation, options: MoveOptions, strategy: str, model: Model | None = None) -> Prediction:
    """What `strategy` would take for this container between these hosts."""
    return _Prediction(seen, options, strategy, model or Model()).made()


@dataclass(frozen=True, slots=True)
class _Prediction:
    seen: Observation
    options: MoveOptions
    strategy: str
    model: Model

    def made(self) -> Prediction:
        sizes, correction = self._sizes(), self.model.corrections.get(self.strategy, Correction())
        wire = {kind: None if size is None else self._wire(kind, size) for kind, size in sizes.items()}
        downtime = self._downtime(wire)
        total = self._total(wire, downtime)
        return Prediction(
            strategy=self.strategy,
            sizes=sizes,
            wire={kind: each and each.times(correction.wire) for kind, each in wire.items()},
            total_s=total and total.spread(*self.model.spread).times(correction.total),
            downtime_s=downtime and downtime.spread(*self.model.spread).times(correction.downtime),
            corrected=correction,
        )

    def _sizes(self) -> dict[str, int | None]:
        """What there is to send, by kind; None where that is not known."""
        state = self.seen.state
        if self.strategy == "export-import":
            return {"layer": state.image_bytes + state.layer_bytes}
        sizes: dict[str, int | None] = {"image": missing_image_bytes(self.seen)}
        if self.strategy == "stop-start":
            return sizes
        known = all_known(self.seen, self.options)
        volumes = sum(each.size for each in volume_sizes(self.seen, self.options).values())
        binds = sum(each.size for each in bind_sizes(self.seen, self.options).values())
        sizes |= {"layer": state.layer_bytes, "volumes": volumes if known else None}
        return sizes | ({"binds": binds if known else None} if self.options.binds == "copy" else {})

    def _wire(self, kind: str, size: int) -> Interval:
        if self.strategy == "export-import":
            return Interval(size * 0.9, size * 1.02, size * 1.3 + _TAR_AT_MOST)  # uncompressed, with a head a file
        shrinks = self.model.image_shrinks if kind == "image" else self.model.data_shrinks
        return shrinks.times(size)

    def _total(self, wire: Mapping[str, Interval | None], downtime: Interval | None) -> Interval | None:
        if downtime is None:
            return None
        model = self.model
        fixed = model.setup + (model.settle if self.seen.state.running else 0.0) + model.round_trips * self._rtt_s
        parts = [Interval.exactly(fixed), downtime]
        if self.strategy != "export-import" or not self.seen.state.running:
            copied = self._copied(wire)
            if copied is None:
                return None
            parts.append(copied)
        if self.strategy == "sync":
            parts.append(Interval.exactly(model.agents))
        return Interval.sum(parts)

    def _copied(self, wire: Mapping[str, Interval | None]) -> Interval | None:
        """The seconds of copying, but for what is copied again after the stop."""
        model, parts = self.model, []
        for kind, sent in wire.items():
            size = self._sizes()[kind]
            archive = kind == "image" or self.strategy == "export-import"
            crossing = self._crossing(sent, size, archive=archive)
            if crossing is None or size is None:
                return None
            parts.append(crossing)
            if archive:
                parts.append(Interval.exactly(size / model.store_rate))
        if self.strategy == "sync":
            names = self._names()
            parts.append(names.times(model.name + model.look))
        return Interval.sum(parts)

    def _crossing(self, sent: Interval | None, size: int | None, *, archive: bool) -> Interval | None:
        """The seconds that bytes need: the link and those who read and write work at the same time."""
        if sent is None or size is None:
            return None
        if not size:
            return Interval.exactly(0.0)
        link = self.seen.link
        if link is None:
            return None
        if self.options.limit_rate and not archive:
            link = min(link, self.options.limit_rate)
        least = size / (self.model.archive_rate if archive else self.model.tree_rate)
        return Interval(max(sent.low / link, least / 2), max(sent.likely / link, least), max(sent.high / link, least))

    def _downtime(self, wire: Mapping[str, Interval | None]) -> Interval | None:
        if not self.seen.state.running:
            return Interval.exactly(0.0)
        model = self.model
        around = model.cutover_round_trips * self._rtt_s
        parts = [self._stop(), model.start, self._first_answer(), Interval.exactly(around)]
        if self.strategy == "export-import":
            copied = self._copied(wire)
            if copied is None:
                return None
            parts.append(copied)
        if self.strategy == "sync":
            if not all_known(self.seen, self.options):
                return None
            parts.append(self._last_round())
        return Interval.sum(parts)

    def _stop(self) -> Interval:
        """A freeze takes no time; who does not hear the signal takes all that is given."""
        if self.options.freeze:
            return Interval(0.0, 0.05, 0.5)
        grace = min(stop_grace_s(self.seen.spec), _LONGEST_GRACE_S)
        usual = self.model.stop
        if self.seen.state.stop_heard is False:
            return Interval.exactly(grace + usual.likely)
        if self.seen.state.stop_heard is None:
            return Interval(usual.low, usual.likely, grace + usual.high)
        return Interval(usual.low, usual.likely, min(usual.high, grace + usual.likely))

    def _first_answer(self) -> Interval:
        """From the start until the target is seen to serve."""
        earliest = first_healthy_s(self.seen.spec)
        if earliest:
            return Interval(earliest, earliest + 0.5, 2 * earliest + self.model.first_answer.high)
        return self.model.first_answer if self.options.probe else Interval(0.0, 0.0, 0.1)

    def _last_round(self) -> Interval:
        """Looking at every name on both sides, and what was written since the round before: at most the budget."""
        model, names = self.model, self._names().times(self.model.look)
        trees = [*volume_sizes(self.seen, self.options).values(), *bind_sizes(self.seen, self.options).values()]
        size = self.seen.state.layer_bytes + sum(each.size for each in trees)
        reading = size / model.read_rate if self.options.verify == "full" else 0.0
        written = Interval(0.0, model.last_round, model.last_round + self.options.max_downtime_s)
        return Interval.sum([names, written, Interval.exactly(reading)])

    def _names(self) -> Interval:
        """How many files there are to look at."""
        trees = [*volume_sizes(self.seen, self.options).values(), *bind_sizes(self.seen, self.options).values()]
        counts = [Interval.exactly(self.seen.state.changed_paths), *(_names_in(each) for each in trees)]
        return Interval.sum(counts)

    @property
    def _rtt_s(self) -> float:
        return max(self.seen.source.rtt_s, self.seen.target.rtt_s)


def _names_in(tree: TreeSize) -> Interval:
    if tree.names is not None:
        return Interval.exactly(tree.names)
    return Interval(0.0, tree.size / _LARGE_FILE, tree.size / _SMALL_FILE)
