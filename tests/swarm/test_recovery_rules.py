import pytest

from tests.swarm.told import record
from transship.codec import MalformedError
from transship.swarm.record import from_text, to_text
from transship.swarm.recovery import Kind, ServiceSeen, decide


@pytest.mark.parametrize(
    ("seen", "would"),
    [
        (ServiceSeen(present=False), "forget"),
        (ServiceSeen(present=True), "forget"),
        (ServiceSeen(present=True, claimed=True), "bring-back"),
        (ServiceSeen(present=True, claimed=True, arrived=True), "bring-back"),
        (ServiceSeen(present=True, claimed=True, changed=True), "bring-back"),
        (ServiceSeen(present=True, claimed=True, changed=True, arrived=True), "finish"),
    ],
)
def test_what_is_seen_decides(seen: ServiceSeen, would: Kind) -> None:
    assert decide(record(), seen).would == would


def test_a_record_survives_the_label() -> None:
    made = record()
    assert from_text(to_text(made)) == made


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', "{", '{"format": 99, "id": "x"}'])
def test_a_label_that_is_no_record_is_told_as_such(text: str) -> None:
    with pytest.raises(MalformedError):
        from_text(text)
