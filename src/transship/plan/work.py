"""What there is to do for a move, in numbers: all that its cost is computed from, and small enough to be kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transship.codec import MalformedError, decode
from transship.hosts.paths import TreeSize
from transship.plan.interval import Interval
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.sizes import all_known, bind_sizes, missing_image_bytes, volume_sizes
from transship.plan.timing import first_healthy_s, stop_grace_s

_NONE = Interval(0.0, 0.0, 0.0)
_LARGEST = 1e18
_LONGEST_GRACE_S = 3600.0
_SMALL_FILE, _LARGE_FILE = 2_000, 500_000
"""Bytes in a file, on average, where there are many files and where there are few."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one strategy has to do for a container between two hosts.

    `sizes` is what there is to send, in bytes, by kind of data; None where that is not known. `names` is how many files
    are looked at, `read_bytes` how much of their content is compared after the stop. `link` and `limit_rate` are in
    bytes per second (None: not measured; 0: no limit). `stop_heard` says whether the container handles the signal that
    stops it, `grace_s` how long it is waited for; `first_healthy_s` is when its health check can pass first, 0 without
    one. `memory_later`: memory crosses when the processes go on already.
    """

    strategy: str
    sizes: Mapping[str, int | None] = field(default_factory=dict)
    names: Interval = _NONE
    read_bytes: int = 0
    running: bool = True
    link: float | None = None
    limit_rate: float = 0.0
    rtt_s: float = 0.0
    freeze: bool = False
    stop_heard: bool | None = None
    grace_s: float = 0.0
    first_healthy_s: float = 0.0
    probed: bool = False
    max_downtime_s: float = 0.0
    memory_later: bool = False

    @property
    def all_known(self) -> bool:
        """Whether the size of everything that is to be sent is known."""
        return None not in self.sizes.values()


def work_of(seen: Observation, options: MoveOptions, strategy: str) -> Work:
    """What `strategy` would have to do."""
    trees = [*volume_sizes(seen, options).values(), *bind_sizes(seen, options).values()]
    content = seen.state.layer_bytes + sum(each.size for each in trees)
    return Work(
        strategy=strategy,
        sizes=_sizes(seen, options, strategy),
        names=Interval.sum([Interval.exactly(float(seen.state.changed_paths)), *map(_names_in, trees)]),
        read_bytes=content if options.verify == "full" else 0,
        running=seen.state.running,
        link=seen.link,
        limit_rate=options.limit_rate,
        rtt_s=max(seen.source.rtt_s, seen.target.rtt_s),
        freeze=options.freeze,
        stop_heard=seen.state.stop_heard,
        grace_s=min(stop_grace_s(seen.spec), _LONGEST_GRACE_S),
        first_healthy_s=first_healthy_s(seen.spec),
        probed=options.probe is not None,
        max_downtime_s=options.max_downtime_s,
        memory_later=options.post_copy,
    )


def read_work(value: object) -> Work:
    """Read what `encode` made of one. Raises `MalformedError` for anything that no cost could be computed from."""
    work = decode(Work, value)
    names = (work.names.low, work.names.likely, work.names.high)
    times = (work.rtt_s, work.grace_s, work.first_healthy_s, work.max_downtime_s)
    rates = [rate for rate in (work.link, work.limit_rate) if rate]
    amounts = (size or 0 for size in (*work.sizes.values(), work.read_bytes))
    if not all(0 <= each <= _LARGEST for each in (*amounts, *names, *times)):
        raise MalformedError("Work holds an amount that is none")
    if work.link == 0 or not all(1 <= rate <= _LARGEST for rate in rates):
        raise MalformedError("Work holds a rate that is none")
    return work


def _sizes(seen: Observation, options: MoveOptions, strategy: str) -> dict[str, int | None]:
    state = seen.state
    if strategy == "export-import":
        return {"layer": state.image_bytes + state.layer_bytes}
    sizes: dict[str, int | None] = {"image": missing_image_bytes(seen)}
    if strategy == "stop-start":
        return sizes
    known = all_known(seen, options)
    volumes = sum(each.size for each in volume_sizes(seen, options).values())
    binds = sum(each.size for each in bind_sizes(seen, options).values())
    sizes |= {"layer": state.layer_bytes, "volumes": volumes if known else None}
    if strategy == "live":
        sizes["memory"] = state.memory.bytes if state.memory else None
    return sizes | ({"binds": binds if known else None} if options.binds == "copy" else {})


def _names_in(tree: TreeSize) -> Interval:
    if tree.names is not None:
        return Interval.exactly(float(tree.names))
    return Interval(0.0, tree.size / _LARGE_FILE, tree.size / _SMALL_FILE)
