"""The container of `everything`, as three versions of Docker described it."""

import json
from pathlib import Path

import pytest

from tests.spec.daemon import Document
from transship.spec import fields
from transship.spec.compare import differences
from transship.spec.extract import Surroundings, extract, network_names, unknown_fields, volume_names
from transship.spec.merge import IMAGE_FIELDS, merged
from transship.spec.model import ContainerSpec
from transship.spec.render import connections, create_body, network_body, volume_body

VERSIONS = ["20.10", "26.1", "28.5"]
FOLDER = Path(__file__).parent / "recorded"


def recorded(version: str) -> Document:
    document: Document = json.loads((FOLDER / f"docker-{version}.json").read_text())
    return document


def spec_of(document: Document) -> ContainerSpec:
    around = Surroundings(host_name=document["host_name"], api_version=tuple(document["api_version"]))
    return extract(document["container"], document["image"], document["networks"], document["volumes"], around=around)


def created(document: Document, spec: ContainerSpec) -> Document:
    """The recorded documents as they would be, had all been created from the spec."""
    api_version = tuple(document["api_version"])
    body = create_body(spec, image=spec.image.reference, api_version=api_version)
    said = {key: value for key, value in body.items() if key not in ("HostConfig", "NetworkingConfig")}
    image = {key: value for key, value in document["image"]["Config"].items() if key in IMAGE_FIELDS and value}
    endpoints = {**body["NetworkingConfig"]["EndpointsConfig"], **dict(connections(spec, api_version))}
    container = {
        **document["container"],
        "Id": "f" * 64,
        "Config": {"Hostname": "f" * 12, **merged(said, image)},
        "HostConfig": body["HostConfig"],
        "NetworkSettings": {"Networks": endpoints},
        "State": {"Running": False},
    }
    bodies = [volume_body(volume) for volume in spec.volumes]
    volumes = {body["Name"]: {**body, "Options": body["DriverOpts"]} for body in bodies}
    networks = {item.network.name: network_body(item.network) for item in spec.networks}
    return {**document, "container": container, "volumes": volumes, "networks": networks}


@pytest.mark.parametrize("version", VERSIONS)
def test_read_rendered_and_read_again_it_is_the_same(version: str) -> None:
    spec = spec_of(recorded(version))
    assert spec_of(created(recorded(version), spec)) == spec
    assert ContainerSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("version", VERSIONS)
def test_no_field_is_unknown_and_none_is_left_out(version: str) -> None:
    document = recorded(version)
    assert unknown_fields(document["container"]) == ()
    assert document["container"]["Config"].keys() <= fields.CONFIG.keys()
    assert document["container"]["HostConfig"].keys() <= fields.HOST_CONFIG.keys()
    assert network_names(document["container"]) == tuple(sorted(document["networks"]))
    assert volume_names(document["container"]) == tuple(sorted(document["volumes"]))


@pytest.mark.parametrize("version", ["20.10", "28.5"])
def test_the_same_container_is_the_same_in_every_version(version: str) -> None:
    one, other = spec_of(recorded("26.1")), spec_of(recorded(version))
    found = {item.field for item in differences(one, other) if not item.field.startswith(("mounts.", "volumes."))}
    # Docker 20.10 has no annotations.
    assert found == ({"host_config.Annotations"} if version == "20.10" else set())
    # The anonymous volumes have a name of their own on each host.
    assert [mount.target for mount in one.mounts] == [mount.target for mount in other.mounts]
    assert [volume.anonymous for volume in one.volumes].count(True) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_said_is_in_the_spec(version: str) -> None:
    spec = spec_of(recorded(version))
    assert spec.config["Env"] == ["LANG=de", "TOKEN=secret", "EMPTY="]
    assert "secret" not in repr(spec)
    assert {item.network.name: item.mac for item in spec.networks} == {"back": "", "front": "02:16:3e:11:22:33"}
    assert {item.network.name: item.aliases for item in spec.networks} == {
        "back": ("backend",),
        "front": ("www", "shop"),
    }
    assert [port.host_port for port in spec.published_ports] == ["", "18080", "18081"]
