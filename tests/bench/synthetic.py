"""Experiments whose truth is known: what each run took follows from a rule, and seeded noise."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from typing import Any

from transship.bench.environment import Environment, HostEnvironment
from transship.bench.result import (
    Bytes,
    Cache,
    Cell,
    Effort,
    Events,
    Kept,
    Measures,
    PhaseRow,
    RoundRow,
    Run,
    Setting,
    Usage,
    Where,
)
from transship.bench.sealed import digest
from transship.bench.table import Experiment, experiment
from transship.plan.interval import Interval
from transship.plan.predict import Model, estimate
from transship.plan.work import Work

HOST = HostEnvironment(
    architecture="amd64",
    kernel="6.12.1",
    os_name="Debian GNU/Linux 13 (trixie)",
    cpus=2,
    memory_bytes=8_000_000_000,
    docker_version="26.1.5",
    storage_driver="overlay2",
    image_store="graphdriver",
    runc_version="1.1.15",
    criu_version="",
    cgroup_version="2",
    root_access="root",
)
ENVIRONMENT = Environment(
    place="lab",
    kernel="6.12.1",
    architecture="x86_64",
    cpu="a processor",
    cpus=2,
    memory_bytes=8_000_000_000,
    python="3.11.2",
    transship="0.1.0",
    source=HOST,
    target=HOST,
)

IMAGES = {"busybox": 4_400_000, "alpine": 8_300_000, "nginx": 187_000_000, "python": 128_000_000}
STATES = {"none": (0, 0), "100KB": (100_000, 5), "1MB": (1_000_000, 20)}
OF = {"alpine": "busybox"}
METHODS = {
    "stop-start": ("stop-start", Effort(1, ())),
    "export-import": ("export-import", Effort(1, ())),
    "sync": ("sync", Effort(1, ("root", "python"))),
    "commit-save-load": ("commit-save-load", Effort(7, ("tar",))),
}
TRUTH = Model(setup=2.6, agents=0.6, archive_rate=55e6, store_rate=50e6, stop=Interval(0.05, 0.3, 2.0))


@dataclass(frozen=True)
class Factors:
    """The full product of these, each cell so many times. `missing` names cells (image, strategy) that are left out."""

    images: tuple[str, ...] = tuple(IMAGES)
    states: tuple[str, ...] = tuple(STATES)
    strategies: tuple[str, ...] = tuple(METHODS)
    links: tuple[float | None, ...] = (100.0,)
    caches: tuple[Cache, ...] = ("cold", "warm")
    where: Where = "layer"
    repetitions: int = 10
    missing: tuple[tuple[str, str], ...] = ()
    seed: int = 7


def made(factors: Factors | None = None, *, environment: Environment = ENVIRONMENT) -> Experiment:
    """The experiment of these factors."""
    return experiment("synthetic", runs(factors or Factors(), environment), {digest(environment): environment})


def runs(factors: Factors, environment: Environment = ENVIRONMENT) -> tuple[Run, ...]:
    """Its runs, in random order as an experiment makes them; one of two hundred fails."""
    random = Random(factors.seed)  # noqa: S311 - no secret
    todo = [(cell, number + 1) for cell in cells(factors) for number in range(factors.repetitions)]
    random.shuffle(todo)
    where = digest(environment)
    return tuple(_run(number, cell, repetition, (random, where)) for number, (cell, repetition) in enumerate(todo, 1))


def cells(factors: Factors) -> Iterator[Cell]:
    every = product(factors.images, factors.states, factors.strategies, factors.links, factors.caches)
    for image, state, strategy, link, cache in every:
        if (image, strategy) not in factors.missing:
            size, files = STATES[state]
            yield Cell(
                image=image,
                state=state,
                state_bytes=size,
                state_files=files,
                where=factors.where if size else "none",
                change_rate=0,
                strategy=strategy,
                method=METHODS[strategy][0],
                options={},
                link_mbit=link,
                delay_ms=0.0,
                cache=cache,
                memory_bytes=0,
                store="overlay2",
                suite="trixie",
                made_of=image,
            )


def matrix(factors: Factors) -> str:
    """The matrix that asks for these runs."""
    tables = [f'name = "synthetic"\nseed = {factors.seed}\nrepetitions = {factors.repetitions}']
    tables[0] += f"\ncache = {json.dumps(factors.caches)}"
    tables += [
        f'[[image]]\nname = "{each}"\nof = "{OF.get(each, each)}"\nreference = "{each}"' for each in factors.images
    ]
    for name in factors.states:
        size, files = STATES[name]
        where = f'bytes = {size}\nfiles = {files}\nwhere = "{factors.where}"' if size else ""
        tables.append(f'[[state]]\nname = "{name}"\n{where}')
    tables += [f'[[strategy]]\nname = "{each}"\nmethod = "{METHODS[each][0]}"' for each in factors.strategies]
    tables += [f"[[link]]\nmbit = {each}" if each else "[[link]]" for each in factors.links]
    tables += [f'[[leave_out]]\nimage = "{image}"\nstrategy = "{each}"' for image, each in factors.missing]
    return "\n\n".join(tables) + "\n"


def work(cell: Cell, random: Random) -> Work:
    """What the cell's strategy has to do."""
    image = 0 if cell.cache == "warm" else IMAGES[cell.image]
    sizes: Mapping[str, int | None] = {"image": image}
    if cell.strategy == "export-import":
        sizes = {"layer": IMAGES[cell.image] + cell.state_bytes}
    elif cell.strategy != "stop-start":
        sizes = {"image": image, "layer": cell.state_bytes, "volumes": 0}
    link = (cell.link_mbit or 8_000.0) * 1e6 / 8 * random.uniform(0.93, 1.0)
    names = Interval.exactly(float(cell.state_files))
    strategy = "sync" if cell.strategy == "commit-save-load" else cell.strategy
    return Work(strategy, sizes, names, link=link, rtt_s=0.002, stop_heard=True, grace_s=10.0, max_downtime_s=1.0)


