import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.documents import container
from tests.spec.test_extract import spec_of
from transship.spec.codec import SpecError
from transship.spec.model import ContainerSpec

SECRET = "hunter2"


def sample() -> ContainerSpec:
    document = container(
        config={"Env": [f"PASSWORD={SECRET}"], "Labels": {"token": SECRET}, "Cmd": ["serve", SECRET]},
        host_config={
            "LogConfig": {"Type": "splunk", "Config": {"splunk-token": SECRET}},
            "Binds": ["/a:/b:ro,z"],
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        },
    )
    return spec_of(document)


def test_no_secret_in_repr() -> None:
    assert SECRET not in repr(sample())


def test_stored_and_read_again_it_is_the_same() -> None:
    assert ContainerSpec.from_json(sample().to_json()) == sample()


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"version": 2, "spec": {}}', "{" * 100_000, b"\xff", "NaN"])
def test_anything_else_is_refused(text: str | bytes) -> None:
    with pytest.raises(SpecError):
        ContainerSpec.from_json(text)


def test_another_version_is_refused_with_advice() -> None:
    with pytest.raises(SpecError) as caught:
        ContainerSpec.from_json('{"version": 99}')
    assert caught.value.hint


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in members for place in places(child, (*path, key)))]


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copy


STORED = json.loads(sample().to_json())
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(path=st.sampled_from(places(STORED)), value=anything)
def test_a_damaged_spec_is_refused_or_still_a_spec(path: tuple[Any, ...], value: Any) -> None:
    text = json.dumps(put(STORED, path, value))
    try:
        spec = ContainerSpec.from_json(text)
    except SpecError:
        return
    assert ContainerSpec.from_json(spec.to_json()) == spec
    assert isinstance(spec.published_ports, tuple)
