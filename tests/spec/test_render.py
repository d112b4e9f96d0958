from typing import Any

import pytest

from tests.spec.documents import BRIDGE, container, network, volume
from tests.spec.test_extract import ANONYMOUS, spec_of
from transship.spec.model import ContainerSpec, NetworkSpec, VolumeSpec
from transship.spec.render import connections, create_body, lost_fields, network_body, volume_body

OLD, NEW = (1, 41), (1, 48)
MAC = "00:16:3e:00:00:01"


def body_of(spec: ContainerSpec, api_version: tuple[int, int] = NEW, **others: Any) -> dict[str, Any]:
    return create_body(spec, image="sha256:verified", api_version=api_version, **others)


def on_two_networks() -> ContainerSpec:
    endpoints = {
        "back": {"Aliases": ["db"], "MacAddress": MAC, "GwPriority": 7},
        "front": {"MacAddress": MAC, "IPAMConfig": {"IPv4Address": "10.0.0.9"}},
    }
    document = container(host_config={"NetworkMode": "front"}, NetworkSettings={"Networks": endpoints})
    return spec_of(document, networks={name: network(name) for name in endpoints})


def test_what_the_image_says_is_left_to_the_image() -> None:
    body = body_of(spec_of(container(config={"Env": ["A=1", "PATH=/usr/bin:/bin", "LANG=C.UTF-8"]})))
    assert body["Env"] == ["A=1"]
    assert body["Image"] == "sha256:verified"
    assert not body.keys() & {"Cmd", "Entrypoint", "User", "Labels", "Healthcheck", "Hostname"}


def test_for_a_flat_image_all_is_said() -> None:
    body = body_of(spec_of(container()), flat=True)
    assert (body["Entrypoint"], body["Cmd"]) == (["/entry"], ["serve"])
    assert body["Env"] == ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
    assert body["Healthcheck"]["Test"] == ["CMD", "probe"]
    assert body["StopSignal"] == "SIGQUIT"


def test_all_networks_at_once_where_the_daemon_can() -> None:
    spec = on_two_networks()
    endpoints = body_of(spec)["NetworkingConfig"]["EndpointsConfig"]
    assert endpoints == {
        "back": {"Aliases": ["db"], "MacAddress": MAC, "GwPriority": 7},
        "front": {"MacAddress": MAC, "IPAMConfig": {"IPv4Address": "10.0.0.9"}},
    }
    assert connections(spec, NEW) == ()


def test_one_network_at_create_and_the_others_after_it_where_it_cannot() -> None:
    spec = on_two_networks()
    body = body_of(spec, OLD)
    assert list(body["NetworkingConfig"]["EndpointsConfig"]) == ["front"]
    assert body["MacAddress"] == MAC
    assert [name for name, _ in connections(spec, OLD)] == ["back"]


def test_what_the_daemon_would_drop_is_named() -> None:
    mounts = [{"Type": "volume", "Source": "v", "Target": "/v", "VolumeOptions": {"Subpath": "a"}}]
    spec = spec_of(
        container(
            config={"Healthcheck": {"Test": ["CMD", "x"], "StartInterval": 1}},
            host_config={"Annotations": {"a": "b"}, "Mounts": mounts},
        ),
        volumes={"v": volume("v")},
    )
    assert lost_fields(spec, OLD) == (
        "HostConfig.Annotations",
        "Config.Healthcheck.StartInterval",
        "HostConfig.Mounts[/v].VolumeOptions.Subpath",
    )
    assert lost_fields(spec, NEW) == ()
    kernel_memory = spec_of(container(host_config={"KernelMemory": 1}))
    assert (lost_fields(kernel_memory, OLD), lost_fields(kernel_memory, NEW)) == ((), ("HostConfig.KernelMemory",))
    assert lost_fields(on_two_networks(), OLD) == (
        "NetworkingConfig.back.GwPriority",
        "NetworkingConfig.back.MacAddress",
    )


def test_a_borrowed_network_brings_no_fields_that_docker_refuses_with_it() -> None:
    spec = spec_of(
        container(
            config={"Hostname": "x", "ExposedPorts": {"80/tcp": {}, "9/tcp": {}}},
            host_config={
                "NetworkMode": "container:vpn",
                "Dns": ["1.1.1.1"],
                "ExtraHosts": ["a:1.1.1.1"],
                "PublishAllPorts": True,
                "PortBindings": {"80/tcp": [{"HostPort": "80"}]},
            },
            NetworkSettings={"Networks": {}},
        )
    )
    body = body_of(spec)
    assert not body.keys() & {"Hostname", "ExposedPorts"}
    assert body["HostConfig"] == {"NetworkMode": "container:vpn", "Binds": [], "Mounts": []}
    assert body["NetworkingConfig"] == {"EndpointsConfig": {}}


def test_the_hosts_uts_namespace_has_a_name_already() -> None:
    spec = spec_of(container(config={"Hostname": "machine"}, host_config={"UTSMode": "host"}))
    assert "Hostname" not in body_of(spec)


def test_mounts_are_said_in_the_form_in_which_they_were_said() -> None:
    structured = {"Type": "bind", "Source": "/c", "Target": "/d", "ReadOnly": True, "Consistency": "cached"}
    spec = spec_of(container(host_config={"Binds": ["/a:/b:rw,z"], "Mounts": [structured]}))
    host_config = body_of(spec)["HostConfig"]
    assert host_config["Binds"] == ["/a:/b:z"]
    assert host_config["Mounts"] == [structured]


def test_an_anonymous_volume_keeps_its_name_and_stays_anonymous() -> None:
    points = [{"Type": "volume", "Name": ANONYMOUS, "Destination": "/data", "RW": False, "Mode": ""}]
    spec = spec_of(container(Mounts=points), volumes={ANONYMOUS: volume(ANONYMOUS)})
    assert body_of(spec)["HostConfig"]["Binds"] == [f"{ANONYMOUS}:/data:ro"]
    body = volume_body(spec.volumes[0])
    assert (body["Name"], body["Labels"]) == (ANONYMOUS, {"com.docker.volume.anonymous": ""})


def test_a_volume_keeps_driver_options_and_labels() -> None:
    spec = VolumeSpec("v", "nfs", anonymous=False, destination="/v", options={"o": "rw"}, labels={"a": "b"})
    assert volume_body(spec) == {"Name": "v", "Driver": "nfs", "DriverOpts": {"o": "rw"}, "Labels": {"a": "b"}}


def test_a_network_keeps_its_definition() -> None:
    spec = NetworkSpec("n", "macvlan", internal=True, ipv4=False, ipv6=True, ipam={"Config": [{"Subnet": "fd00::/64"}]})
    body = network_body(spec)
    assert body["Driver"] == "macvlan"
    assert (body["Internal"], body["EnableIPv4"], body["EnableIPv6"]) == (True, False, True)
    assert body["IPAM"] == {"Config": [{"Subnet": "fd00::/64"}]}


def test_a_network_made_from_another_ones_configuration_says_only_that() -> None:
    body = network_body(
        NetworkSpec("n", "macvlan", config_from="template", ipam={"Config": [{"Subnet": "10.0.0.0/8"}]})
    )
    assert body["ConfigFrom"] == {"Network": "template"}
    assert not body.keys() & {"IPAM", "Options", "Internal", "EnableIPv6"}


@pytest.mark.parametrize("name", ["bridge", "host", "none"])
def test_predefined_networks_are_known(name: str) -> None:
    assert NetworkSpec(name, "x").predefined
    assert BRIDGE.keys() == {"bridge"}
