import pytest

from tests.plan.observed import found, seen
from transship.plan.checks import check
from transship.plan.loss_checks import LOSS_RULES
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.spec.model import Mount, VolumeSpec

VOLUME = VolumeSpec("data", "local", anonymous=False, destination="/data", options={}, labels={})
TMPFS = Mount("tmpfs", "", "/scratch", read_only=False, form="structured")
JOURNAL = {"host_config": {"LogConfig": {"Type": "journald"}}}
SLOW = {"config": {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 90 * 10**9}}}
STARTING = {"config": {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 90 * 10**9, "StartPeriod": 10**9}}}
NO_AGENT = {"python_version": None}


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ([], seen()),
        (["note tmpfs-lost"], seen(spec={"host_config": {"Tmpfs": {"/run": ""}}})),
        (["note tmpfs-lost"], seen(spec={"mounts": (TMPFS,)})),
        ([], seen(spec={"mounts": (TMPFS,)}, state={"status": "exited"})),
        (["note logs-stay"], seen(spec=JOURNAL)),
        ([], seen(spec={"host_config": {"LogConfig": {"Type": "syslog"}}})),
        (["note hostname"], seen(spec={"volumes": (VOLUME,), "config": {}})),
        ([], seen(spec={"volumes": (VOLUME,)})),
        ([], seen(spec={"config": {}})),
        ([], seen(spec={"volumes": (VOLUME,), "config": {}, "network_mode": "host"})),
        (["note exec-sessions"], seen(state={"exec_sessions": 2})),
        (["note stop-unheard"], seen(state={"stop_heard": False})),
        ([], seen(state={"stop_heard": True})),
        (["warning unhealthy"], seen(state={"health": "unhealthy"})),
        ([], seen(state={"health": "starting"})),
        (["error health-slow"], seen(spec=SLOW)),
        ([], seen(spec=SLOW, state={"status": "exited"})),
        ([], seen(spec=STARTING)),
        (["warning no-keeper"], seen(target=NO_AGENT)),
        (["warning no-keeper"] * 2, seen(source=NO_AGENT, target={"root_access": "none"})),
        ([], seen(source=NO_AGENT, state={"status": "exited"})),
    ],
)
def test_what_the_rules_find(wanted: list[str], observed: Observation) -> None:
    assert found(observed, LOSS_RULES) == wanted


def test_a_longer_wait_and_a_freeze_are_options() -> None:
    assert found(seen(spec=SLOW), LOSS_RULES, MoveOptions(health_timeout_s=120.0)) == []
    assert found(seen(state={"stop_heard": False}), LOSS_RULES, MoveOptions(freeze=True)) == []


def test_logs_are_deleted_with_a_source_that_is_removed() -> None:
    (finding,) = check(seen(spec=JOURNAL), MoveOptions(source="remove"), LOSS_RULES)
    assert "deleted with the source" in finding.message
