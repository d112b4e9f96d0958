import pytest

from tests.plan.observed import found, seen
from transship.plan.limit_checks import LIMIT_RULES
from transship.plan.observation import Observation


def with_config(**words: object) -> dict[str, object]:
    return {"host_config": words}


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ([], seen(spec=with_config(Memory=10**9, NanoCpus=4 * 10**9, CpusetCpus="0-3", PidsLimit=100))),
        ([], seen(target={"missing_limits": ("MemoryLimit", "PidsLimit")})),
        (["error limit-unknown"], seen(spec=with_config(Memory=10**9), target={"missing_limits": ("MemoryLimit",)})),
        (["error limit-unknown"], seen(spec=with_config(PidsLimit=10), target={"missing_limits": ("PidsLimit",)})),
        (["error cpus"], seen(spec=with_config(NanoCpus=4_500_000_000))),
        (["error cpuset"], seen(spec=with_config(CpusetCpus="0,4"))),
        (["error cpuset"], seen(spec=with_config(CpusetCpus="2-7"))),
        (["error cpuset"], seen(spec=with_config(CpusetMems="1"), target={"memory_nodes": "0"})),
        ([], seen(spec=with_config(CpusetMems="1"), target={"memory_nodes": "0-1"})),
        ([], seen(spec=with_config(CpusetMems="1"))),
        ([], seen(spec=with_config(CpusetCpus="no set at all"))),
        (["warning memory"], seen(spec=with_config(Memory=9 * 10**9))),
        (["error cgroup-version"], seen(spec=with_config(OomKillDisable=True))),
        ([], seen(spec=with_config(OomKillDisable=True), target={"cgroup_version": "1"})),
        ([], seen(spec=with_config(OomKillDisable=False))),
        (["error cgroup-parent"], seen(spec=with_config(CgroupParent="/web"))),
        ([], seen(spec=with_config(CgroupParent="web.slice"))),
        ([], seen(spec=with_config(CgroupParent="/web"), target={"cgroup_driver": "cgroupfs"})),
    ],
)
def test_what_the_rules_find(wanted: list[str], observed: Observation) -> None:
    assert found(observed, LIMIT_RULES) == wanted
