import getpass
import os

import pytest

from tests.plan.observed import SEEN
from transship.hosts.fake import FakeHost
from transship.plan.options import MoveOptions
from transship.strategies.record import new_record


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    made = new_record(SEEN, MoveOptions(), "sync", (FakeHost("old"), FakeHost("new")), "0badcafe")
    assert made.coordinator.startswith(f"{os.getuid()}@")
