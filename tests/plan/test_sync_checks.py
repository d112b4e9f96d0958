from dataclasses import replace
from typing import Any

import pytest

from tests.plan.observed import FOLDER, FREE, SEEN, seen
from transship.hosts.paths import TreeSize
from transship.plan.checks import check
from transship.plan.copied import copied_binds, is_copied
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.sync_checks import SYNC_RULES
from transship.spec.model import Mount, VolumeSpec

BIND = Mount("bind", "/srv/data", "/data", read_only=False, form="string")
SOCKET = replace(BIND, source="/var/run/docker.sock", target="/var/run/docker.sock")
VOLUME = VolumeSpec("data", "local", anonymous=False, destination="/data", options={}, labels={})
NFS = replace(VOLUME, options={"type": "nfs", "o": "addr=10.0.0.1", "device": ":/x"})
USED = {"volume_users": {"data": ("reader",)}}
HERE = {"paths": {"/srv/data": FOLDER}}
UNSEEN: dict[str, Any] = {"state": {"paths": None}, "there": {"paths": None}}
FREE_THERE = {"paths": {"/srv/data": FREE}}
HAS_DATA = {"volumes": frozenset({"data"}), "occupied_volumes": frozenset({"data"})}
HAS_PATH = {"paths": {"/srv/data": FOLDER}}

CASES: list[tuple[str, str, Observation, MoveOptions]] = [
    ("error", "no-agent", seen(target={"python_version": None}), MoveOptions()),
    ("error", "no-agent", seen(target={"python_version": "3.7.9"}), MoveOptions()),
    ("error", "no-agent", seen(target={"root_access": "none"}), MoveOptions()),
    ("error", "no-agent", seen(target={"can_run": False}), MoveOptions()),
    ("error", "storage-driver", seen(target={"storage_driver": "btrfs"}), MoveOptions()),
    ("error", "mapped-ids", seen(target={"rootless": True}), MoveOptions()),
    ("error", "mapped-ids", seen(target={"userns_remap": True}), MoveOptions()),
    ("note", "remote-volume", seen(spec={"volumes": (NFS,)}), MoveOptions()),
    ("note", "remote-volume", seen(spec={"volumes": (replace(VOLUME, driver="rclone"),)}), MoveOptions()),
    ("error", "shared-volume", seen(spec={"volumes": (VOLUME,)}, company=USED), MoveOptions()),
    ("warning", "shared-volume", seen(spec={"volumes": (VOLUME,)}, company=USED), MoveOptions(shared_volumes=True)),
    ("error", "occupied-volume", seen(spec={"volumes": (VOLUME,)}, there=HAS_DATA), MoveOptions()),
    ("warning", "occupied-volume", seen(spec={"volumes": (VOLUME,)}, there=HAS_DATA), MoveOptions(replace_data=True)),
    ("error", "bind-mount", seen(spec={"mounts": (BIND,)}), MoveOptions()),
    ("error", "bind-occupied", seen(spec={"mounts": (BIND,)}, state=HERE, there=HAS_PATH), MoveOptions(binds="copy")),
    (
        "warning",
        "bind-occupied",
        seen(spec={"mounts": (BIND,)}, state=HERE, there=HAS_PATH),
        MoveOptions(binds="copy", replace_data=True),
    ),
    (
        "warning",
        "bind-unseen",
        seen(spec={"mounts": (BIND,)}, state=HERE, there={"paths": None}),
        MoveOptions(binds="copy"),
    ),
    ("warning", "bind-skipped", seen(spec={"mounts": (BIND,)}), MoveOptions(binds="skip")),
    (
        "error",
        "bind-missing",
        seen(spec={"mounts": (BIND,)}, there={"paths": {"/srv/data": FREE}}),
        MoveOptions(binds="expect"),
    ),
    ("error", "no-direct-path", seen(target={"root_access": "docker"}), MoveOptions(path="direct")),
    (
        "error",
        "bind-system",
        seen(spec={"mounts": (replace(BIND, source="/var/lib/docker/containers"),)}, **UNSEEN),
        MoveOptions(binds="copy"),
    ),
    ("error", "bind-system", seen(spec={"mounts": (replace(BIND, source="/"),)}, **UNSEEN), MoveOptions(binds="copy")),
    (
        "error",
        "bind-system",
        seen(spec={"mounts": (BIND,)}, state={"paths": {"/srv/data": replace(FOLDER, real="/etc")}}, there=FREE_THERE),
        MoveOptions(binds="copy"),
    ),
    (
        "error",
        "bind-source",
        seen(spec={"mounts": (BIND,)}, state=FREE_THERE, there=FREE_THERE),
        MoveOptions(binds="copy"),
    ),
    (
        "error",
        "bind-source",
        seen(spec={"mounts": (BIND,)}, state={"paths": {"/srv/data": replace(FOLDER, kind="other")}}, there=FREE_THERE),
        MoveOptions(binds="copy"),
    ),
    (
        "error",
        "bind-kind",
        seen(spec={"mounts": (BIND,)}, state=HERE, there={"paths": {"/srv/data": replace(FOLDER, kind="file")}}),
        MoveOptions(binds="copy"),
    ),
    ("error", "no-space-source", seen(source={"docker_free_bytes": 50_000_000}), MoveOptions()),
    (
        "error",
        "no-space",
        seen(
            spec={"volumes": (VOLUME,)},
            state={"sizes": {"data": TreeSize(10**9, 60 * 10**9, 5)}},
        ),
        MoveOptions(),
    ),
    ("note", "crash-consistent", SEEN, MoveOptions(freeze=True)),
]


@pytest.mark.parametrize(
    ("severity", "code", "observed", "options"), CASES, ids=[f"{c[1]}-{i}" for i, c in enumerate(CASES)]
)
def test_a_trap_of_sync_is_found_and_explained(
    severity: str, code: str, observed: Observation, options: MoveOptions
) -> None:
    (finding,) = check(observed, options, SYNC_RULES)
    assert (finding.severity, finding.code) == (severity, code)
    assert finding.hint or severity != "error", "an error says what to do"


def test_an_ordinary_volume_and_a_system_path_are_no_trap() -> None:
    observed = seen(spec={"volumes": (VOLUME,), "mounts": (SOCKET,)}, there={"volumes": frozenset({"data"})}, state={})
    assert check(observed, MoveOptions(), SYNC_RULES) == ()
    assert check(SEEN, MoveOptions(binds="copy"), SYNC_RULES) == ()


def test_a_path_that_is_free_on_the_target_is_no_trap() -> None:
    observed = seen(spec={"mounts": (BIND,)}, state=HERE, there=FREE_THERE)
    assert check(observed, MoveOptions(binds="copy"), SYNC_RULES) == ()


def test_only_data_that_lies_on_the_host_is_copied() -> None:
    assert is_copied(VOLUME)
    assert not is_copied(NFS)
    assert copied_binds((BIND, SOCKET, replace(BIND, target="/again")), MoveOptions(binds="copy")) == ("/srv/data",)
    assert copied_binds((BIND,), MoveOptions(binds="expect")) == ()
