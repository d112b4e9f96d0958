from dataclasses import dataclass, replace

from transship.creation import CreateContainer
from transship.hosts.base import Json
from transship.hosts.facts import RootAccess
from transship.lifecycle import Fence, ProveHealthy, ProveStopped, Release
from transship.live.checks import LIVE_RULES, address_moves
from transship.live.cutover import AwaitMemory, CarryOver, CloseConnections, FreezeMemory, GoOn
from transship.live.prepare import CreateSandbox, PrepareMemory
from transship.live.sandbox import endpoints, moved_spec
from transship.live.target import configuration_path
from transship.plan.checks import check
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.steps import Plan, Step
from transship.plan.sync_checks import FILE_RULES
from transship.spec.model import ContainerSpec
from transship.strategies.frame import arriving, preparing, retiring
from transship.strategies.image import image_findings, providing
from transship.strategies.sync import copied_trees, providing_binds
from transship.transfer.trees import LastRound, OpenTrees, PreCopy, StartAgents, TakeStock, VerifyTrees


@dataclass(frozen=True, slots=True)
class Live:
    """Files as with sync; the processes are frozen, and go on on the target with their memory and connections."""

    name: str = "live"

    def feasible(self, seen: Observation, options: MoveOptions) -> tuple[Finding, ...]:
        """What sync needs for files, and CRIU for processes; nothing of the container may lie outside of it."""
        return (*check(seen, options, (*FILE_RULES, *LIVE_RULES)), *image_findings(seen))

    def plan(self, seen: Observation, options: MoveOptions, migration: str) -> Plan:
        """While the source stands still its memory crosses, and what its files have changed since the last round."""
        return Plan(
            strategy=self.name,
            prepare=_prepare(seen, options, migration),
            cutover=_cutover(seen, options),
            retire=(
                *(() if address_moves(seen.spec) else (CloseConnections(),)),
                *retiring(seen, replace(options, freeze=True), migration),
            ),
        )


def _prepare(seen: Observation, options: MoveOptions, migration: str) -> tuple[Step, ...]:
    spec, source = arriving(seen, options), seen.state.container_id
    layer, *data = trees = copied_trees(seen, options)
    root = _root(seen)
    version, architecture = seen.there.api_version, seen.target.architecture
    return (
        *preparing(seen, spec),
        providing(seen, spec, pull=False),
        StartAgents(root),
        *providing_binds(seen, trees),
        *([OpenTrees(source, tuple(data))] if data else []),
        CreateSandbox(spec, architecture, version),
        CreateContainer(moved_spec(spec, configuration=configuration_path(migration)), version),
        OpenTrees(source, (layer,)),
        TakeStock(),
        PreCopy(trees, options.max_downtime_s, options.limit_rate),
        _memory(seen, spec, options, root),
    )


def _memory(
    seen: Observation, spec: ContainerSpec, options: MoveOptions, root: tuple[RootAccess, RootAccess]
) -> PrepareMemory:
    return PrepareMemory(
        seen.state.container_id,
        endpoints(spec),
        root,
        seen.target.docker_root,
        established=address_moves(spec),
        lazily=options.post_copy,
    )


def _cutover(seen: Observation, options: MoveOptions) -> tuple[Step, ...]:
    source = seen.state.container_id
    policy: Json = seen.spec.host_config.get("RestartPolicy", {"Name": "no"})
    return (
        Fence(source, seen.spec.name, seen.state.running, policy),
        FreezeMemory(),
        CarryOver((LastRound(), VerifyTrees(full=options.verify == "full"))),
        ProveStopped(source),
        Release(),
        GoOn(),
        ProveHealthy(options.probe, options.health_timeout_s),
        AwaitMemory(policy),
        ProveStopped(source, released=True),
    )


def _root(seen: Observation) -> tuple[RootAccess, RootAccess]:
    return seen.source.root_access or "none", seen.target.root_access or "none"
