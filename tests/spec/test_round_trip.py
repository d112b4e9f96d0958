"""`extract(inspect(create(render(spec)))) == spec`, on real daemons."""

import os
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings

from tests.spec.daemon import Daemon
from tests.spec.strategies import IMAGE_CONFIG, Target, specs
from transship.spec.compare import differences
from transship.spec.model import ContainerSpec

pytestmark = pytest.mark.lab

SEED = int(os.environ.get("TRANSSHIP_TEST_SEED") or random.randrange(2**32))  # noqa: S311 - no secret
"""Set the variable to a number that a failure printed, to draw the same containers again."""


def target(daemon: Daemon) -> Target:
    """The image, and what this daemon says of a container of which nothing was said."""
    daemon.load_image("drawn", dict(IMAGE_CONFIG))
    plain = daemon.spec_of(daemon.container("plain", {"Image": daemon.image}))
    daemon.clear()
    return Target(plain.image, plain.host_config, daemon.api_version)


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_created_and_read_back_it_is_the_same(daemons: dict[str, Daemon], suite: str) -> None:
    daemon = daemons[suite]

    @seed(SEED)
    @settings(
        max_examples=20,
        deadline=None,
        database=None,
        print_blob=True,
        # making an example smaller takes minutes of creating containers
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(spec=specs(target(daemon)))
    def check(spec: ContainerSpec) -> None:
        note(f"to draw the same again: TRANSSHIP_TEST_SEED={SEED}")
        try:
            again = daemon.spec_of(daemon.recreate(spec))
        finally:
            daemon.clear()
        assert [str(difference) for difference in differences(spec, again)] == []
        # the image is known by its id now, where the spec says a name
        assert replace(again, image=spec.image) == spec

    check()
