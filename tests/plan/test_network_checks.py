from dataclasses import replace

import pytest

from tests.plan.observed import seen
from transship.plan.checks import check
from transship.plan.network_checks import overlapping
from transship.plan.options import MoveOptions
from transship.spec.model import NetworkAttachment, NetworkSpec
from transship.strategies.frame import arriving

BACK = NetworkSpec("back", "bridge", ipam={"Driver": "default", "Config": [{"Subnet": "172.18.0.0/16"}]})


@pytest.mark.parametrize(
    ("subnets", "found"),
    [
        ({}, ""),
        ({"bridge": ("172.17.0.0/16",)}, ""),
        ({"bridge": ("172.17.0.0/16",), "other": ("172.18.4.0/24",)}, "other"),
        ({"wide": ("172.16.0.0/12",)}, "wide"),
        ({"six": ("2001:db8::/64",)}, ""),
    ],
)
def test_overlapping_subnets_are_found(subnets: dict[str, tuple[str, ...]], found: str) -> None:
    assert overlapping(BACK, subnets) == found


def test_a_subnet_that_is_in_use_is_left_to_docker_where_nothing_depends_on_it() -> None:
    observed = seen(spec={"networks": (NetworkAttachment(BACK),)}, there={"subnets": {"other": ("172.18.0.0/16",)}})
    assert [(each.severity, each.code) for each in check(observed, MoveOptions())] == [("note", "network-subnet")]
    (attachment,) = arriving(observed, MoveOptions()).networks
    assert attachment.network == replace(BACK, ipam={"Driver": "default"})


def test_a_fixed_address_in_a_subnet_that_is_in_use_forbids_the_move() -> None:
    fixed = NetworkAttachment(BACK, ipv4="172.18.0.7")
    observed = seen(spec={"networks": (fixed,)}, there={"subnets": {"other": ("172.18.0.0/16",)}})
    (finding,) = check(observed, MoveOptions())
    assert (finding.severity, finding.code) == ("error", "network-overlap")
    assert finding.hint


def test_a_free_subnet_is_kept() -> None:
    observed = seen(spec={"networks": (NetworkAttachment(BACK),)}, there={"subnets": {"other": ("10.0.0.0/8",)}})
    assert check(observed, MoveOptions()) == ()
    (attachment,) = arriving(observed, MoveOptions()).networks
    assert attachment.network == BACK
