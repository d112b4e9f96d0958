import pytest

from tests.swarm.told import record
from transship.codec import MalformedError
from transship.plan.record import Made
from transship.swarm.record import ServiceMove, Stage, from_text, to_text
from transship.swarm.recovery import Kind, ServiceSeen, ServiceStatus, _asking, _Manager, _withdrawn, decide


@pytest.mark.parametrize(
    ("seen", "would"),
    [
        (ServiceSeen(present=False), "forget"),
        (ServiceSeen(present=True), "forget"),
        (ServiceSeen(present=True, claimed=True), "bring-back"),
        (ServiceSeen(present=True, claimed=True, arrived=True), "finish"),
        (ServiceSeen(present=True, claimed=True, changed=True), "bring-back"),
        (ServiceSeen(present=True, claimed=True, changed=True, arrived=True), "finish"),
    ],
)
def test_what_is_seen_decides(seen: ServiceSeen, would: Kind) -> None:
    assert decide(record(), seen).would == would


@pytest.mark.parametrize(("home", "would"), [(True, "clean-up"), (False, "forget")])
def test_what_was_brought_is_removed_later_only_while_the_service_is_at_home(home: bool, would: Kind) -> None:
    assert decide(record(stage="restored"), ServiceSeen(present=True, home=home)).would == would


def test_a_manager_that_is_named_is_asked_about_the_moves_of_its_own_swarm() -> None:
    own = _Manager("ssh://h9", frozenset({"h3-id", "h9-id"}), ())
    other = _Manager("ssh://elsewhere", frozenset({"x-id"}), ())
    assert _asking([other, own], record()).manager == "ssh://h9"
    assert _asking([other], record()) == record()


def test_a_record_survives_the_label() -> None:
    made = record()
    assert from_text(to_text(made)) == made


@pytest.mark.parametrize(
    ("would", "stage", "removed"),
    [
        ("bring-back", "claimed", Made(image="i", volumes={"data": ""})),
        ("bring-back", "stopping", Made(image="i", volumes={"data": ""})),
        ("bring-back", "changed", Made(image="i")),
        ("clean-up", "restored", Made(image="i", volumes={"data": ""})),
        ("finish", "changed", Made()),
        ("forget", "claimed", Made()),
        ("forget", "changed", Made()),
    ],
)
def test_no_data_is_removed_where_the_service_may_have_run(would: Kind, stage: Stage, removed: Made) -> None:
    made: ServiceMove = record(made=Made(image="i", volumes={"data": ""}), stage=stage)
    assert _withdrawn(ServiceStatus(made, would, "")) == removed


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "x" * 65])
def test_an_id_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(MalformedError):
        from_text(to_text(record(id=name)))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', "{", '{"format": 99, "id": "x"}'])
def test_a_label_that_is_no_record_is_told_as_such(text: str) -> None:
    with pytest.raises(MalformedError):
        from_text(text)
