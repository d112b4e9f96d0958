import getpass
import os
import socket
from datetime import UTC, datetime, timedelta

from transship.hosts.base import Host
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.record import End, Made, Memory, Record
from transship.strategies.frame import retired_name

_CLOCK_MARGIN_S = 1.0
"""Docker cuts the time at which it made a volume to whole seconds."""


def new_record(
    seen: Observation, options: MoveOptions, strategy: str, hosts: tuple[Host, Host], migration: str
) -> Record:
    """What is to be written down of a move before it begins. `hosts` are source and target."""
    now = datetime.now(UTC)
    behind = seen.target.clock_skew_s - seen.target.clock_uncertainty_s - _CLOCK_MARGIN_S
    source, target = (End(host.name, str(host.docker.info()["ID"])) for host in hosts)
    return Record(
        id=migration,
        begun=now.isoformat(),
        coordinator=coordinator(),
        since=(now + timedelta(seconds=behind)).isoformat(),
        strategy=strategy,
        container=seen.spec.name,
        container_id=seen.state.container_id,
        arriving=options.name or seen.spec.name,
        running=seen.state.running,
        restart_policy=seen.spec.host_config.get("RestartPolicy", {"Name": "no"}),
        freeze=options.freeze or strategy == "live",
        retire=options.source,
        retired_name=retired_name(seen, migration),
        source=source,
        target=target,
        made=Made(),
        memory=_memory(options, strategy),
        lender=seen.state.lender,
    )


def _memory(options: MoveOptions, strategy: str) -> Memory:
    if strategy != "live":
        return ""
    return "following" if options.post_copy else "copied"


def coordinator() -> str:
    """Who moves, for people. A user without a name (a container's, say) is told by number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def locks(seen: Observation, options: MoveOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a move locks on the source and on the target."""
    volumes = [f"volume:{volume.name}" for volume in seen.spec.volumes]
    return (
        (*(f"container:{each}" for each in (seen.state.container_id, seen.state.lender) if each), *volumes),
        (f"name:{options.name or seen.spec.name}", *volumes),
    )
