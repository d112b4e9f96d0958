"""What a move will take: bytes, seconds, and seconds of downtime, each with the interval that it is expected in.

Without I/O. The coefficients were measured on one slow machine (docs/plan.md); what was predicted and what happened
afterwards corrects them (recalibrate.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transship.codec import encode
from transship.hosts.base import Json
from transship.plan.interval import Interval
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.work import Work, work_of

_TAR_AT_MOST = 100_000
"""Bytes of heads and padding in the archive of a small image."""

_STOP = Interval(0.05, 0.2, 2.0)
_RESTORE = Interval(0.3, 0.6, 1.5)
"""What it takes to have frozen processes go on elsewhere."""
_DUMP_RATE = 300e6
"""Bytes per second of memory that is written down."""
_FREEZE = Interval(0.0, 0.05, 0.5)
_IN_ROUNDS = frozenset({"sync", "live"})
_START = Interval(0.15, 0.35, 1.2)
_FIRST_ANSWER = Interval(0.0, 0.6, 5.0)
_ANNOUNCED_ANSWER = Interval(0.0, 0.03, 5.0)
"""Agents tell the neighbours where the container is now; without them packets to it are dropped at first."""
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
    """What one strategy would take for its `work`. `wire` is what would cross, in bytes, by kind of data.

    None where it cannot be told: a size or the link's rate is not known. `corrected` is what the model had learned.
    """

    work: Work
    wire: Mapping[str, Interval | None]
    total_s: Interval | None
    downtime_s: Interval | None
    corrected: Correction = Correction()

    @property
    def strategy(self) -> str:
        return self.work.strategy

    @property
    def sizes(self) -> Mapping[str, int | None]:
        """What there is to send, in bytes, by kind of data."""
        return self.work.sizes

    @property
    def wire_bytes(self) -> Interval | None:
        """All that would cross, in bytes."""
        known = [each for each in self.wire.values() if each is not None]
        return Interval.sum(known) if len(known) == len(self.wire) else None

    def to_json(self) -> Json:
        """As `plan --json` prints it and the journal keeps it."""
        return {
            "strategy": self.work.strategy,
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
            "work": encode(self.work),
        }


def _plain(value: Interval | None) -> Json | None:
    return None if value is None else {"low": value.low, "likely": value.likely, "high": value.high}


def predict(seen: Observation, options: MoveOptions, strategy: str, model: Model | None = None) -> Prediction:
    """What `strategy` would take for this container between these hosts."""
    return estimate(work_of(seen, options, strategy), model or Model())


def estimate(work: Work, model: Model) -> Prediction:
    """What the work would take, if things cost what the model says."""
    return _Estimate(work, model).made()


@dataclass(frozen=True, slots=True)
class _Estimate:
    work: Work
    model: Model

    def made(self) -> Prediction:
        correction = self.model.corrections.get(self.work.strategy, Correction())
        wire = {kind: None if size is None else self._wire(kind, size) for kind, size in self.work.sizes.items()}
        downtime = self._downtime(wire)
        total = self._total(wire, downtime)
        return Prediction(
            work=self.work,
            wire={kind: each and each.times(correction.wire) for kind, each in wire.items()},
            total_s=total and total.spread(*self.model.spread).times(correction.total),
            downtime_s=downtime and downtime.spread(*self.model.spread).times(correction.downtime),
            corrected=correction,
        )

    def _wire(self, kind: str, size: int) -> Interval:
        if self.work.strategy == "export-import":
            return Interval(size * 0.9, size * 1.02, size * 1.3 + _TAR_AT_MOST)  # uncompressed, with a head a file
        shrinks = self.model.image_shrinks if kind == "image" else self.model.data_shrinks
        return shrinks.times(size)

    def _total(self, wire: Mapping[str, Interval | None], downtime: Interval | None) -> Interval | None:
        if downtime is None:
            return None
        model, work = self.model, self.work
        fixed = model.setup + (model.settle if work.running else 0.0) + model.round_trips * work.rtt_s
        parts = [Interval.exactly(fixed), downtime]
        if work.strategy != "export-import" or not work.running:
            copied = self._copied(wire)
            if copied is None:
                return None
            parts.append(copied)
        if work.strategy in _IN_ROUNDS:
            parts.append(Interval.exactly(model.agents))
        return Interval.sum(parts)

    def _copied(self, wire: Mapping[str, Interval | None]) -> Interval | None:
        """The seconds of copying, but for what is copied again after the stop."""
        model, parts = self.model, []
        for kind, sent in wire.items():
            if kind == "memory" and not self.work.memory_later:
                continue  # that is downtime
            size = self.work.sizes[kind]
            archive = kind == "image" or self.work.strategy == "export-import"
            crossing = self._crossing(sent, size, archive=archive)
            if crossing is None or size is None:
                return None
            parts.append(crossing)
            if archive:
                parts.append(Interval.exactly(size / model.store_rate))
        if self.work.strategy in _IN_ROUNDS:
            parts.append(self.work.names.times(model.name + model.look))
        return Interval.sum(parts)

    def _crossing(self, sent: Interval | None, size: int | None, *, archive: bool) -> Interval | None:
        """The seconds that bytes need: the link and those who read and write work at the same time."""
        if sent is None or size is None:
            return None
        if not size:
            return Interval.exactly(0.0)
        link = self.work.link
        if link is None:
            return None
        if self.work.limit_rate and not archive:
            link = min(link, self.work.limit_rate)
        least = size / (self.model.archive_rate if archive else self.model.tree_rate)
        return Interval(max(sent.low / link, least / 2), max(sent.likely / link, least), max(sent.high / link, least))

    def _downtime(self, wire: Mapping[str, Interval | None]) -> Interval | None:
        model, work = self.model, self.work
        if not work.running:
            return Interval.exactly(0.0)
        around = model.cutover_round_trips * work.rtt_s
        if work.strategy == "live":
            return self._standstill(wire["memory"], around)
        parts = [self._stop(), model.start, self._first_answer(), Interval.exactly(around)]
        if work.strategy == "export-import":
            copied = self._copied(wire)
            if copied is None:
                return None
            parts.append(copied)
        if work.strategy == "sync":
            if not work.all_known:
                return None
            parts.append(self._last_round())
        return Interval.sum(parts)

    def _standstill(self, memory: Interval | None, around: float) -> Interval | None:
        """From the freeze until the processes go on: memory is written down and crosses, unless it comes later."""
        work, size = self.work, self.work.sizes["memory"]
        if size is None or not work.all_known:
            return None
        parts = [_FREEZE, _RESTORE, self._first_answer(), self._last_round(), Interval.exactly(around)]
        if not work.memory_later:
            crossing = self._crossing(memory, size, archive=False)
            if crossing is None:
                return None
            parts += [Interval.exactly(size / _DUMP_RATE), crossing]
        return Interval.sum(parts)

    def _stop(self) -> Interval:
        """A freeze takes no time; who does not hear the signal takes all that is given."""
        if self.work.freeze:
            return _FREEZE
        grace, usual = self.work.grace_s, self.model.stop
        if self.work.stop_heard is False:
            return Interval.exactly(grace + usual.likely)
        if self.work.stop_heard is None:
            return Interval(usual.low, usual.likely, grace + usual.high)
        return Interval(usual.low, usual.likely, min(usual.high, grace + usual.likely))

    def _first_answer(self) -> Interval:
        """From the start until the target is seen to serve."""
        earliest = self.work.first_healthy_s
        if earliest:
            return Interval(earliest, earliest + 0.5, 2 * earliest + self.model.first_answer.high)
        if not self.work.probed:
            return Interval(0.0, 0.0, 0.1)
        return _ANNOUNCED_ANSWER if self.work.strategy in _IN_ROUNDS else self.model.first_answer

    def _last_round(self) -> Interval:
        """Looking at every name on both sides, and what was written since the round before: at most the budget."""
        model, work = self.model, self.work
        written = Interval(0.0, model.last_round, model.last_round + work.max_downtime_s)
        reading = Interval.exactly(work.read_bytes / model.read_rate)
        return Interval.sum([work.names.times(model.look), written, reading])
