from typing import Any

import pytest

from tests.spec.documents import BRIDGE, CONTAINER_ID, IMAGE, Document, container, image, network, volume
from transship.spec.codec import SpecError
from transship.spec.extract import Surroundings, extract, unknown_fields, volume_names
from transship.spec.model import ContainerSpec, Mount, NetworkAttachment

ANONYMOUS = "a" * 64


def spec_of(document: Document, **others: Any) -> ContainerSpec:
    return extract(
        document,
        others.pop("image", IMAGE),
        others.pop("networks", BRIDGE),
        others.pop("volumes", {}),
        around=Surroundings(**others),
    )


def on_network(endpoint: Document, **others: Any) -> NetworkAttachment:
    document = container(host_config={"NetworkMode": "front"}, NetworkSettings={"Networks": {"front": endpoint}})
    document["Config"] |= others.pop("config", {})
    document["State"] |= others.pop("state", {})
    (attachment,) = spec_of(document, networks={"front": network("front")}, **others).networks
    return attachment


def test_a_container_to_which_the_user_added_nothing_says_nothing() -> None:
    spec = spec_of(container())
    assert (spec.config, spec.host_config, spec.mounts) == ({}, {}, ())
    assert (spec.name, spec.network_mode) == ("web", "bridge")


def test_the_image_is_known_by_name_id_layers_and_platform() -> None:
    found = spec_of(container()).image
    assert found.reference == "example/web:1"
    assert found.id == IMAGE["Id"]
    assert found.diff_ids == tuple(IMAGE["RootFS"]["Layers"])
    assert found.platform == "linux/arm/v7"


@pytest.mark.parametrize(("hostname", "carried"), [(CONTAINER_ID[:12], None), ("db1", "db1")])
def test_only_a_hostname_that_somebody_chose_is_carried(hostname: str, carried: str | None) -> None:
    assert spec_of(container(config={"Hostname": hostname})).config.get("Hostname") == carried


def test_the_hosts_own_name_is_not_the_containers() -> None:
    document = container(
        config={"Hostname": "machine7"},
        host_config={"NetworkMode": "host"},
        NetworkSettings={"Networks": {"host": {}}},
    )
    assert "Hostname" not in spec_of(document, host_name="machine7").config
    assert spec_of(document, host_name="machine8").config["Hostname"] == "machine7"


def test_a_borrowed_network_is_found_by_name_and_takes_the_hostname_with_it() -> None:
    owner = "b" * 64
    document = container(
        config={"Hostname": "vpn", "Domainname": "example.org"},
        host_config={"NetworkMode": f"container:{owner}", "IpcMode": f"container:{owner}", "PidMode": "host"},
        NetworkSettings={"Networks": {}},
    )
    spec = spec_of(document, container_names={owner: "/vpn"})
    assert spec.network_mode == "container:vpn"
    assert spec.host_config == {"IpcMode": "container:vpn", "PidMode": "host"}
    assert spec.config == {}


def test_a_network_that_was_left_is_not_joined_again() -> None:
    front = {"front": network("front")}
    left = container(host_config={"NetworkMode": "bridge"}, NetworkSettings={"Networks": {"front": {}}})
    assert spec_of(left, networks=front).network_mode == "front"
    alone = container(host_config={"NetworkMode": "bridge"}, NetworkSettings={"Networks": {}})
    assert spec_of(alone, networks={}).network_mode == "none"


def test_a_network_given_by_id_is_known_by_name() -> None:
    document = container(host_config={"NetworkMode": "id-of-front"}, NetworkSettings={"Networks": {"front": {}}})
    assert spec_of(document, networks={"front": network("front")}).network_mode == "front"


def test_configured_addresses_are_carried_and_assigned_ones_are_not() -> None:
    assert on_network({"IPAMConfig": {}, "IPAddress": "10.0.0.7", "GlobalIPv6Address": "fd00::7"}).ipv4 == ""
    fixed = on_network({"IPAMConfig": {"IPv4Address": "10.0.0.7", "IPv6Address": "fd00::7"}, "IPAddress": "10.0.0.7"})
    assert (fixed.ipv4, fixed.ipv6) == ("10.0.0.7", "fd00::7")


def test_names_that_docker_answers_to_by_itself_are_no_aliases() -> None:
    endpoint = {"Aliases": ["web", CONTAINER_ID[:12], "shop", "www"]}
    assert on_network(endpoint, config={"Hostname": "shop"}).aliases == ("www",)


