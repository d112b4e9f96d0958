"""Observations for the tests of what is decided from them: all is well, but for what a test says."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from transship.hosts.facts import Facts
from transship.hosts.paths import PathSeen
from transship.plan.checks import check
from transship.plan.observation import Company, Observation, SourceState, TargetState
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.spec.model import ContainerSpec, ImageRef

FACTS = Facts(
    host="ssh://root@old", system="linux", os_name="Debian", architecture="amd64", variant="",
    kernel="6.12", docker_version="26.1.5", api_version="1.45", storage_driver="overlay2", image_store="graphdriver",
    docker_root="/var/lib/docker", cgroup_version="2", cgroup_driver="systemd", rootless=False, userns_remap=False,
    security_options=(), memory_bytes=8_000_000_000, cpus=4, experimental=False, live_restore=False,
    default_runtime="runc", runtimes=("runc",), runc_version="1.1.15", logging_driver="json-file",
    log_drivers=("json-file", "local"), volume_drivers=("local",), network_drivers=("bridge", "host", "null"),
    swarm_state="inactive", swarm_manager=False, rtt_s=0.001, clock_skew_s=0.0, clock_uncertainty_s=0.001, can_run=True,
    root_access="root", docker_free_bytes=50_000_000_000, python_path="/usr/bin/python3", python_version="3.13.5",
    listeners=(),
)  # fmt: skip

SPEC = ContainerSpec(
    name="web",
    image=ImageRef("nginx:1", "sha256:1", "linux/amd64", ("sha256:a",), ("nginx:1",), (), config={}),
    network_mode="bridge",
    mounts=(),
    volumes=(),
    networks=(),
    config={"Hostname": "web"},
    host_config={},
)

SEEN = Observation(
    source_name="ssh://root@old",
    target_name="ssh://root@new",
    source=FACTS,
    target=replace(FACTS, host="ssh://root@new"),
    spec=SPEC,
    state=SourceState("1" * 64, "running", 0, 100_000_000),
    there=TargetState((1, 45)),
    link=12_500_000.0,
)

FREE = PathSeen("missing", empty=True, real="/srv/data")
"""A path of a bind mount where nothing is."""
FOLDER = PathSeen("folder", empty=False, real="/srv/data")


def found(observed: Observation, rules: Iterable[Rule], options: MoveOptions | None = None) -> list[str]:
    """Severity and code of all that the rules find; each says what it is, and an error what to do."""
    findings = check(observed, options or MoveOptions(), rules)
    for finding in findings:
        assert finding.message
        assert "\n" not in finding.message
        assert finding.hint or finding.severity != "error"
    return [f"{finding.severity} {finding.code}" for finding in findings]


def seen(
    *,
    spec: dict[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    there: dict[str, Any] | None = None,
    target: dict[str, Any] | None = None,
    source: dict[str, Any] | None = None,
    company: dict[str, Any] | None = None,
) -> Observation:
    """`SEEN`, with these fields of its parts changed."""
    return replace(
        SEEN,
        spec=replace(SPEC, **(spec or {})),
        state=replace(SEEN.state, **{"company": Company(**(company or {})), **(state or {})}),
        source=replace(FACTS, **(source or {})),
        there=replace(SEEN.there, **(there or {})),
        target=replace(SEEN.target, **(target or {})),
    )
