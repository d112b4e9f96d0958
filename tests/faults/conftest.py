from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import own_name
from tests.faults.arena import Arena, options
from tests.faults.fault import MORE_ROUNDS, PHASES, VARIANTS
from tests.faults.trial import learn
from transship.lab import Lab


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Two hosts for one fault after the other; the undisturbed moves of the begin tell each phase that is known."""
    with Lab(options(own_name())) as lab:
        found = Arena(lab, Path(tmp_path_factory.mktemp("faults")))
        told = learn(found)
        for variant in VARIANTS:
            phases = tuple(phase for kind, phase in told[variant] if kind == "started")
            assert tuple(each for each in phases if each not in MORE_ROUNDS) == PHASES[variant]
        yield found
