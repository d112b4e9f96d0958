from copy import deepcopy
from typing import Any

import pytest

from tests.swarm.told import service_told
from transship.swarm.edits import available, before, constrained, drained, hurried, labelled, restored, scaled
from transship.swarm.model import Service
from transship.swarm.record import CLAIM, DRAINED

SPECS: list[dict[str, Any]] = [
    service_told(),
    service_told(constraints=("node.hostname==h2",)),
    service_told(
        UpdateConfig={"Parallelism": 2, "Delay": 5, "FailureAction": "rollback", "Monitor": 9, "Order": "stop-first"},
        RollbackConfig={"Parallelism": 1},
        replicas=3,
    ),
    service_told(template={"Placement": {"Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}]}}),
]


@pytest.mark.parametrize("told", SPECS)
def test_everything_that_a_move_changes_is_put_back_exactly(told: dict[str, Any]) -> None:
    original = deepcopy(told["Spec"])
    service = Service.read(told)
    was = before(service)
    changed = labelled(service.spec, CLAIM, "a record")
    changed = hurried(constrained(changed, ["node.id==h3-id"]), at_once=True, start_first=True)
    changed = scaled(changed, 0)
    assert changed != original
    assert labelled(restored(changed, was), CLAIM, None) == original
    assert service.spec == original, "the spec that was read is not changed in place"


def test_a_hurried_update_waits_for_nothing() -> None:
    told = service_told(UpdateConfig={"Parallelism": 1, "Delay": 10, "Monitor": 5, "FailureAction": "rollback"})
    update = Service.read({**told, "Spec": hurried(told["Spec"], at_once=True, start_first=False)}).update
    assert (update.parallelism, update.delay_s, update.order, update.on_failure) == (0, 0.0, "stop-first", "rollback")
    assert 0 < update.monitor_s < 0.001


def test_start_first_alone_keeps_the_rest() -> None:
    told = service_told()
    update = Service.read({**told, "Spec": hurried(told["Spec"], at_once=False, start_first=True)}).update
    assert (update.order, update.parallelism, update.monitor_s) == ("start-first", 1, 5.0)


def test_constraints_stay_where_only_the_rest_is_put_back() -> None:
    service = Service.read(service_told())
    moved = constrained(service.spec, ["node.id==h3-id"])
    assert restored(moved, before(service), placement=False) == moved


def test_a_drained_node_says_by_whom_and_comes_back_as_it_was() -> None:
    spec = {"Role": "worker", "Availability": "pause", "Labels": {"disk": "ssd"}}
    away = drained(spec, "0a1b2c3d")
    assert away == {"Role": "worker", "Availability": "drain", "Labels": {"disk": "ssd", DRAINED: "0a1b2c3d"}}
    assert available(away, "pause") == spec
