"""What two hosts and a container are like right now. Nothing is changed by looking."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from transship.errors import NotFoundError, PreflightError
from transship.hosts.base import Host, Json
from transship.hosts.facts import Facts, measure_way, observe_criu, observe_host
from transship.observe.source import Container, find_lender, read_spec, read_whole, source_state
from transship.observe.target import target_state
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.sandbox.whole import LABEL
from transship.spec.codec import understood

__all__ = ["observe", "read_spec"]


def observe(source: Host, target: Host, container: str, options: MoveOptions) -> Observation:
    """See all that a plan with these options needs to know; touches nothing.

    Raises `PreflightError` when the source has no such container, `SpecError` when a daemon tells what Docker would
    not, and what `Docker`, `observe_host` and `Host.run` raise.
    """
    told = f"what Docker on {source.name} or {target.name} tells"
    with understood(told), ThreadPoolExecutor(4) as pool:
        facts = [pool.submit(_facts, host, options) for host in (source, target)]
        containers = pool.submit(target.docker.containers)
        inspected = _inspect(source, container)
        neighbours = source.docker.containers()
        spec = read_spec(source.docker, inspected, neighbours)
        if lender := find_lender(source.docker, inspected):
            spec = read_whole(source.docker, spec, lender)
        source_facts, target_facts = (each.result() for each in facts)
        seen = Container(source, source_facts, inspected, spec, neighbours, lender["Id"] if lender else "")
        looking = pool.submit(source_state, seen, options)
        there = target_state(target, target_facts, spec, containers.result())
        there = replace(there, has_source=any(each["Id"] == inspected["Id"] for each in containers.result()))
        return Observation(
            source_name=source.name,
            target_name=target.name,
            source=source_facts,
            target=target_facts,
            spec=spec,
            state=looking.result(),
            there=there,
            link=measure_way(source, target),
        )


def _facts(host: Host, options: MoveOptions) -> Facts:
    """CRIU is asked only where it is needed: that takes a while."""
    facts = observe_host(host)
    return observe_criu(host, facts) if options.strategy == "live" else facts


def _inspect(source: Host, container: str) -> Json:
    try:
        found = source.docker.inspect_container(container)
    except NotFoundError as error:
        raise PreflightError(
            f"{source.name} has no container {container!r}",
            hint="docker ps --all shows what it has; --from names a host",
        ) from error
    if served := (found["Config"].get("Labels") or {}).get(LABEL):
        raise PreflightError(
            f"{container} on {source.name} is the sandbox that has the network of {served}, and moves with that",
            hint=f"move {served}",
        )
    return found
