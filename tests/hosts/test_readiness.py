from dataclasses import replace

import pytest

from transship.hosts.facts import Facts, observe_host
from transship.hosts.fake import FakeHost
from transship.hosts.readiness import readiness


@pytest.fixture
def able() -> Facts:
    """A host that lacks nothing."""
    return replace(
        observe_host(FakeHost()),
        can_run=True,
        python_version="3.11.2",
        root_access="root",
        criu_version="4.1",
        experimental=True,
    )


def lacking(facts: Facts) -> dict[str, list[str]]:
    return {each.strategy: [lack.what for lack in each.lacks] for each in readiness(facts)}


def test_able_host_is_ready_for_each_strategy(able: Facts) -> None:
    assert lacking(able) == {"stop-start": [], "export-import": [], "sync": [], "live": []}
    assert all(each.ready for each in readiness(able))


@pytest.mark.parametrize(
    ("change", "strategies", "says"),
    [
        ({"system": "windows"}, {"stop-start", "export-import", "sync", "live"}, "not Linux"),
        ({"api_version": "1.40"}, {"stop-start", "export-import", "sync", "live"}, "older than 20.10"),
        ({"can_run": False}, {"sync", "live"}, "only Docker's API"),
        ({"python_version": None}, {"sync", "live"}, "no Python"),
        ({"python_version": "3.7.3"}, {"sync", "live"}, "no Python"),
        ({"root_access": "none"}, {"sync", "live"}, "become root"),
        ({"criu_version": None}, {"live"}, "CRIU is not installed"),
        ({"experimental": False}, {"live"}, "experimental"),
        ({"cgroup_version": "1"}, {"live"}, "cgroup"),
        ({"rootless": True}, {"live"}, "rootless"),
        ({"userns_remap": True}, {"live"}, "userns-remap"),
    ],
)
def test_what_is_missing_is_told_for_the_strategies_that_need_it(
    able: Facts, change: dict[str, object], strategies: set[str], says: str
) -> None:
    lacks = lacking(replace(able, **change))  # type: ignore[arg-type]
    assert {strategy for strategy, what in lacks.items() if any(says in each for each in what)} == strategies
    assert {strategy for strategy, what in lacks.items() if what} == strategies