FROM_IP = {"IPAddress": "10.0.0.7", "MacAddress": "02:42:0a:00:00:07"}
RANDOM = {"IPAddress": "10.0.0.7", "MacAddress": "9e:14:5c:00:11:22"}
BOUGHT = {"IPAddress": "10.0.0.7", "MacAddress": "00:16:3e:00:11:22"}


@pytest.mark.parametrize(
    ("endpoint", "others", "mac"),
    [
        pytest.param(FROM_IP, {"api_version": (1, 41)}, "", id="made from the address"),
        pytest.param(RANDOM, {"api_version": (1, 48)}, "", id="may be random since Docker 28"),
        pytest.param(RANDOM, {}, "", id="may be random in an unknown version"),
        pytest.param(RANDOM, {"api_version": (1, 45)}, RANDOM["MacAddress"], id="cannot be random before Docker 28"),
        pytest.param(BOUGHT, {"api_version": (1, 48)}, BOUGHT["MacAddress"], id="of a vendor, so never generated"),
        pytest.param(RANDOM, {"state": {"Running": False}}, RANDOM["MacAddress"], id="nothing is generated at rest"),
        pytest.param(
            RANDOM, {"config": {"MacAddress": RANDOM["MacAddress"]}}, RANDOM["MacAddress"], id="stated in Config"
        ),
        pytest.param(FROM_IP, {"config": {"MacAddress": FROM_IP["MacAddress"]}}, "", id="Docker 25.0.0 states all"),
        pytest.param(
            {**FROM_IP, "IPAMConfig": {"IPv4Address": "10.0.0.7"}},
            {"config": {"MacAddress": FROM_IP["MacAddress"]}},
            FROM_IP["MacAddress"],
            id="stated, and the address is fixed as well",
        ),
    ],
)
def test_only_a_configured_mac_address_is_carried(endpoint: Document, others: Document, mac: str) -> None:
    assert on_network(endpoint, **others).mac == mac


def test_anonymous_volumes_are_found_by_their_destination() -> None:
    point = {"Type": "volume", "Name": ANONYMOUS, "Source": "/x", "Destination": "/data", "Mode": "", "RW": True}
    spec = spec_of(container(config={"Volumes": {"/data": {}}}, Mounts=[point]), volumes={ANONYMOUS: volume(ANONYMOUS)})
    assert spec.mounts == (Mount("volume", ANONYMOUS, "/data", read_only=False, form="string"),)
    (found,) = spec.volumes
    assert (found.anonymous, found.destination) == (True, "/data")


def test_a_volume_that_looks_generated_but_was_named_is_not_anonymous() -> None:
    point = {"Type": "volume", "Name": ANONYMOUS, "Destination": "/data", "Mode": "z", "RW": True}
    document = container(host_config={"Binds": [f"{ANONYMOUS}:/data"]}, Mounts=[point])
    assert not spec_of(document, volumes={ANONYMOUS: volume(ANONYMOUS)}).volumes[0].anonymous
    labelled = volume(ANONYMOUS, Labels={"com.docker.volume.anonymous": ""})
    assert spec_of(document, volumes={ANONYMOUS: labelled}).volumes[0].anonymous


def test_a_structured_anonymous_volume_gets_its_name_from_the_mount_points() -> None:
    point = {"Type": "volume", "Name": "made", "Destination": "/data", "RW": False}
    document = container(
        host_config={"Mounts": [{"Type": "volume", "Target": "/data", "ReadOnly": True}]}, Mounts=[point]
    )
    (mount,) = spec_of(document, volumes={"made": volume("made")}).mounts
    assert mount == Mount("volume", "made", "/data", read_only=True, form="structured")


def test_mounts_taken_from_another_container_become_mounts_of_its_own() -> None:
    points = [
        {"Type": "volume", "Name": "shared", "Destination": "/a", "Mode": "z", "RW": False},
        {"Type": "bind", "Source": "/etc/x", "Destination": "/b", "Mode": "", "Propagation": "rslave", "RW": False},
    ]
    spec = spec_of(
        container(host_config={"VolumesFrom": ["other"]}, Mounts=points), volumes={"shared": volume("shared")}
    )
    assert spec.mounts == (
        Mount("volume", "shared", "/a", read_only=True, form="string", mode=("z",)),
        Mount("bind", "/etc/x", "/b", read_only=True, form="string", mode=("rslave",)),
    )
    assert "VolumesFrom" not in spec.host_config


