"""What every strategy does around its own way of copying."""

import re
from dataclasses import replace

from transship.creation import CreateNetwork, CreateVolume
from transship.forwarding.forwarder import Forward
from transship.hosts.base import Json
from transship.lifecycle import (
    Fence,
    FreezeSource,
    LetRestart,
    ProveHealthy,
    ProveStopped,
    Release,
    Retire,
    StartTarget,
    StopSource,
)
from transship.plan.forward_checks import forwarded_ports
from transship.plan.network_checks import overlapping
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.steps import Step
from transship.spec.model import ContainerSpec, NetworkSpec
from transship.transfer.frozen import KillSource

CONTAINER_NAME_LIMIT = 128


def arriving(seen: Observation, options: MoveOptions) -> ContainerSpec:
    """The spec as it shall be on the target: under its new name, without the mounts that are to be left out.

    A network of the target is used as it is there, with its own subnet and labels. One that has to be made there gets
    another subnet where its own is in use.
    """
    networks = tuple(replace(item, network=_network_there(seen, item.network)) for item in seen.spec.networks)
    spec = replace(seen.spec, name=options.name or seen.spec.name, networks=networks)
    if options.binds == "skip":
        spec = replace(spec, mounts=tuple(mount for mount in spec.mounts if mount.type != "bind"))
    return spec


def _network_there(seen: Observation, network: NetworkSpec) -> NetworkSpec:
    if network.name in seen.there.networks:
        return seen.there.networks[network.name]
    if not overlapping(network, seen.there.subnets):
        return network
    return replace(network, ipam={key: value for key, value in network.ipam.items() if key != "Config"})


def preparing(seen: Observation, spec: ContainerSpec) -> tuple[Step, ...]:
    """Networks and volumes that the target lacks."""
    networks = (item.network for item in spec.networks if not item.network.predefined)
    return (
        *(CreateNetwork(network) for network in networks if network.name not in seen.there.networks),
        *(CreateVolume(volume) for volume in spec.volumes if volume.name not in seen.there.volumes),
    )


def stopping(seen: Observation, *, freeze: bool = False) -> tuple[Step, ...]:
    """Fence the source, then stop it if it runs, or `freeze` it: then it is killed when it retires."""
    container = seen.state.container_id
    fence = Fence(container, seen.spec.name, seen.state.running, _restart_policy(seen))
    if not seen.state.running:
        return (fence,)
    return (fence, FreezeSource(container) if freeze else StopSource(container))


def starting(seen: Observation, options: MoveOptions, *between: Step) -> tuple[Step, ...]:
    """Start the target, and prove that it serves and the source does not run; what was stopped there stays so.

    `between` is done right after the start.
    """
    source, policy = seen.state.container_id, _restart_policy(seen)
    alone = ProveStopped(source)
    if not seen.state.running:
        return (LetRestart(policy), alone)
    healthy = ProveHealthy(options.probe, options.health_timeout_s)
    return (alone, Release(), StartTarget(policy), *between, healthy, ProveStopped(source, released=True))


def _restart_policy(seen: Observation) -> Json:
    policy: Json = seen.spec.host_config.get("RestartPolicy", {"Name": "no"})
    return policy


def retiring(seen: Observation, options: MoveOptions, migration: str) -> tuple[Step, ...]:
    """Kill the source if it was frozen. Rename it so that its name tells where it went, or remove it.

    Then, where that is wanted, a forwarder takes its ports.
    """
    source, name = seen.state.container_id, retired_name(seen, migration)
    kill = (KillSource(source),) if options.freeze and seen.state.running else ()
    forwarder = Forward(_elsewhere(seen, "forwarded-to", migration), forwarded_ports(seen.spec))
    return (*kill, Retire(source, name, options.source), *((forwarder,) if options.forward else ()))


def retired_name(seen: Observation, migration: str) -> str:
    """What the source is called when it has moved: its name tells where to."""
    return _elsewhere(seen, "moved-to", migration)


def _elsewhere(seen: Observation, how: str, migration: str) -> str:
    where = re.sub(r"[^a-zA-Z0-9]+", "-", seen.target_name.rpartition("@")[2].removeprefix("ssh://")).strip("-")
    suffix = f".{how}.{where[:40]}.{migration}"
    return seen.spec.name[: CONTAINER_NAME_LIMIT - len(suffix)] + suffix
