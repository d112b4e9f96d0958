from dataclasses import dataclass

from transship.creation import CreateContainer, ReviveContainer
from transship.plan.checks import check
from transship.plan.copied import copied_binds, is_copied
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.steps import Plan, Step
from transship.plan.sync_checks import SYNC_RULES
from transship.spec.model import ContainerSpec
from transship.strategies.frame import arriving, preparing, retiring, starting, stopping
from transship.strategies.image import image_findings, providing
from transship.transfer.binds import ProvideBinds
from transship.transfer.trees import Announce, LastRound, OpenTrees, PreCopy, StartAgents, TakeStock, Tree, VerifyTrees


@dataclass(frozen=True, slots=True)
class Sync:
    """Image, writable layer and volumes are copied while the source serves, and what changed after the stop."""

    name: str = "sync"

    def feasible(self, seen: Observation, options: MoveOptions) -> tuple[Finding, ...]:
        """An agent on both hosts, files that it can reach, and volumes that nobody else uses."""
        return (*check(seen, options, SYNC_RULES), *image_findings(seen))

    def plan(self, seen: Observation, options: MoveOptions, migration: str) -> Plan:
        """Everything but the last round, its proof, stop and start happens while the source serves."""
        spec = arriving(seen, options)
        layer, *data = trees = copied_trees(seen, options)
        source = seen.state.container_id
        image = providing(seen, spec, pull=False)
        root = (seen.source.root_access or "none", seen.target.root_access or "none")
        return Plan(
            strategy=self.name,
            prepare=(
                *preparing(seen, spec),
                image,
                StartAgents(root, options.path),
                *providing_binds(seen, trees),
                *([OpenTrees(source, tuple(data))] if data else []),
                _container(seen, spec),
                OpenTrees(source, (layer,)),
                TakeStock(),
                PreCopy(trees, options.max_downtime_s, options.limit_rate),
            ),
            cutover=(
                *stopping(seen, freeze=options.freeze),
                LastRound(),
                VerifyTrees(full=options.verify == "full"),
                *starting(seen, options, Announce()),
            ),
            retire=retiring(seen, options, migration),
        )


def _container(seen: Observation, spec: ContainerSpec) -> Step:
    base = seen.there.base
    if base.name:
        return ReviveContainer(spec, base.container, base.name)
    return CreateContainer(spec, seen.there.api_version)


def providing_binds(seen: Observation, trees: tuple[Tree, ...]) -> tuple[Step, ...]:
    """Docker refuses some bind mounts of what is not there, and makes a folder of root for others."""
    paths = tuple(tree.name for tree in trees if tree.kind == "binds")
    volumes = tuple(tree.name for tree in trees if tree.kind == "volumes")
    docker_roots = (seen.source.docker_root, seen.target.docker_root)
    replace = frozenset(tree.name for tree in trees if tree.replace)
    return (ProvideBinds(paths, volumes, replace, docker_roots),) if paths else ()


def copied_trees(seen: Observation, options: MoveOptions) -> tuple[Tree, ...]:
    """Everything that the container has written, its own filesystem first."""
    volumes = () if options.without_volumes else (volume for volume in seen.spec.volumes if is_copied(volume))
    binds, base, replace = copied_binds(seen.spec.mounts, options), seen.there.base, options.replace_data
    return (
        Tree("layer", replace=bool(base.container)),
        *(Tree("volumes", each.name, replace=replace or each.name in base.volumes) for each in volumes),
        *(Tree("binds", path, replace=replace or path in base.paths) for path in binds),
    )
