"""What can be known of networks before anything is touched."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network

from transship.plan.findings import Finding
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.rule import Rule
from transship.spec.model import NetworkAttachment, NetworkSpec


def overlapping(network: NetworkSpec, subnets: Mapping[str, tuple[str, ...]]) -> str:
    """The network of the target, by name, that has addresses which this one would have; empty if there is none."""
    wanted = [ip_network(pool["Subnet"], strict=False) for pool in network.ipam.get("Config", ()) if pool.get("Subnet")]
    return next(
        (
            name
            for name, taken in sorted(subnets.items())
            for each in taken
            if any(ip_network(each, strict=False).overlaps(subnet) for subnet in wanted)
        ),
        "",
    )


def networks_can_follow(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """A network of the same name need not be the same network."""
    for attachment in seen.spec.networks:
        network, there = attachment.network, seen.there.networks.get(attachment.network.name)
        if network.predefined:
            continue
        if there is None and network.scope == "swarm":
            yield Finding(
                "error",
                "swarm-network",
                f"the network {network.name} belongs to a Swarm that {seen.target_name} is not in",
                "join that Swarm there, or give the container another network",
            )
        elif there is None and network.driver not in seen.target.network_drivers:
            yield Finding(
                "error",
                "network-driver",
                f"{seen.target_name} has no network driver {network.driver}, which {network.name} needs",
                "install the plugin there",
            )
        elif there is None and (clash := overlapping(network, seen.there.subnets)):
            yield _clash(seen, attachment, clash)
        elif there is not None and (there.driver, there.internal) != (network.driver, network.internal):
            yield Finding(
                "error",
                "network-differs",
                f"the network {network.name} exists on {seen.target_name}, but is another one (driver {there.driver})",
                "rename or remove it there",
            )
        elif there is not None and (outside := _outside(attachment, there)):
            yield Finding(
                "error",
                "network-address",
                f"{seen.spec.name} has the fixed address {outside}, which is none of the network {network.name} on "
                f"{seen.target_name}",
                "make that network there with the same subnet, or take the fixed address away",
            )


def _clash(seen: Observation, attachment: NetworkAttachment, clash: str) -> Finding:
    name = attachment.network.name
    taken = f"the subnet of the network {name} is in use on {seen.target_name} by the network {clash}"
    if attachment.ipv4 or attachment.ipv6:
        return Finding(
            "error",
            "network-overlap",
            f"{taken}, and {seen.spec.name} has a fixed address in it",
            "take the fixed address away, or make room for the subnet there",
        )
    return Finding("note", "network-subnet", f"{taken}; Docker chooses another one there")


def _outside(attachment: NetworkAttachment, there: NetworkSpec) -> str:
    """A fixed address of the container that lies in no subnet of that network; empty if there is none."""
    subnets = [ip_network(pool["Subnet"], strict=False) for pool in there.ipam.get("Config", ()) if pool.get("Subnet")]
    for address in (attachment.ipv4, attachment.ipv6):
        if address and subnets and not any(ip_address(address) in subnet for subnet in subnets):
            return address
    return ""


def addresses_are_free(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Docker notices that a fixed address is taken when the container starts."""
    for attachment in seen.spec.networks:
        taken = seen.there.addresses.get(attachment.network.name, {})
        for address in (attachment.ipv4, attachment.ipv6):
            if address and address in taken:
                yield Finding(
                    "error",
                    "address-taken",
                    f"{seen.spec.name} has the fixed address {address}, which {taken[address]} has on "
                    f"{seen.target_name} in the network {attachment.network.name}",
                    "free it there, or take the fixed address away",
                )


def parents_are_there(seen: Observation, _options: MoveOptions) -> Iterator[Finding]:
    """Macvlan and ipvlan sit on an interface of the host, which is called otherwise elsewhere."""
    has = seen.target.interfaces
    for network in (attachment.network for attachment in seen.spec.networks):
        parent = str(network.options.get("parent") or "")
        if not parent or network.name in seen.there.networks or has is None:
            continue
        if not {parent, parent.partition(".")[0]} & set(has):  # Docker makes the VLAN's interface of its parent
            yield Finding(
                "error",
                "network-parent",
                f"the network {network.name} sits on the interface {parent}, which {seen.target_name} lacks",
                f"docker network create --driver {network.driver} there, with its own parent, and the same name",
            )


NETWORK_RULES: tuple[Rule, ...] = (networks_can_follow, addresses_are_free, parents_are_there)
