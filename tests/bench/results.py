"""Results of runs, as tests need them."""

from transship.bench.result import (
    Bytes,
    Cell,
    Effort,
    Events,
    Kept,
    Measures,
    Outcome,
    PhaseRow,
    RoundRow,
    Run,
    Setting,
    Usage,
)

CELL = Cell(
    image="nginx",
    state="1MB",
    state_bytes=1_000_000,
    state_files=10,
    where="volume",
    change_rate=0,
    strategy="sync",
    method="sync",
    options={"verify": "full"},
    link_mbit=100.0,
    delay_ms=0.0,
    cache="cold",
    memory_bytes=0,
    store="overlay2",
    suite="trixie",
    made_of="nginx",
)


def a_run(number: int = 1, *, cell: Cell = CELL, repetition: int = 1, outcome: Outcome = "moved") -> Run:
    """A run with something in every field."""
    return Run(
        run=number,
        cell=cell,
        repetition=repetition,
        warm_up=False,
        begun="2026-01-02T03:04:05+00:00",
        outcome=outcome,
        reason="" if outcome == "moved" else "the target never served",
        measures=Measures(
            total_s=4.5,
            engine_downtime_s=0.6,
            client_downtime_s=0.75,
            freeze_s=None,
            link_bytes=1_400_000,
            wire_bytes=1_200_000,
            logical_bytes=1_000_000,
            minimum_bytes=1_100_000,
            by_class={"volumes": Bytes(1_000_000, 1_200_000)},
            usage={"coordinator": Usage(1.5, 80_000_000), "target": Usage(0.5, None)},
        ),
        kept=Kept(image=True, settings=True, volume=True, memory=False),
        effort=Effort(1, ("root",)),
        setting=Setting("ab" * 32, "1.0", 0.25),
        phases=(PhaseRow("stop", 1.0, 0.25, 0, failed=False),),
        rounds=(RoundRow("volume data", 1, last=False, files=10, bytes_logical=1, bytes_wire=2, seconds=0.5),),
        predicted={"total_s": {"low": 1.0, "likely": 2.0, "high": 3.0}},
        events=Events((0.0, 1.5), ("started", "completed"), ("stop", "stop"), (0, 0)),
    )
