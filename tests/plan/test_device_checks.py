from typing import Any

import pytest

from tests.plan.observed import FREE, found, seen
from transship.hosts.paths import PathSeen
from transship.plan.device_checks import DEVICE_RULES, device_paths
from transship.plan.observation import Observation

FUSE = {"host_config": {"Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse"}]}}
SLOWED = {"host_config": {"BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1}]}}
GPU = {"host_config": {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}}
CDI = {"host_config": {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["vendor.com/device=one"]}]}}


def at(path: str, kind: Any) -> dict[str, object]:
    return {"devices": {path: PathSeen(kind, empty=False, real=path)}}


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ([], seen()),
        ([], seen(spec=FUSE, there=at("/dev/fuse", "other"))),
        (["error device"], seen(spec=FUSE, there={"devices": {"/dev/fuse": FREE}})),
        (["warning device-unseen"], seen(spec=FUSE, there={"devices": None})),
        (["error device"], seen(spec=SLOWED, there={"devices": {"/dev/sda": FREE}})),
        ([], seen(spec=GPU, target={"nvidia": True})),
        (["error gpu"], seen(spec=GPU, target={"nvidia": False})),
        (["warning device-unseen"], seen(spec=GPU)),
        (["warning device-unseen"], seen(spec=CDI, target={"nvidia": True})),
    ],
)
def test_what_the_rules_find(wanted: list[str], observed: Observation) -> None:
    assert found(observed, DEVICE_RULES) == wanted


def test_the_devices_of_the_host_are_named() -> None:
    assert device_paths(seen(spec=FUSE).spec) == ("/dev/fuse",)
    assert device_paths(seen(spec=SLOWED).spec) == ("/dev/sda",)
    assert device_paths(seen().spec) == ()
