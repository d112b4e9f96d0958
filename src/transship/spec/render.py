"""From a spec to the bodies of Docker's create requests."""

from typing import Any

from transship.spec import fields
from transship.spec.codec import Json
from transship.spec.fields import ApiVersion
from transship.spec.merge import merged
from transship.spec.model import ContainerSpec, Mount, NetworkAttachment, NetworkSpec, VolumeSpec
from transship.spec.mounts import ANONYMOUS_LABEL

_ALL_NETWORKS_AT_CREATE: ApiVersion = (1, 44)
_CONFLICT_WITH_BORROWED_NETWORK = ("Hostname", "Domainname", "ExposedPorts")
_HOST_CONFLICT_WITH_BORROWED_NETWORK = ("Links", "Dns", "ExtraHosts", "PortBindings", "PublishAllPorts")


def create_body(spec: ContainerSpec, *, image: str, api_version: ApiVersion, flat: bool = False) -> dict[str, Any]:
    """The body of `POST /containers/create`.

    `image` is the verified id or name on the target. `flat`: that image was made by `docker import` and says nothing,
    so the effective config goes in full. Before API 1.44 only the container's own network is in it: `connections`
    has the others.
    """
    config = dict(merged(spec.config, spec.image.config) if flat else spec.config)
    host_config: dict[str, Any] = {**spec.host_config, "NetworkMode": spec.network_mode}
    host_config["Binds"] = [_bind_string(mount) for mount in spec.mounts if mount.form == "string"]
    host_config["Mounts"] = [_structured(mount) for mount in spec.mounts if mount.form == "structured"]
    if spec.network_mode.startswith("container:"):
        config = _without(config, _CONFLICT_WITH_BORROWED_NETWORK)
        host_config = _without(host_config, _HOST_CONFLICT_WITH_BORROWED_NETWORK)
    if host_config.get("UTSMode") == "host":
        config = _without(config, ("Hostname", "Domainname"))
    old = api_version < _ALL_NETWORKS_AT_CREATE
    at_create = [item for item in spec.networks if not old or item.network.name == spec.network_mode]
    if old and at_create and at_create[0].mac:
        config["MacAddress"] = at_create[0].mac
    endpoints = {item.network.name: _endpoint(item) for item in at_create}
    return {**config, "Image": image, "HostConfig": host_config, "NetworkingConfig": {"EndpointsConfig": endpoints}}


def connections(spec: ContainerSpec, api_version: ApiVersion) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The networks to attach between create and start, by name, each with its endpoint's settings."""
    if api_version >= _ALL_NETWORKS_AT_CREATE:
        return ()
    return tuple(
        (item.network.name, _endpoint(item)) for item in spec.networks if item.network.name != spec.network_mode
    )


def network_body(network: NetworkSpec) -> dict[str, Any]:
    """The body of `POST /networks/create`. Not for a predefined network."""
    body: dict[str, Any] = {
        "Name": network.name,
        # Before API 1.44 Docker makes a second network of the same name without this.
        "CheckDuplicate": True,
        "Driver": network.driver,
        "Attachable": network.attachable,
        "Ingress": network.ingress,
        "Labels": dict(network.labels),
    }
    if network.scope != "local":
        body["Scope"] = network.scope
    if network.config_from:
        return body | {"ConfigFrom": {"Network": network.config_from}}
    body |= {"Internal": network.internal, "EnableIPv6": network.ipv6, "ConfigOnly": network.config_only}
    if not network.ipv4:
        body["EnableIPv4"] = False
    return body | {"IPAM": dict(network.ipam), "Options": dict(network.options)}


def volume_body(volume: VolumeSpec) -> dict[str, Any]:
    """The body of `POST /volumes/create`. An anonymous volume keeps its name, and what tells that nobody chose it."""
    labels = {**volume.labels, ANONYMOUS_LABEL: ""} if volume.anonymous else dict(volume.labels)
    return {"Name": volume.name, "Driver": volume.driver, "DriverOpts": dict(volume.options), "Labels": labels}


def lost_fields(spec: ContainerSpec, api_version: ApiVersion) -> tuple[str, ...]:
    """What the spec says and a daemon of `api_version` would ignore without a word, as paths."""
    lost = [f"HostConfig.{name}" for name in fields.ignored(spec.host_config, fields.HOST_CONFIG, api_version)]
    health = spec.config.get("Healthcheck", {})
    lost += [f"Config.Healthcheck.{name}" for name in fields.ignored(health, fields.HEALTHCHECK, api_version)]
    for mount in spec.mounts:
        where = f"HostConfig.Mounts[{mount.target}]"
        lost += [f"{where}.{name}" for name in fields.ignored(mount.options, fields.MOUNT, api_version)]
        for part, known in fields.MOUNT_OPTIONS.items():
            names = fields.ignored(mount.options.get(part) or {}, known, api_version)
            lost += [f"{where}.{part}.{name}" for name in names]
    for item in spec.networks:
        where = f"NetworkingConfig.{item.network.name}"
        if item.gateway_priority and api_version < (1, 48):
            lost.append(f"{where}.GwPriority")
        if item.mac and api_version < _ALL_NETWORKS_AT_CREATE and item.network.name != spec.network_mode:
            lost.append(f"{where}.MacAddress")
        if not item.network.ipv4 and api_version < (1, 48):
            lost.append(f"Networks.{item.network.name}.EnableIPv4")
    return tuple(lost)


def _without(document: Json, names: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in names}


def _bind_string(mount: Mount) -> str:
    words = [*(["ro"] if mount.read_only else []), *mount.mode]
    return ":".join([mount.source, mount.target, *([",".join(words)] if words else [])])


def _structured(mount: Mount) -> dict[str, Any]:
    body: dict[str, Any] = {"Type": mount.type, "Target": mount.target, **mount.options}
    if mount.source:
        body["Source"] = mount.source
    if mount.read_only:
        body["ReadOnly"] = True
    return body


def _endpoint(item: NetworkAttachment) -> dict[str, Any]:
    ipam = {"IPv4Address": item.ipv4, "IPv6Address": item.ipv6, "LinkLocalIPs": list(item.link_local)}
    body = {
        "IPAMConfig": {key: value for key, value in ipam.items() if value},
        "MacAddress": item.mac,
        "Aliases": list(item.aliases),
        "Links": list(item.links),
        "GwPriority": item.gateway_priority,
        "DriverOpts": dict(item.driver_options),
    }
    return {key: value for key, value in body.items() if value}
