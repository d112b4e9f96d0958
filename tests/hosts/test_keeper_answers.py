"""What a keeper on a host that lies may say."""

from typing import Any, cast

import pytest

from transship.errors import TransferError
from transship.hosts.agent import Agent
from transship.hosts.keeper import Keeper

GOOD = {"file": "0badcafe.json", "record": None, "held": False, "why": "it holds no JSON"}


class Liar:
    """An agent that answers whatever it is asked with the same."""

    host = "old"
    patience_s = 1.0

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer

    def request(self, do: str, **_: object) -> None:
        """Hears everything."""

    def head(self) -> bytes:
        return b""

    def answer(self, _: bytes) -> dict[str, Any]:
        return self._answer

    def close(self, _: float) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"records": None, "more": False},
        {"records": ["noise"], "more": False},
        {"records": [{**GOOD, "held": "yes"}], "more": False},
        {"records": [{**GOOD, "record": "noise"}], "more": False},
        {"records": [{"file": "0badcafe.json"}], "more": False},
        {"records": [GOOD], "more": True},
    ],
)
def test_records_that_are_none_and_records_without_end_are_told_in_a_sentence(answer: dict[str, Any]) -> None:
    with (
        Keeper(cast("Agent", Liar(answer)), 5.0) as keeper,
        pytest.raises(TransferError, match="old answers what no keeper answers"),
    ):
        keeper.records()


def test_an_empty_page_is_the_last() -> None:
    with Keeper(cast("Agent", Liar({"records": [], "more": True})), 5.0) as keeper:
        assert keeper.records() == []
