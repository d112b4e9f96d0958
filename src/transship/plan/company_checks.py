"""Who else has to do with the container, and stays behind."""

from collections.abc import Iterator

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule

_REACH_FURTHER = frozenset({"macvlan", "ipvlan"})
"""Drivers whose networks other hosts are in, too: who moves is still reached there by address."""


def container_stands_alone(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Containers that share a network stack or are linked would have to move together."""
    name = seen.spec.name
    if seen.spec.network_mode.startswith("container:"):
        owner = seen.spec.network_mode.partition(":")[2]
        yield Finding(
            "error",
            "borrowed-network",
            f"{name} uses the network of the container {owner}, which stays behind",
            "give it a network of its own",
        )
    for kind in ("PidMode", "IpcMode"):
        mode = str(seen.spec.host_config.get(kind) or "")
        if mode.startswith("container:"):
            yield Finding(
                "error",
                "borrowed-namespace",
                f"{name} shares processes or memory ({kind}) with the container {mode.partition(':')[2]}, "
                "which stays behind",
                "give it a namespace of its own",
            )
    for other in seen.state.company.dependants:
        yield Finding(
            "error", "lent-network", f"{other} uses the network of {name} and would lose it", f"remove {other} first"
        )
    if seen.spec.host_config.get("Links"):
        yield Finding(
            "error",
            "linked",
            f"{name} is linked to containers that stay behind (--link)",
            "use a user-defined network instead of --link",
        )


def others_can_do_without(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Names of containers mean something within one network of one host only."""
    name, company = seen.spec.name, seen.state.company
    if company.linked_by:
        yield Finding(
            "warning",
            "linked-by",
            f"{_list(company.linked_by)} on {seen.source_name} reach {name} by a link, which leads nowhere then",
            "let them reach it by its new host's address",
        )
    for attachment in seen.spec.networks:
        network, peers = attachment.network, company.peers.get(attachment.network.name, ())
        if peers and not network.predefined and network.scope != "swarm":
            yield Finding(
                "note" if network.driver in _REACH_FURTHER else "warning",
                "peers",
                f"{_list(peers)} on {seen.source_name} share the network {network.name} with {name}: by name they "
                "reach each other no more",
                "move them, too, or let them use the hosts' addresses",
            )
    if seen.state.volumes_from:
        yield Finding(
            "note",
            "volumes-from",
            f"{name} was given the volumes of {_list(seen.state.volumes_from)}; on {seen.target_name} they are mounts "
            "of its own",
        )


def nobody_else_manages_it(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Swarm re-creates its tasks; compose looks for its containers where it left them."""
    labels = seen.spec.config.get("Labels", {})
    name = seen.spec.name
    if "com.docker.swarm.task.id" in labels:
        service = labels.get("com.docker.swarm.service.name", "SERVICE")
        yield Finding(
            "error",
            "swarm-task",
            f"{name} is a task of the Swarm service {service}, which would make it again",
            f"transship swarm move {service} --to NODE moves it",
        )
    if "com.docker.compose.project" in labels:
        others = f" and the containers {_list(seen.state.company.project)}" if seen.state.company.project else ""
        yield Finding(
            "note",
            "compose",
            f"{name} belongs to the Compose project {labels['com.docker.compose.project']}, whose files{others} "
            "stay behind",
            "carry compose.yaml over yourself before you next run docker compose there",
        )


def nobody_makes_it_again(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Whatever starts or renews containers on the source does not know that this one has left."""
    name, company = seen.spec.name, seen.state.company
    for unit in company.units:
        yield Finding(
            "warning",
            "systemd-unit",
            f"the systemd unit {unit} on {seen.source_name} names {name}, and may start or make it again there",
            f"sudo systemctl disable {unit} there",
        )
    for updater in company.updaters:
        yield Finding(
            "warning",
            "updater",
            f"{updater} on {seen.source_name} renews containers by itself, and may make {name} again there",
            f"leave {name} out there, or --source remove",
        )
    for panel in company.panels:
        yield Finding(
            "note",
            "panel",
            f"{panel} on {seen.source_name} manages containers, and does not know that {name} has left",
            "remove it there from what the panel deploys",
        )


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


COMPANY_RULES: tuple[Rule, ...] = (
    container_stands_alone,
    others_can_do_without,
    nobody_else_manages_it,
    nobody_makes_it_again,
)
