"""The networks of an inspected container: what was configured, apart from what Docker assigned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from transship.spec.codec import Json, SpecError
from transship.spec.fields import ApiVersion
from transship.spec.model import PREDEFINED_NETWORKS, NetworkAttachment, NetworkSpec

_RANDOM_MACS_SINCE: ApiVersion = (1, 48)
_LOCALLY_ADMINISTERED = 0x02


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an inspect document does not say of the host that it comes from.

    `container_names`: id to name, for `network_mode: container:ID` and its like. `host_name`: the daemon's, which
    Docker gives to containers on the host's network. `api_version`: of the inspect requests. Where one of these is
    unknown, leave it: ids stay ids, the host's name is taken for the user's word, and a MAC address that may be random
    is not carried.
    """

    container_names: Mapping[str, str] = field(default_factory=dict)
    host_name: str = ""
    api_version: ApiVersion | None = None

    def by_name(self, mode: str) -> str:
        """`container:ID` as `container:NAME`, any other mode as it is."""
        kind, separator, ref = mode.partition(":")
        if kind != "container" or not separator:
            return mode
        return f"container:{self.container_names.get(ref, ref).removeprefix('/')}"


def network_mode_of(container: Json, networks: Mapping[str, Json], around: Surroundings) -> str:
    """The network to create the container with, by name.

    That is not the one it was created with, if it has been disconnected from that since.
    """
    mode = container["HostConfig"].get("NetworkMode") or "bridge"
    mode = "bridge" if mode == "default" else around.by_name(mode)
    if mode in ("host", "none") or mode.startswith("container:"):
        return str(mode)
    by_id = {network.get("Id"): name for name, network in networks.items()}
    attached = container["NetworkSettings"].get("Networks") or {}
    name = str(by_id.get(mode, mode))
    if name in attached:
        return name
    return next(iter(sorted(attached)), "none")


def attachments_of(
    container: Json, mode: str, networks: Mapping[str, Json], around: Surroundings
) -> tuple[NetworkAttachment, ...]:
    """The attachments, sorted by network name. Raises `SpecError` when a network was not inspected."""
    if mode in ("host", "none") or mode.startswith("container:"):
        return ()
    endpoints: Mapping[str, Json] = container["NetworkSettings"].get("Networks") or {}
    return tuple(
        _attachment(container, name, endpoints[name] or {}, networks, _Mac(container, mode, around))
        for name in sorted(endpoints)
    )


def network_spec(name: str, inspected: Json) -> NetworkSpec:
    """A network's definition from its inspect document."""
    if name in PREDEFINED_NETWORKS:
        return NetworkSpec(name, inspected.get("Driver") or name)
    return NetworkSpec(
        name=name,
        driver=inspected.get("Driver") or "bridge",
        scope=inspected.get("Scope") or "local",
        internal=bool(inspected.get("Internal")),
        attachable=bool(inspected.get("Attachable")),
        ingress=bool(inspected.get("Ingress")),
        ipv4=inspected.get("EnableIPv4") is not False,
        ipv6=bool(inspected.get("EnableIPv6")),
        config_only=bool(inspected.get("ConfigOnly")),
        config_from=(inspected.get("ConfigFrom") or {}).get("Network") or "",
        ipam=_ipam(inspected.get("IPAM") or {}),
        options=dict(inspected.get("Options") or {}),
        labels=dict(inspected.get("Labels") or {}),
    )


def _ipam(inspected: Json) -> Json:
    pools = [{key: value for key, value in pool.items() if value} for pool in inspected.get("Config") or []]
    result = {
        "Driver": inspected.get("Driver") or "default",
        "Options": dict(inspected.get("Options") or {}),
        # IPv4 first, as Docker shows them where it chose one itself
        "Config": sorted(pools, key=lambda pool: ":" in pool.get("Subnet", "")),
    }
    return {key: value for key, value in result.items() if value}


@dataclass(frozen=True, slots=True)
class _Mac:
    """Tells a configured MAC address from a generated one.

    The API shows both in the same field of the endpoint. Up to 1.51 `Config.MacAddress` is the configured one of the
    container's own network (but 25.0.0 put generated ones there, too). Up to Docker 27 a generated address is 02:42
    followed by the IPv4 address; since 28 it is random, with the bit of a locally administered address set. A
    container that never ran shows the configured address, one that was stopped shows none.
    """

    container: Json
    mode: str
    around: Surroundings

    def configured(self, name: str, endpoint: Json) -> str:
        """The MAC address that was asked for on this network, or nothing."""
        stated = str(self.container["Config"].get("MacAddress") or "").lower()
        if name == self.mode and stated:
            static = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
            return stated if static or stated != _mac_from_ip(endpoint) else ""
        mac = str(endpoint.get("MacAddress") or "").lower()
        if not mac or not (self.container.get("State") or {}).get("Running"):
            return mac
        return "" if mac == _mac_from_ip(endpoint) or self._may_be_random(mac) else mac

    def _may_be_random(self, mac: str) -> bool:
        if not int(mac.partition(":")[0], 16) & _LOCALLY_ADMINISTERED:
            return False
        return self.around.api_version is None or self.around.api_version >= _RANDOM_MACS_SINCE


def _mac_from_ip(endpoint: Json) -> str:
    address = endpoint.get("IPAddress")
    if not address:
        return ""
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x42, *IPv4Address(address).packed))


def _attachment(
    container: Json, name: str, endpoint: Json, networks: Mapping[str, Json], mac: _Mac
) -> NetworkAttachment:
    if name not in networks:
        raise SpecError(f"the network {name} was not inspected")
    ipam: Json = endpoint.get("IPAMConfig") or {}
    # Docker answers to these names by itself; up to API 1.44 it shows some of them among the aliases.
    generated = {container["Id"][:12], container["Name"].removeprefix("/"), container["Config"].get("Hostname")}
    return NetworkAttachment(
        network=network_spec(name, networks[name]),
        ipv4=ipam.get("IPv4Address") or "",
        ipv6=ipam.get("IPv6Address") or "",
        link_local=tuple(ipam.get("LinkLocalIPs") or ()),
        mac=mac.configured(name, endpoint),
        aliases=tuple(alias for alias in endpoint.get("Aliases") or () if alias not in generated),
        links=tuple(endpoint.get("Links") or ()),
        gateway_priority=endpoint.get("GwPriority") or 0,
        driver_options=dict(endpoint.get("DriverOpts") or {}),
    )
