from dataclasses import replace

import pytest

from tests.plan.observed import SPEC, found, seen
from transship.hosts.paths import TreeSize
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.space_checks import COPY_SPACE_RULES, SPACE_RULES
from transship.spec.model import VolumeSpec

VOLUME = VolumeSpec("data", "local", anonymous=False, destination="/data", options={}, labels={})
IMAGE = {"image": replace(SPEC.image, diff_ids=("sha256:a", "sha256:b"))}
DATA = {"sizes": {"data": TreeSize(size=10**9, stored=2 * 10**9, names=10)}}


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ([], seen(target={"docker_free_bytes": 230_000_000})),
        (["error no-space"], seen(target={"docker_free_bytes": 210_000_000})),
        ([], seen(target={"docker_free_bytes": 120_000_000, "image_store": "containerd"})),
        ([], seen(target={"docker_free_bytes": None})),
        ([], seen(target={"docker_free_bytes": 0}, there={"image": "sha256:1"})),
        ([], seen(spec=IMAGE, target={"docker_free_bytes": 120_000_000}, there={"shared_layers": 1})),
    ],
)
def test_what_the_rules_find(wanted: list[str], observed: Observation) -> None:
    assert found(observed, SPACE_RULES) == wanted


def test_what_is_copied_lies_in_the_same_place() -> None:
    volume = {"volumes": (VOLUME,)}
    for free, wanted in ((2_300_000_000, ["error no-space"]), (2_500_000_000, [])):
        observed = seen(spec=volume, state=DATA, target={"docker_free_bytes": free})
        assert found(observed, COPY_SPACE_RULES) == wanted
        assert found(observed, COPY_SPACE_RULES, MoveOptions(without_volumes=True)) == []


def test_the_source_needs_room_to_save_the_image() -> None:
    little = {"docker_free_bytes": 50_000_000}
    assert found(seen(source=little), COPY_SPACE_RULES) == ["error no-space-source"]
    assert found(seen(source=little, there={"image": "sha256:1"}), COPY_SPACE_RULES) == []
    assert found(seen(source={**little, "image_store": "containerd"}), COPY_SPACE_RULES) == []
