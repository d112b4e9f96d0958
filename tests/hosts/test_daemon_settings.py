import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship.hosts.daemon_settings import KNOWN, read_settings


@pytest.mark.parametrize(
    ("file", "words", "wanted"),
    [
        ("", "", {}),
        ("{}", "dockerd\t-H\tfd://\t", {}),
        ('{"dns": ["10.0.0.1"], "mtu": 1400}', "", {"dns": '["10.0.0.1"]', "mtu": '"1400"'}),
        ("", "dockerd\t--mtu\t1400\t", {"mtu": '"1400"'}),
        ("", "dockerd\t--mtu=1400\t", {"mtu": '"1400"'}),
        ("", "dockerd\t--dns=10.0.0.1\t--dns\t10.0.0.2\t", {"dns": '["10.0.0.1", "10.0.0.2"]'}),
        ("", "dockerd\t--init\t--icc=false\t", {"icc": "false", "init": "true"}),
        ("", "dockerd\t--default-ulimit\tnofile=64:64\t", {"default-ulimits": '["nofile=64:64"]'}),
        ('{"log-opts": {"splunk-token": "secret"}, "proxies": {"http-proxy": "http://me:secret@x"}}', "", {}),
    ],
)  # fmt: skip
def test_what_shapes_containers_is_read_and_nothing_else(file: str, words: str, wanted: dict[str, str]) -> None:
    assert read_settings(file, words) == wanted


@pytest.mark.parametrize(("file", "words"), [("{", ""), ("[]", ""), ("", "dockerd\t--init\t\ndockerd\t")])
def test_what_is_not_certain_is_nothing(file: str, words: str) -> None:
    assert read_settings(file, words) is None


SETTINGS = st.recursive(
    st.none() | st.text(), lambda each: st.dictionaries(st.sampled_from(sorted(KNOWN)), each), max_leaves=10
)


@given(file=st.text() | SETTINGS.map(json.dumps), words=st.text())
def test_whatever_a_host_says_is_read(file: str, words: str) -> None:
    found = read_settings(file, words)
    assert found is None or set(found) <= KNOWN