def _run(number: int, cell: Cell, repetition: int, given: tuple[Random, str]) -> Run:
    random, environment = given
    todo = work(cell, random)
    measures, phases = _took(cell, todo, random)
    failed = random.random() < 0.005
    predicted: Mapping[str, Any] = (
        estimate(todo, Model()).to_json() if cell.method in {"stop-start", "export-import", "sync"} else {}
    )
    return Run(
        run=number,
        cell=cell,
        repetition=repetition,
        warm_up=False,
        begun=f"2026-01-02T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}+00:00",
        outcome="failed" if failed else "moved",
        reason="the target never served" if failed else "",
        measures=measures,
        kept=_kept(cell),
        effort=METHODS[cell.strategy][1],
        setting=Setting(environment, "0123abc", 0.5),
        phases=phases,
        rounds=_rounds(cell, todo),
        predicted=predicted,
        events=Events(),
    )


def _took(cell: Cell, todo: Work, random: Random) -> tuple[Measures, tuple[PhaseRow, ...]]:
    truth = estimate(todo, TRUTH)
    assert truth.total_s is not None
    assert truth.downtime_s is not None
    assert truth.wire_bytes is not None
    noise = random.lognormvariate(0.0, 0.05) * (1.8 if random.random() < 0.02 else 1.0)
    total, downtime, wire = truth.total_s.likely * noise, truth.downtime_s.likely * noise, truth.wire_bytes.likely
    if cell.strategy == "commit-save-load":
        total, downtime = total * 1.6, total * 1.6 - 0.4
    phases = _phases(cell.strategy, total, downtime, round(wire))
    size = sum(each or 0 for each in todo.sizes.values())
    return Measures(
        total_s=total,
        engine_downtime_s=downtime,
        client_downtime_s=downtime + random.uniform(0.01, 0.2),
        freeze_s=None,
        link_bytes=round(wire * 1.04 + 220_000),
        wire_bytes=round(wire),
        logical_bytes=size,
        minimum_bytes=round(0.42 * size),
        by_class={kind: Bytes(each or 0, round((each or 0) * 0.6)) for kind, each in todo.sizes.items()},
        usage={
            "coordinator": Usage(0.8 * noise, 90_000_000),
            "source": Usage(1.2 * noise, None),
            "target": Usage(1.4 * noise, 40_000_000),
        },
    ), phases


