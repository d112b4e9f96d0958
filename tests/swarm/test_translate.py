from dataclasses import replace
from typing import Any

import pytest

from tests.plan.observed import SPEC
from transship.spec import fields
from transship.spec.model import ContainerSpec, Mount, NetworkAttachment, NetworkSpec
from transship.swarm.translate import CARRIED, WITHOUT_MEANING, dropped, not_kept, service_spec

DAEMON = {"CgroupVersion": "2", "DefaultRuntime": "runc", "SwapLimit": True}

SAID: dict[str, Any] = {
    "Hostname": "web", "Domainname": "d", "User": "1", "AttachStdin": True, "AttachStdout": True, "AttachStderr": True,
    "ExposedPorts": {"80/tcp": {}}, "Tty": True, "OpenStdin": True, "StdinOnce": True, "Env": ["A=1"], "Cmd": ["x"],
    "Healthcheck": {"Test": ["NONE"]}, "ArgsEscaped": True, "Image": "i", "Volumes": {"/v": {}}, "WorkingDir": "/w",
    "Entrypoint": ["/e"], "NetworkDisabled": True, "MacAddress": "02:00:00:00:00:01", "OnBuild": ["RUN x"],
    "Labels": {"a": "b"}, "StopSignal": "SIGINT", "StopTimeout": 0, "Shell": ["/bin/ash"],
}  # fmt: skip
"""A value for every field of Config."""

SAID_OF_HOST: dict[str, Any] = {
    "Binds": ["/a:/b"], "ContainerIDFile": "/f", "LogConfig": {"Type": "local"}, "NetworkMode": "host",
    "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}, "RestartPolicy": {"Name": "always"},
    "AutoRemove": True, "VolumeDriver": "v", "VolumesFrom": ["c"], "ConsoleSize": [1, 2], "CapAdd": ["CAP_CHOWN"],
    "CapDrop": ["ALL"], "CgroupnsMode": "host", "Dns": ["9.9.9.9"], "DnsOptions": ["ndots:1"], "DnsSearch": ["x"],
    "ExtraHosts": ["a:1.2.3.4"], "GroupAdd": ["1"], "IpcMode": "host", "Cgroup": "c", "Links": ["a:b"],
    "OomScoreAdj": 1, "PidMode": "host", "Privileged": True, "PublishAllPorts": True, "ReadonlyRootfs": True,
    "SecurityOpt": ["seccomp=unconfined"], "StorageOpt": {"size": "1G"}, "Tmpfs": {"/t": ""}, "UTSMode": "host",
    "UsernsMode": "host", "ShmSize": 1, "Sysctls": {"net.core.somaxconn": "1"}, "Runtime": "kata",
    "Isolation": "process", "Mounts": [{}], "MaskedPaths": [], "ReadonlyPaths": [], "Init": False, "CpuShares": 1,
    "Memory": 1 << 26, "NanoCpus": 1, "CgroupParent": "p", "BlkioWeight": 10, "BlkioWeightDevice": [{}],
    "BlkioDeviceReadBps": [{}], "BlkioDeviceWriteBps": [{}], "BlkioDeviceReadIOps": [{}],
    "BlkioDeviceWriteIOps": [{}], "CpuPeriod": 1, "CpuQuota": 1, "CpuRealtimePeriod": 1, "CpuRealtimeRuntime": 1,
    "CpusetCpus": "0", "CpusetMems": "0", "Devices": [{}], "DeviceCgroupRules": ["c"], "DeviceRequests": [{}],
    "KernelMemory": 1, "KernelMemoryTCP": 1, "MemoryReservation": 1, "MemorySwap": -1, "MemorySwappiness": 0,
    "OomKillDisable": True, "PidsLimit": 10, "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "CpuCount": 1,
    "CpuPercent": 1, "IOMaximumIOps": 1, "IOMaximumBandwidth": 1, "Annotations": {"a": "b"},
}  # fmt: skip
"""A value for every field of HostConfig, none of which a container has by itself."""


@pytest.mark.parametrize("field", [*fields.CONFIG, *fields.HOST_CONFIG])
def test_every_field_is_kept_or_told_or_means_nothing(field: str) -> None:
    made = spec({field: SAID[field]}) if field in SAID else spec(host={field: SAID_OF_HOST[field]})
    lost = [each for each in not_kept(made, DAEMON) if field in each]
    if field in CARRIED:
        assert service_spec(made, "web", "h2-id") != service_spec(spec(), "web", "h2-id")
    assert bool(lost) is (field not in {*CARRIED, *WITHOUT_MEANING})


