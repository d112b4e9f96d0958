from dataclasses import replace
from typing import Any

from tests.plan.observed import SPEC
from transship.spec.model import ContainerSpec, Mount, NetworkAttachment, NetworkSpec
from transship.swarm.translate import not_kept, service_spec


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
            "Memory": 1 << 26, "MemorySwap": 1 << 27, "MemoryReservation": 1 << 25, "Tmpfs": {"/t": ""},
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
    assert found["Resources"] == {"Limits": {"MemoryBytes": 1 << 26}, "Reservations": {"MemoryBytes": 1 << 25}}
    assert found["RestartPolicy"] == {"Condition": "on-failure", "MaxAttempts": 3}
    assert found["LogDriver"] == {"Name": "local", "Options": {"max-size": "1m"}}
    assert found["Placement"] == {"Constraints": ["node.id==h2-id"]}
    ports = service_spec(made, "web", "h2-id")["EndpointSpec"]["Ports"]
    assert ports == [{"Protocol": "tcp", "TargetPort": 80, "PublishMode": "host", "PublishedPort": 8080}]
    assert not_kept(made) == ()


def test_what_it_has_no_word_for_is_told_without_its_value() -> None:
    private = NetworkSpec("backend", "bridge")
    made = spec(
        {"Domainname": "secret.example"},
        {"Privileged": True, "Devices": [{"PathOnHost": "/dev/x"}], "ShmSize": 1 << 30, "Runtime": "kata",
         "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "80"}]}},
        networks=(NetworkAttachment(private, ipv4="10.1.0.9"),),
    )  # fmt: skip
    lost = not_kept(made)
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
    made = spec(networks=(NetworkAttachment(overlay),), network_mode="mesh")
    assert template(made)["Networks"] == [{"Target": "mesh"}]
    assert not_kept(made) == ()
