"""Whatever is killed, cut or filled, and whenever: one complete copy serves, and never two."""

import os
from itertools import islice

import pytest

from tests.faults.arena import Arena
from tests.faults.fault import KINDS, LIVE_KINDS, LIVE_VARIANTS, MORE_ROUNDS, PHASES, VARIANTS, Fault, draw
from tests.faults.trial import attempt

SEED = os.environ["TRANSSHIP_SEED"]
FAULTS = tuple(islice(draw(SEED), 60))


def test_every_kind_and_every_strategy_is_drawn() -> None:
    assert {(each.kind, each.side) for each in FAULTS} == set(KINDS)
    assert {each.variant for each in FAULTS} == set(VARIANTS)
    assert tuple(islice(draw(SEED), 60)) == FAULTS
    live = tuple(islice(draw(SEED, LIVE_VARIANTS), 60))
    assert {(each.kind, each.side) for each in live} == set(LIVE_KINDS)
    assert {each.variant for each in live} == set(LIVE_VARIANTS)


@pytest.mark.lab
@pytest.mark.parametrize("variant", VARIANTS)
def test_faults_are_drawn_at_all_phases_that_there_are(arena: Arena, variant: str) -> None:
    assert tuple(each for each in arena.told[variant] if each not in MORE_ROUNDS) == PHASES[variant]


@pytest.mark.lab
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_after_a_fault_one_complete_copy_serves(arena: Arena, fault: Fault) -> None:
    report = attempt(arena, fault)
    assert not report.failures, f"{report}; the same again: TRANSSHIP_SEED={SEED}"
