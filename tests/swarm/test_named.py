"""Services and nodes are found as the docker command finds them."""

from dataclasses import replace

import pytest

from tests.swarm.told import H1, H2, H3, service
from transship.errors import PreflightError
from transship.swarm.observe import find_node, find_service, require_known

WEB, DB = replace(service(), id="aa11", name="web"), replace(service(), id="bb22", name="db")


@pytest.mark.parametrize("ref", ["web", "aa11", "aa"])
def test_a_service_is_named_by_name_id_or_the_begin_of_its_id(ref: str) -> None:
    assert find_service([WEB, DB], ref, "h1") == WEB


def test_a_name_goes_before_the_begin_of_an_id_and_an_id_before_a_name() -> None:
    tricky, exact = replace(DB, name="aa"), replace(DB, name="aa11")
    assert find_service([WEB, tricky], "aa", "h1") == tricky
    assert find_service([WEB, exact], "aa11", "h1") == WEB


def test_what_may_be_several_is_refused() -> None:
    with pytest.raises(PreflightError, match="several services 'aa'"):
        find_service([WEB, replace(DB, id="aa22")], "aa", "h1")
    with pytest.raises(PreflightError, match="several nodes 'h2'"):
        find_node([H2, replace(H3, name="h2")], "h2", "h1")
    with pytest.raises(PreflightError, match="no service ''"):
        find_service([WEB], "", "h1")


def test_a_node_that_is_not_there_is_no_way_to_reach_one() -> None:
    require_known([H1, H2], ["h2"])
    with pytest.raises(PreflightError, match="--at h9=") as error:
        require_known([H1, H2], ["h9"])
    assert error.value.hint == "its nodes are h1, h2"
