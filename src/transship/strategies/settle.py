"""Two containers become one again, where they are: what was moved live gets networks of its own."""

from collections.abc import Iterator

from transship.creation import CreateContainer
from transship.plan.checks import check
from transship.plan.company_checks import container_stands_alone
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.steps import Plan
from transship.plan.sync_checks import agents_can_run, files_can_be_reached
from transship.strategies.frame import arriving, retiring, starting, stopping
from transship.strategies.image import providing
from transship.transfer.trees import LastRound, OpenTrees, PreCopy, StartAgents, TakeStock, Tree, VerifyTrees

NAME = "settle"
_STEADY = frozenset({"running", "exited", "created"})


def settling_name(container: str) -> str:
    """What the new container is called until the old one is gone."""
    return f"{container}.settling"


def settle(seen: Observation, options: MoveOptions, migration: str) -> Plan:
    """The plan. Source and target of `seen` are the same host, `options.name` is that of `settling_name`.

    The writable layer is copied while the container serves; its volumes are used as they are.
    """
    spec, source = arriving(seen, options), seen.state.container_id
    layer = Tree("layer")
    root = seen.source.root_access or "none"
    return Plan(
        strategy=NAME,
        prepare=(
            providing(seen, spec, pull=False),
            StartAgents((root, root)),
            CreateContainer(spec, seen.there.api_version),
            OpenTrees(source, (layer,)),
            TakeStock(),
            PreCopy((layer,), options.max_downtime_s, options.limit_rate),
        ),
        cutover=(*stopping(seen), LastRound(), VerifyTrees(full=False), *starting(seen, options)),
        retire=retiring(seen, options, migration),
        reason="it was asked for",
        findings=check(seen, options, (_was_moved_live, agents_can_run, files_can_be_reached, container_stands_alone)),
    )


def _was_moved_live(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    name = seen.spec.name
    if not seen.state.lender:
        text = f"{name} on {seen.source_name} has no sandbox: there is nothing to settle"
        yield Finding("error", "settled", text, "only what was moved live, and has not been settled since, has one")
    if seen.state.status not in _STEADY:
        text = f"{name} is {seen.state.status}"
        yield Finding("error", "settle-status", text, "settle it while it runs, or when it was stopped")
    if options.name in seen.there.containers:
        text = f"{seen.source_name} has a container named {options.name} already"
        yield Finding("error", "settle-name", text, "rename or remove that one")
