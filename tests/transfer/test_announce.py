from dataclasses import dataclass
from typing import Any

import pytest

from tests.custody import moving
from transship.errors import LostError, TransshipError, UnreachableError
from transship.hosts.fake import FakeHost
from transship.transfer.trees import Announce


@dataclass
class Lost:
    """A pair whose agent on the target is not there any more."""

    error: TransshipError

    @property
    def target(self) -> "Lost":
        return self

    def call(self, do: str, **_: object) -> dict[str, Any]:
        raise self.error


@pytest.mark.parametrize("error", [LostError("the agent on new was lost"), UnreachableError("gone")])
def test_what_only_spares_a_client_a_second_is_no_reason_to_go_back(error: TransshipError) -> None:
    target = FakeHost("new")
    target.docker.images.add([b""], name="web:1")
    move = moving(FakeHost("old"), target)
    move.made.container = target.docker.create_container("web", {"Image": "web:1"})
    move.work.agents = Lost(error)  # type: ignore[assignment]
    Announce().run(move)
