import pytest

from tests.plan.observed import found, seen
from transship.plan.daemon_checks import DAEMON_RULES
from transship.plan.observation import Observation

DNS = {"settings": {"dns": '["10.0.0.53"]'}}
LOKI = {"host_config": {"LogConfig": {"Type": "loki"}}}


def runtime(name: str) -> dict[str, object]:
    return {"host_config": {"Runtime": name}}


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ([], seen()),
        ([], seen(spec=runtime("runc"))),
        (["error runtime"], seen(spec=runtime("nvidia"))),
        ([], seen(spec=runtime("io.containerd.runc.v2"))),
        (["warning runtime-unseen"], seen(spec=runtime("io.containerd.kata.v2"))),
        (["error runtime"], seen(spec=runtime("io.containerd.runc.v2"), there={"api_version": (1, 41)})),
        ([], seen(spec=runtime("io.containerd.kata.v2"), target={"runtimes": ("io.containerd.kata.v2",)})),
        (["error log-driver"], seen(spec=LOKI)),
        ([], seen(spec=LOKI, there={"log_plugins": frozenset({"loki", "loki:latest"})})),
        ([], seen(source=DNS)),
        (["note daemon-differs"], seen(source=DNS, target={"settings": {}})),
        (["note daemon-differs"], seen(source={"settings": {}}, target=DNS)),
        ([], seen(source=DNS, target=DNS)),
        ([], seen(source=DNS, target={"settings": {}}, spec={"host_config": {"Dns": ["10.0.0.1"]}})),
        (["note daemon-differs"], seen(source={"settings": {"mtu": '"1400"'}}, target={"settings": {}})),
        (["note daemon-differs"], seen(source={"live_restore": True})),
        ([], seen(target={"live_restore": True})),
        (["warning clock-skew"], seen(target={"clock_skew_s": 30.0})),
        (["warning clock-skew"], seen(source={"clock_skew_s": 3.0})),
        ([], seen(source={"clock_skew_s": 30.0}, target={"clock_skew_s": 30.5})),
        ([], seen(target={"clock_skew_s": 3.0, "clock_uncertainty_s": 2.0})),
    ],
)
def test_what_the_rules_find(wanted: list[str], observed: Observation) -> None:
    assert found(observed, DAEMON_RULES) == wanted
