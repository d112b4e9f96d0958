from dataclasses import replace
from typing import Any

import pytest

from tests.spec.documents import container, image
from tests.spec.test_extract import spec_of
from transship.spec.compare import ALLOWED, ALLOWED_FLAT, differences
from transship.spec.model import ContainerSpec

SECRET = "hunter2"


def found(a: ContainerSpec, b: ContainerSpec, **options: Any) -> dict[str, str]:
    return {item.field: item.what for item in differences(a, b, **options)}


def test_a_container_does_not_differ_from_itself() -> None:
    assert differences(spec_of(container()), spec_of(container())) == ()


@pytest.mark.parametrize(
    ("change", "field", "what"),
    [
        (
            {"config": {"Env": ["LANG=de", f"TOKEN={SECRET}", "PATH=/usr/bin:/bin"]}},
            "config.Env",
            "TOKEN is new, LANG differs",
        ),
        ({"config": {"Env": ["LANG=C.UTF-8", "PATH=/usr/bin:/bin"]}}, "config.Env", "the order differs"),
        ({"config": {"Labels": {"maintainer": SECRET}}}, "config.Labels", "maintainer differs"),
        ({"config": {"Cmd": ["serve", SECRET]}}, "config.Cmd", "differs"),
        ({"config": {"User": "root"}}, "config.User", "'www' became 'root'"),
        ({"host_config": {"Memory": 9}}, "host_config.Memory", "is there, and was not"),
    ],
)
def test_what_differs_is_said_without_secrets(change: Any, field: str, what: str) -> None:
    assert found(spec_of(container()), spec_of(container(**change))) == {field: what}


def test_of_a_field_that_is_not_known_no_value_is_shown() -> None:
    one, other = (spec_of(container(host_config={"Novel": value})) for value in (SECRET, "x"))
    assert found(one, other) == {"host_config.Novel": "differs"}


def test_it_does_not_matter_who_says_it() -> None:
    by_image = spec_of(container())
    by_user = replace(by_image, image=replace(by_image.image, config={}), config=by_image.image.config)
    assert differences(by_image, by_user) == ()


def test_what_may_differ_is_a_short_list() -> None:
    a = spec_of(container())
    b = replace(a, image=replace(a.image, id="other", reference="sha256:x", tags=(), digests=("d",)))
    assert differences(a, b) == ()
    assert set(found(a, b, ignore=())) == set(ALLOWED)
    flat = replace(a, image=replace(a.image, diff_ids=("one",)))
    assert set(found(a, flat)) == {"image.diff_ids"}
    assert differences(a, flat, ignore=ALLOWED_FLAT) == ()


def test_another_image_is_a_difference() -> None:
    other = {**image(), "RootFS": {"Layers": ["sha256:other"]}}
    assert set(found(spec_of(container()), spec_of(container(), image=other))) == {"image.diff_ids"}


def test_a_field_is_ignored_with_all_below_it_and_nothing_beside_it() -> None:
    a, b = spec_of(container()), spec_of(container(host_config={"Memory": 1, "MemorySwap": 2}))
    assert set(found(a, b, ignore=["host_config.Memory"])) == {"host_config.MemorySwap"}
    assert differences(a, b, ignore=["host_config"]) == ()
