import pytest

from tests.plan.observed import found, seen
from transship.plan.checks import check
from transship.plan.company_checks import COMPANY_RULES
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.spec.model import NetworkAttachment, NetworkSpec

BACK = {"networks": (NetworkAttachment(NetworkSpec("back", "bridge")),)}
LAN = {"networks": (NetworkAttachment(NetworkSpec("lan", "macvlan")),)}
MESH = {"networks": (NetworkAttachment(NetworkSpec("mesh", "overlay", scope="swarm")),)}
DEFAULT = {"networks": (NetworkAttachment(NetworkSpec("bridge", "bridge")),)}


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ([], seen(spec=BACK, company={"peers": {"back": ()}})),
        (["warning peers"], seen(spec=BACK, company={"peers": {"back": ("db", "cache")}})),
        (["note peers"], seen(spec=LAN, company={"peers": {"lan": ("db",)}})),
        ([], seen(spec=MESH, company={"peers": {"mesh": ("db",)}})),
        ([], seen(spec=DEFAULT, company={"peers": {"bridge": ("db",)}})),
        (["warning linked-by"], seen(company={"linked_by": ("proxy",)})),
        (["note volumes-from"], seen(state={"volumes_from": ("data",)})),
        (["warning systemd-unit"], seen(company={"units": ("web.service",)})),
        (["warning updater"], seen(company={"updaters": ("watchtower",)})),
        (["note panel"], seen(company={"panels": ("portainer",)})),
    ],
)
def test_what_the_rules_find(wanted: list[str], observed: Observation) -> None:
    assert found(observed, COMPANY_RULES) == wanted


def test_the_rest_of_a_compose_project_is_named() -> None:
    observed = seen(
        spec={"config": {"Labels": {"com.docker.compose.project": "shop"}}}, company={"project": ("cache", "db")}
    )
    (finding,) = check(observed, MoveOptions(), COMPANY_RULES)
    assert "shop, whose files and the containers cache and db stay behind" in finding.message