def test_a_path_that_docker_cleans_is_not_mounted_twice() -> None:
    points = [{"Type": "bind", "Source": "/a", "Destination": "/b", "RW": True}]
    for host_config in ({"Binds": ["/a:/b/"]}, {"Mounts": [{"Type": "bind", "Source": "/a", "Target": "/x/../b"}]}):
        assert [mount.target for mount in spec_of(container(host_config=host_config, Mounts=points)).mounts] == ["/b"]


def test_an_anonymous_volume_that_docker_28_shows_without_name_is_known_by_its_folder() -> None:
    source = f"/var/lib/docker/volumes/{ANONYMOUS}/_data"
    point = {"Type": "volume", "Source": source, "Destination": "/data", "Mode": "z", "RW": True}
    document = container(host_config={"Binds": ["/data"]}, Mounts=[point])
    assert volume_names(document) == (ANONYMOUS,)
    (found,) = spec_of(document, volumes={ANONYMOUS: volume(ANONYMOUS)}).volumes
    assert (found.name, found.anonymous) == (ANONYMOUS, True)


def test_published_ports_keep_address_and_protocol_and_leave_a_free_one_free() -> None:
    bindings = {"53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}], "80/tcp": [{"HostIp": "", "HostPort": "0"}]}
    ports = spec_of(container(host_config={"PortBindings": bindings})).published_ports
    assert [(port.port, port.protocol, port.host_address, port.host_port) for port in ports] == [
        (53, "udp", "127.0.0.1", "53"),
        (80, "tcp", "", ""),
    ]


def test_one_spelling_for_all_versions() -> None:
    spec = spec_of(
        container(
            host_config={
                "CapAdd": ["net_admin", "CAP_CHOWN", "ALL"],
                "MemorySwappiness": -1,
                "ConsoleSize": [0, 0],
                "Links": ["/db:/web/database"],
                "PidsLimit": None,
            }
        )
    )
    assert spec.host_config == {"CapAdd": ["ALL", "CAP_CHOWN", "CAP_NET_ADMIN"], "Links": ["db:database"]}


def test_the_daemons_list_of_masked_paths_stays_behind_but_a_list_of_ones_own_is_carried() -> None:
    usual = [
        "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    ]  # fmt: skip
    newer = [*usual, "/proc/interrupts", "/sys/devices/system/cpu/cpu0/thermal_throttle"]
    for paths in (usual, newer):
        assert "MaskedPaths" not in spec_of(container(host_config={"MaskedPaths": paths})).host_config
    for paths in ([], ["/proc/kcore"], [*usual, "/proc/mine"]):
        assert spec_of(container(host_config={"MaskedPaths": paths})).host_config["MaskedPaths"] == paths


def test_an_empty_value_is_kept_where_it_means_something() -> None:
    document = container(config={"StopTimeout": 0}, host_config={"Init": False, "MemorySwappiness": 0})
    spec = spec_of(document)
    assert spec.config == {"StopTimeout": 0}
    assert spec.host_config == {"Init": False, "MemorySwappiness": 0}


def test_fields_of_a_docker_to_come_are_named_and_carried() -> None:
    mounts = [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Huge": "always"}, "Speed": 9}]
    document = container(config={"Novel": "x"}, host_config={"Umask": "022", "Blank": "", "Mounts": mounts})
    assert unknown_fields(document) == (
        "Config.Novel",
        "HostConfig.Umask",
        "HostConfig.Mounts[/t].Speed",
        "HostConfig.Mounts[/t].TmpfsOptions.Huge",
    )
    spec = spec_of(document)
    assert spec.config["Novel"] == "x"
    assert spec.host_config["Umask"] == "022"
    assert spec.mounts[0].options == {"TmpfsOptions": {"Huge": "always"}, "Speed": 9}


@pytest.mark.parametrize("missing", ["Id", "Name", "Image", "Config", "HostConfig", "NetworkSettings"])
def test_a_document_that_lacks_a_part_is_refused(missing: str) -> None:
    document = container()
    del document[missing]
    with pytest.raises(SpecError):
        spec_of(document)


def test_networks_and_volumes_must_have_been_inspected() -> None:
    with pytest.raises(SpecError, match="network bridge was not inspected"):
        spec_of(container(), networks={})
    with pytest.raises(SpecError, match="volume data at /data was not inspected"):
        spec_of(container(host_config={"Binds": ["data:/data"]}))


def test_an_image_without_config_says_nothing() -> None:
    bare = image()
    bare["Config"] = None
    assert spec_of(container(), image=bare).config["Entrypoint"] == ["/entry"]