def test_a_field_of_a_newer_docker_is_told() -> None:
    assert not_kept(spec({"Invented": 1}, {"Imagined": {"a": 1}}), DAEMON) == (
        "its setting Invented", "its setting Imagined",
    )  # fmt: skip


def test_what_a_services_containers_have_anyway_is_not_told() -> None:
    usual = {"IpcMode": "private", "CgroupnsMode": "private", "Runtime": "runc", "ShmSize": 64 << 20, "Memory": 8,
             "MemorySwap": 16}  # fmt: skip
    assert not_kept(spec(host=usual), DAEMON) == ()
    older = {"CgroupVersion": "1", "DefaultRuntime": "crun"}
    assert not_kept(spec(host={"Memory": 8, "MemorySwap": -1}), older) == ()
    assert not_kept(spec(host=usual), older) == ("its setting CgroupnsMode", "its setting Runtime")


def test_the_networks_of_the_host_and_of_nobody() -> None:
    assert template(spec(network_mode="host"))["Networks"] == [{"Target": "host"}]
    assert not_kept(spec(network_mode="none"), DAEMON) == ("that it has no network",)
    assert not_kept(spec(network_mode="container:db"), DAEMON) == ("the network of another container",)


def test_what_swarm_would_take_for_a_template_stays_as_it_is() -> None:
    found = template(
        spec({"Env": ["A={{.Node.Hostname}}"], "Hostname": "{{x}}"}, mounts=(bind("/srv/{{x}}", "/data"),))
    )["ContainerSpec"]
    assert found["Env"] == ['A={{"{{"}}.Node.Hostname}}']
    assert found["Hostname"] == '{{"{{"}}x}}'
    assert found["Mounts"][0]["Source"] == '/srv/{{"{{"}}x}}'


def bind(source: str, target: str, *mode: str) -> Mount:
    return Mount("bind", source, target, read_only=False, form="string", mode=mode)


def test_the_options_of_mounts_are_kept_or_told() -> None:
    made = spec(
        host={"Tmpfs": {"/t": "rw,size=64m,mode=1777,uid=5"}}, mounts=(bind("/a", "/b", "Z", "cached", "rslave"),)
    )
    bound, tmpfs = template(made)["ContainerSpec"]["Mounts"]
    assert bound["BindOptions"] == {"Propagation": "rslave"}
    assert tmpfs["TmpfsOptions"] == {"SizeBytes": 64 << 20, "Mode": 0o1777}
    assert not_kept(made, DAEMON) == ("the option Z of its mount /b", "the option uid of its tmpfs /t")


def test_ports_are_kept_but_for_addresses_and_ranges() -> None:
    several = [{"HostIp": "0.0.0.0", "HostPort": "80"}, {"HostIp": "::", "HostPort": "80"}]  # noqa: S104
    made = spec(host={"PortBindings": {"80/tcp": several, "81/udp": [{"HostIp": "", "HostPort": "90-95"}]}})
    ports = service_spec(made, "web", "h2-id")["EndpointSpec"]["Ports"]
    assert ports == [
        {"Protocol": "tcp", "TargetPort": 80, "PublishMode": "host", "PublishedPort": 80},
        {"Protocol": "udp", "TargetPort": 81, "PublishMode": "host"},
    ], "the same port twice is refused by Swarm"
    assert not_kept(made, DAEMON) == ("the range 90-95 of its port 81",)


def test_what_swarm_left_out_is_found() -> None:
    asked = {"ContainerSpec": {"Env": ["A=1"], "Init": True, "Args": None, "Mounts": [{"Type": "bind", "X": {}}]}}
    assert list(dropped(asked, asked)) == []
    kept = {"ContainerSpec": {"Env": ["A=1"], "Mounts": [{"Type": "bind"}], "More": 1}}
    assert list(dropped(asked, kept)) == ["ContainerSpec.Init"]


def spec(config: dict[str, Any] | None = None, host: dict[str, Any] | None = None, **more: Any) -> ContainerSpec:
    return replace(SPEC, config=config or {}, host_config=host or {}, **more)


