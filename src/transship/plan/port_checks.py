"""Ports and addresses of the target's that are taken, or that it does not have."""

from collections.abc import Iterable, Iterator

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.spec.model import PublishedPort

_PRIVILEGED = 1024
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - it is compared, not bound


def ports_are_free(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A port that is taken shows only when the container starts, that is too late."""
    for port in _published(seen):
        for number in _host_ports(port):
            key = f"{number}/{port.protocol}"
            owner = _publisher(seen, port, key)
            if owner is None and not _is_bound(seen, port, number):
                continue
            yield Finding(
                "error",
                "port-taken",
                f"port {key} is taken on {seen.target_name} by {f'the container {owner}' if owner else 'a program'}",
                "free it there",
            )


def addresses_are_there(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A port that is published on one address of the host needs that address."""
    has = seen.target.addresses
    if has is None:
        return
    for address in sorted({port.host_address for port in _published(seen)} - _EVERYWHERE - set(has)):
        if not address.startswith("127."):  # all of them are there, though one only is listed
            yield Finding(
                "error",
                "host-address",
                f"{seen.spec.name} publishes ports on {address}, which is no address of {seen.target_name}",
                "make the container with another address, or without one, in --publish",
            )


def low_ports_are_allowed(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A rootless daemon has no right to them, unless the kernel was told so."""
    low = sorted({number for port in _published(seen) for number in _host_ports(port) if number < _PRIVILEGED})
    if low and seen.target.rootless:
        yield Finding(
            "warning",
            "rootless-port",
            f"the Docker of {seen.target_name} is rootless, and {', '.join(map(str, low))} are ports for root",
            f"sysctl net.ipv4.ip_unprivileged_port_start={low[0]} there allows it",
        )


def host_network_is_free(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """On the host's own network it is the program that binds the port, and fails where it is taken."""
    if seen.spec.network_mode != "host" or not seen.state.running:
        return
    if seen.state.listeners is None or seen.target.listeners is None:
        yield Finding(
            "warning",
            "host-network-unseen",
            f"{seen.spec.name} uses the network of its host, and whether its ports are free on {seen.target_name} "
            "cannot be seen",
            "look there before you say --yes",
        )
        return
    for own in seen.state.listeners:
        taken = (
            each
            for each in seen.target.listeners
            if (each.protocol, each.port) == (own.protocol, own.port) and _overlap(each.address, own.address)
        )
        if next(taken, None):
            yield Finding(
                "error",
                "port-taken",
                f"port {own.port}/{own.protocol}, on which {seen.spec.name} listens, is taken on {seen.target_name}",
                "free it there",
            )


def _published(seen: Observation) -> tuple[PublishedPort, ...]:
    """With the network of the host, of another container or of nobody, Docker ignores what shall be published."""
    without = seen.spec.network_mode in {"host", "none"} or seen.spec.network_mode.startswith("container:")
    return () if without else seen.spec.published_ports


def _host_ports(port: PublishedPort) -> Iterable[int]:
    """The ports asked for: none where Docker may choose, one, or a range of which any may be used."""
    first, _, last = port.host_port.partition("-")
    return () if last or not first else (int(first),)


def _publisher(seen: Observation, port: PublishedPort, key: str) -> str | None:
    """The container that has this port there, on the same address or where one of both has every address."""
    return next(
        (
            owner
            for (address, taken), owner in seen.there.published.items()
            if taken == key and _overlap(address, port.host_address)
        ),
        None,
    )


def _is_bound(seen: Observation, port: PublishedPort, number: int) -> bool:
    """Whether a listener, also one outside Docker, is in the way."""
    return any(
        listener.port == number and listener.protocol == port.protocol and _overlap(listener.address, port.host_address)
        for listener in seen.target.listeners or ()
    )


def _overlap(one: str, other: str) -> bool:
    """Whether the same port on both addresses is in conflict."""
    return one == other or bool({one, other} & _EVERYWHERE)


PORT_RULES: tuple[Rule, ...] = (ports_are_free, addresses_are_there, low_ports_are_allowed, host_network_is_free)