_SHAPES: Mapping[str, tuple[tuple[str, str, float], ...]] = {
    "stop-start": (
        ("connect", "before", 0.1),
        ("observe", "before", 0.1),
        ("plan", "before", 0.01),
        ("claim", "before", 0.03),
        ("whole-image", "before", 0.7),
        ("create", "before", 0.06),
        ("fence", "down", 0.1),
        ("stop", "down", 0.3),
        ("release", "down", 0.05),
        ("start", "down", 0.4),
        ("healthy", "down", 0.15),
        ("retire", "after", 1.0),
    ),
    "export-import": (
        ("connect", "before", 0.2),
        ("observe", "before", 0.5),
        ("plan", "before", 0.05),
        ("claim", "before", 0.2),
        ("stop", "down", 0.03),
        ("export", "down", 0.8),
        ("verify", "down", 0.05),
        ("create", "down", 0.02),
        ("start", "down", 0.05),
        ("healthy", "down", 0.05),
        ("retire", "after", 1.0),
    ),
    "sync": (
        ("connect", "before", 0.1),
        ("observe", "before", 0.15),
        ("plan", "before", 0.01),
        ("claim", "before", 0.03),
        ("missing-layers", "before", 0.5),
        ("prepare", "before", 0.1),
        ("create", "before", 0.05),
        ("round 1", "before", 0.06),
        ("fence", "down", 0.05),
        ("stop", "down", 0.35),
        ("last-round", "down", 0.1),
        ("verify", "down", 0.05),
        ("start", "down", 0.35),
        ("healthy", "down", 0.1),
        ("retire", "after", 1.0),
    ),
    "commit-save-load": (
        ("stop", "down", 0.03),
        ("commit", "down", 0.05),
        ("save-load", "down", 0.8),
        ("run", "down", 0.1),
    ),
}


def _phases(strategy: str, total: float, downtime: float, wire: int) -> tuple[PhaseRow, ...]:
    rows, at = [], 0.0
    lengths = {"down": downtime, "after": 0.3, "before": max(0.0, total - downtime - 0.3)}
    for name, part, share in _SHAPES[strategy]:
        seconds = share * lengths[part]
        moved = wire if name in {"whole-image", "missing-layers", "export", "save-load"} else 0
        rows.append(PhaseRow(name, at, seconds, moved, failed=False))
        if name == "export":
            rows += [
                PhaseRow("transfer", at + 0.1, seconds, moved, failed=False),
                PhaseRow("import", at + 0.2, seconds, moved, failed=False),
            ]
        at += seconds
    return tuple(rows)


def _rounds(cell: Cell, todo: Work) -> tuple[RoundRow, ...]:
    if cell.strategy != "sync":
        return ()
    return (
        RoundRow(
            "layer",
            1,
            last=False,
            files=cell.state_files,
            bytes_logical=cell.state_bytes,
            bytes_wire=cell.state_bytes,
            seconds=0.1,
        ),
        RoundRow("layer", 2, last=True, files=0, bytes_logical=0, bytes_wire=300, seconds=0.02),
    )


def _kept(cell: Cell) -> Kept:
    wrote = cell.where == "layer"
    keeps = cell.strategy != "stop-start"
    return Kept(
        image=cell.strategy in {"stop-start", "sync"},
        settings=cell.strategy != "commit-save-load",
        layer=keeps if wrote else None,
        volume=(cell.strategy == "sync") if cell.where == "volume" else None,
        memory=False,
    )


def scaled(all_runs: Iterable[Run], factor: float) -> tuple[Run, ...]:
    """The same runs, which took so many times as long."""

    def slower(run: Run) -> Run:
        took = run.measures
        assert took.total_s is not None
        assert took.client_downtime_s is not None
        measures = replace(took, total_s=took.total_s * factor, client_downtime_s=took.client_downtime_s * factor)
        return replace(run, measures=measures)

    return tuple(slower(run) for run in all_runs)
