import pytest

from tests.plan.observed import found, seen
from transship.plan.observation import Observation
from transship.plan.security_checks import SECURITY_RULES

SECCOMP, ARMOR = "name=seccomp,profile=builtin", "name=apparmor"
BOTH = {"security_options": (ARMOR, SECCOMP)}


def with_option(*options: str) -> dict[str, object]:
    return {"host_config": {"SecurityOpt": list(options)}}


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ([], seen(source=BOTH, target=BOTH)),
        ([], seen(target=BOTH)),
        (["warning weaker-security"] * 2, seen(source=BOTH)),
        (["warning weaker-security"], seen(source=BOTH, target={"security_options": (SECCOMP,)})),
        ([], seen(source=BOTH, spec={"host_config": {"Privileged": True}})),
        ([], seen(source=BOTH, spec=with_option("apparmor=unconfined", "seccomp:unconfined"))),
        (["warning weaker-security"], seen(source={"security_options": ("name=selinux",)})),
        ([], seen(source={"security_options": ("name=selinux",)}, spec=with_option("label=disable"))),
        (["error seccomp"], seen(source=BOTH, spec=with_option('seccomp={"defaultAction": "SCMP_ACT_ALLOW"}'))),
        ([], seen(source=BOTH, target=BOTH, spec=with_option("apparmor=docker-default"))),
        (["warning profile-unseen"], seen(source=BOTH, target=BOTH, spec=with_option("apparmor=mine"))),
        (
            ["error apparmor-profile"],
            seen(target=BOTH, spec=with_option("apparmor=mine"), there={"profiles": frozenset({"other"})}),
        ),
        ([], seen(target=BOTH, spec=with_option("apparmor=mine"), there={"profiles": frozenset({"mine"})})),
    ],
)
def test_what_the_rules_find(wanted: list[str], observed: Observation) -> None:
    assert found(observed, SECURITY_RULES) == wanted