def template(made: ContainerSpec) -> dict[str, Any]:
    found: dict[str, Any] = service_spec(made, "web", "h2-id")["TaskTemplate"]
    return found


def test_what_swarm_has_a_word_for_is_kept() -> None:
    made = spec(
        {
            "Env": ["A=1"], "Cmd": ["serve"], "Entrypoint": ["/run"], "User": "1000", "StopTimeout": 30,
            "Labels": {"a": "b"},
        },
        {
            "CapAdd": ["CAP_NET_ADMIN"], "ReadonlyRootfs": True, "Dns": ["9.9.9.9"], "ExtraHosts": ["db:10.0.0.1"],
            "Memory": 1 << 26, "MemorySwap": 1 << 27, "Tmpfs": {"/t": ""},
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
            "LogConfig": {"Type": "local", "Config": {"max-size": "1m"}},
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        },
        mounts=(Mount("volume", "data", "/data", read_only=True, form="string", mode=("nocopy",)),),
    )  # fmt: skip
    found = template(made)
    container = found["ContainerSpec"]
    assert (container["Command"], container["Args"], container["StopGracePeriod"]) == (["/run"], ["serve"], 30 * 10**9)
    assert (container["Env"], container["User"], container["Labels"]) == (["A=1"], "1000", {"a": "b"})
    assert (container["CapabilityAdd"], container["ReadOnly"]) == (["CAP_NET_ADMIN"], True)
    assert container["DNSConfig"] == {"Nameservers": ["9.9.9.9"]}
    assert container["Hosts"] == ["10.0.0.1 db"]
    assert container["Mounts"] == [
        {"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": True, "VolumeOptions": {"NoCopy": True}},
        {"Type": "tmpfs", "Target": "/t"},
    ]
    assert found["Resources"] == {"Limits": {"MemoryBytes": 1 << 26}}
    assert found["RestartPolicy"] == {"Condition": "on-failure", "MaxAttempts": 3}
    assert found["LogDriver"] == {"Name": "local", "Options": {"max-size": "1m"}}
    assert found["Placement"] == {"Constraints": ["node.id==h2-id"]}
    ports = service_spec(made, "web", "h2-id")["EndpointSpec"]["Ports"]
    assert ports == [{"Protocol": "tcp", "TargetPort": 80, "PublishMode": "host", "PublishedPort": 8080}]
    assert not_kept(made, DAEMON) == ()


def test_docker_compose_does_not_find_its_container_in_the_task() -> None:
    """`docker compose down` removes what has its labels."""
    made = spec({"Labels": {"mine": "1", "com.docker.compose.project": "shop", "com.docker.compose.service": "web"}})
    assert template(made)["ContainerSpec"]["Labels"] == {"mine": "1"}
    assert not_kept(made, DAEMON) == ("that it belongs to Docker Compose (its labels com.docker.compose.*)",)


def test_what_it_has_no_word_for_is_told_without_its_value() -> None:
    private = NetworkSpec("backend", "bridge")
    made = spec(
        {"Domainname": "secret.example"},
        {"Privileged": True, "Devices": [{"PathOnHost": "/dev/x"}], "ShmSize": 1 << 30, "Runtime": "kata",
         "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "80"}]}},
        networks=(NetworkAttachment(private, ipv4="10.1.0.9"),),
    )  # fmt: skip
    lost = not_kept(made, DAEMON)
    for word in (
        "Domainname",
        "Privileged",
        "Devices",
        "ShmSize",
        "Runtime",
        "127.0.0.1",
        "backend, which",
        "fixed address",
    ):
        assert any(word in each for each in lost), word
    assert "secret.example" not in " ".join(lost)


def test_networks_of_the_swarm_are_joined() -> None:
    overlay = NetworkSpec("mesh", "overlay", scope="swarm", attachable=True)
    made = spec(networks=(NetworkAttachment(overlay, aliases=("db",)),), network_mode="mesh")
    assert template(made)["Networks"] == [{"Target": "mesh", "Aliases": ["db"]}]
    assert not_kept(made, DAEMON) == ()
    chosen = replace(made, networks=(replace(made.networks[0], ipv4="10.0.1.6"),))
    assert not_kept(chosen, DAEMON) == ("the address in mesh",)
