"""What a stop and a start on another host cost, and what guards them."""

from collections.abc import Iterator

from transship.hosts.readiness import readiness
from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.plan.timing import first_healthy_s, stop_grace_s

_KEPT_ON_HOST = frozenset({"json-file", "local", "journald"})


def memory_is_lost(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """A tmpfs is memory: it begins anew, as with any stop."""
    if options.strategy == "live":
        return
    paths = {str(path) for path in seen.spec.host_config.get("Tmpfs") or {}}
    paths |= {mount.target for mount in seen.spec.mounts if mount.type == "tmpfs"}
    if paths and seen.state.running:
        yield Finding(
            "note",
            "tmpfs-lost",
            f"what {seen.spec.name} has in {', '.join(sorted(paths))} is in memory, and is gone when it stops",
        )


def logs_stay(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Logs belong to the daemon, not to the container."""
    if seen.spec.host_config.get("LogConfig", {}).get("Type", "") in _KEPT_ON_HOST:
        stay = "are deleted with the source" if options.source == "remove" else "stay with the source"
        yield Finding("note", "logs-stay", f"docker logs of {seen.spec.name} begin anew; those until now {stay}")


def hostname_changes(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """A container that nobody gave a hostname is called by its short id, and some software files its data under it."""
    if options.strategy == "live":
        return
    own = not (seen.spec.network_mode == "host" or seen.spec.network_mode.startswith("container:"))
    if own and seen.spec.volumes and not seen.spec.config.get("Hostname"):
        yield Finding(
            "note",
            "hostname",
            f"the hostname in {seen.spec.name} is {seen.state.container_id[:12]}, and will be another",
            "software that files its data under the hostname (RabbitMQ does) needs one of its own: --hostname",
        )


def programs_beside_it_end(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """What `docker exec` started is not part of the container. Live cannot move with it at all, and says so itself."""
    if seen.state.exec_sessions and options.strategy != "live":
        yield Finding(
            "note",
            "exec-sessions",
            f"{seen.state.exec_sessions} programs that docker exec started in {seen.spec.name} end with the source",
        )


def stop_is_heard(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """Who does not handle the signal is waited for in vain, and then killed."""
    stops = not options.freeze and options.strategy != "live"
    if seen.state.running and seen.state.stop_heard is False and stops:
        yield Finding(
            "note",
            "stop-unheard",
            f"{seen.spec.name} does not handle the signal that shall stop it: it is killed after "
            f"{stop_grace_s(seen.spec):g} s, in which nobody is served",
            "run it with --init, or give it a signal that it knows (--stop-signal)",
        )


def health_can_be_proven(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """The target must become healthy within the time that is given."""
    earliest = first_healthy_s(seen.spec)
    if seen.state.health == "unhealthy":
        yield Finding(
            "warning",
            "unhealthy",
            f"{seen.spec.name} is unhealthy on {seen.source_name}, and a move fails unless it is healthy on "
            f"{seen.target_name}",
            "docker inspect there shows what its health check said",
        )
    if seen.state.running and earliest > options.health_timeout_s:
        yield Finding(
            "error",
            "health-slow",
            f"the health check of {seen.spec.name} answers after {earliest:g} s at the earliest, and --health-timeout "
            f"is {options.health_timeout_s:g} s",
            "a longer --health-timeout",
        )


def somebody_watches(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Where no agent can run nobody ends what this program began, should it be killed in the middle."""
    if not seen.state.running:
        return
    for name, facts in ((seen.source_name, seen.source), (seen.target_name, seen.target)):
        lacks = {each.strategy: each.lacks for each in readiness(facts)}
        if agent := [lack for lack in lacks["sync"] if lack not in lacks["stop-start"]]:
            what = "the source does not start" if facts is seen.source else "the target is not started"
            yield Finding(
                "warning",
                "no-keeper",
                f"no agent can run on {name} ({agent[0].what}): if this program is killed after the stop, {what} "
                "by itself",
                agent[0].remedy,
            )


LOSS_RULES: tuple[Rule, ...] = (
    memory_is_lost,
    logs_stay,
    hostname_changes,
    programs_beside_it_end,
    stop_is_heard,
    health_can_be_proven,
    somebody_watches,
)
