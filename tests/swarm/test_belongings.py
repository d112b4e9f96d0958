"""What a service takes along."""

import pytest

from tests.plan.observed import SPEC
from tests.swarm.told import host_seen, record
from transship.errors import DockerError, TransferError
from transship.hosts.docker_errors import refusal
from transship.hosts.fake import FakeHost
from transship.metrics.events import Recorder
from transship.swarm.belongings import Belongings, Ends

NAME = "web:1@sha256:" + "a" * 64


def belongings(refused: DockerError) -> tuple[Belongings, FakeHost]:
    here, there = FakeHost("h2"), FakeHost("h3")
    there.docker.fail("pull", refused)
    ends = Ends(here, there, host_seen(image=SPEC.image), host_seen(image=SPEC.image))
    return Belongings(record(), ends, Recorder(), lambda _: None), there


def test_a_registry_that_wants_a_login_is_left_to_the_node() -> None:
    carried, there = belongings(refusal("pull web", "h3", "unauthorized: authentication required", 500))
    carried.bring_image(NAME)
    assert "pull" in there.docker.calls


def test_a_registry_that_is_gone_ends_the_move_before_anything_is_stopped() -> None:
    carried, _ = belongings(refusal("pull web", "h3", "connection refused", 500))
    with pytest.raises(TransferError, match="no registry tells it the digest"):
        carried.bring_image(NAME)
