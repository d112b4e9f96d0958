from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import own_name
from tests.faults.arena import Arena, options
from tests.faults.trial import learn
from transship.lab import Lab


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Two hosts for one fault after the other."""
    with Lab(options(own_name())) as lab:
        found = Arena(lab, Path(tmp_path_factory.mktemp("faults")))
        learn(found)
        yield found
