"""Which published ports a forwarder on the source can carry to the target, and what is in its way."""

from collections.abc import Iterator

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.spec.model import ContainerSpec, PublishedPort


def forwarded_ports(spec: ContainerSpec) -> tuple[PublishedPort, ...]:
    """The published ports that can be forwarded: those that others than the source itself reach, under one number."""
    if spec.network_mode in {"host", "none"} or spec.network_mode.startswith("container:"):
        return ()
    return tuple(port for port in spec.published_ports if not _left_out(port))


def _left_out(port: PublishedPort) -> str:
    """Why a port is not forwarded; empty where it is."""
    if not port.host_port.isdecimal():
        return "its number is for Docker to choose"
    if port.protocol not in {"tcp", "udp"}:
        return "only tcp and udp are"
    return "it is for the source itself only" if port.host_address.startswith("127.") else ""


def forwarding_is_possible(seen: Observation, options: MoveOptions) -> Iterator[Finding]:
    """A forwarder needs something to forward, a program to do it, and an address that the source can reach."""
    if not options.forward:
        return
    name = seen.spec.name
    if not forwarded_ports(seen.spec):
        yield Finding(
            "error", "nothing-to-forward", f"{name} publishes no port that could be forwarded", "leave --forward out"
        )
    if seen.source.python_path is None:
        yield Finding(
            "error",
            "forward-python",
            f"{seen.source_name} has no Python, which a forwarder needs",
            "install python3 there, or leave --forward out",
        )
    for port in seen.spec.published_ports:
        if why := _left_out(port):
            yield Finding(
                "warning", "port-not-forwarded", f"port {port.port}/{port.protocol} is not forwarded: {why}", ""
            )


FORWARD_RULES: tuple[Rule, ...] = (forwarding_is_possible,)
