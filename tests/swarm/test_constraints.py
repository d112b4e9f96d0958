import pytest

from tests.swarm.told import H1, H2, H3, node
from transship.swarm.constraints import admits, is_pin, only_on, with_pins

NODES = (H1, H2, H3)


@pytest.mark.parametrize(
    ("constraint", "admitted"),
    [
        ("node.hostname==h2", True),
        ("node.hostname == h3", False),
        ("node.hostname!=h3", True),
        ("node.id==h2-id", True),
        ("node.role==worker", True),
        ("node.role!=worker", False),
        ("node.platform.os==linux", True),
        ("node.platform.arch==amd64", True),
        ("node.platform.arch==x86_64", True),
        ("node.labels.disk==ssd", True),
        ("node.labels.disk==hdd", False),
        ("node.labels.zone==a", False),
        ("node.labels.zone!=a", True),
        ("engine.labels.kind==small", True),
        ("NODE.HOSTNAME==H2", True),
        ("node.ip==198.18.0.0/15", True),
        ("nonsense", True),
    ],
)
def test_admits_what_swarm_would(constraint: str, *, admitted: bool) -> None:
    assert admits(constraint, node("h2", disk="ssd")) is admitted


def test_one_node_is_named_and_several_are_what_the_others_are_not() -> None:
    assert only_on([H3], NODES) == ("node.id==h3-id",)
    assert only_on([H1, H3], NODES) == ("node.id!=h2-id",)


def test_pins_that_exclude_the_goal_are_replaced_and_all_else_stays() -> None:
    constraints = ("node.role==worker", "node.hostname==h2", "node.hostname!=h1")
    assert with_pins(constraints, [H3], NODES) == ("node.role==worker", "node.hostname!=h1", "node.id==h3-id")


def test_only_names_of_nodes_are_pins() -> None:
    assert is_pin("node.hostname == h2")
    assert not is_pin("node.labels.hostname==h2")
    assert not is_pin("nonsense")
