from dataclasses import replace
from typing import Any

import pytest

from tests.plan.observed import SPEC
from tests.swarm.told import node, service
from transship.spec.model import NetworkAttachment, NetworkSpec
from transship.swarm.model import Service
from transship.swarm.translate_back import OF_CONTAINER, WITHOUT_MEANING, as_container, not_kept

WRITTEN = "what its task wrote into its own filesystem"
H2 = node("h2")

FIELDS: dict[str, dict[str, Any]] = {
    "Spec": {
        "Name": "web", "Labels": {"team": "x"}, "TaskTemplate": {"ForceUpdate": 1},
        "Mode": {"Replicated": {"Replicas": 1}}, "UpdateConfig": {"Parallelism": 2},
        "RollbackConfig": {"Order": "start-first"},
        "EndpointSpec": {"Ports": [{"TargetPort": 80, "PublishMode": "ingress"}]}, "Networks": [{"Target": "n"}],
    },
    "TaskTemplate": {
        "PluginSpec": {"Name": "p"}, "ContainerSpec": {}, "NetworkAttachmentSpec": {"ContainerID": "c"},
        "Resources": {"Reservations": {"MemoryBytes": 1}}, "RestartPolicy": {"Delay": 1},
        "Placement": {"MaxReplicas": 1}, "ForceUpdate": 1, "Runtime": "container",
        "Networks": [{"Target": "n"}], "LogDriver": {"Name": "local"},
    },
    "ContainerSpec": {
        "Image": "i", "Labels": {"a": "b"}, "Command": ["c"], "Args": ["a"], "Hostname": "h", "Env": ["A=1"],
        "Dir": "/d", "User": "1", "Groups": ["1"], "Privileges": {"NoNewPrivileges": True}, "Init": True,
        "StopSignal": "SIGINT", "TTY": True, "OpenStdin": True, "ReadOnly": True, "Mounts": [],
        "StopGracePeriod": 30_500_000_000, "Healthcheck": {}, "Hosts": ["1.2.3.4 a"],
        "DNSConfig": {"Nameservers": ["9.9.9.9"]}, "Secrets": [{}], "Configs": [{}], "Isolation": "default",
        "Sysctls": {"a": "b"}, "CapabilityAdd": ["CAP_CHOWN"], "CapabilityDrop": ["ALL"], "Ulimits": [{}],
        "OomScoreAdj": 1,
    },
    "Resources": {"Limits": {"MemoryBytes": 1}, "Reservations": {"NanoCPUs": 1}, "SwapBytes": 1, "MemorySwappiness": 1},
    "RestartPolicy": {"Condition": "on-failure", "Delay": 1, "MaxAttempts": 3, "Window": 1},
    "Placement": {
        "Constraints": ["node.role==worker"], "Preferences": [{}], "MaxReplicas": 1, "Platforms": [{"OS": "linux"}],
    },
    "EndpointSpec": {"Mode": "vip", "Ports": [{"TargetPort": 80, "PublishMode": "ingress", "PublishedPort": 8080}]},
}  # fmt: skip
"""Every field of a service's spec that Docker's API knows, with a value that is not the usual one."""

TOLD = {
    "Labels", "UpdateConfig", "RollbackConfig", "PluginSpec", "NetworkAttachmentSpec", "Delay", "Window", "MaxAttempts",
    "MaxReplicas", "Reservations", "Constraints", "Preferences", "Ports",
}  # fmt: skip
ELSEWHERE = {
    "TaskTemplate", "ContainerSpec", "Resources", "RestartPolicy", "Placement", "EndpointSpec",  # told by what is in it
    "Networks",  # told from the container's networks
    "StopGracePeriod", "Condition", "Mode",  # carried: below
    "Secrets", "Configs",  # refused before
}  # fmt: skip


def with_field(part: str, field: str, value: Any) -> Service:
    """A service that says nothing but this."""
    if part == "Spec":
        return service(**{} if field in {"Name", "Mode"} else {field: value} if field != "TaskTemplate" else {})
    if part == "TaskTemplate":
        return service(template={} if field == "ContainerSpec" else {field: value})
    if part == "ContainerSpec":
        return service(container={field: value})
    if part == "EndpointSpec":
        return service(EndpointSpec={field: value})
    return service(template={part: {field: value}})


@pytest.mark.parametrize(("part", "field"), [(part, field) for part, said in FIELDS.items() for field in said])
def test_every_field_is_told_or_the_containers_own_or_means_nothing(part: str, field: str) -> None:
    said = with_field(part, field, FIELDS[part][field])
    lost = [each for each in not_kept(said, SPEC, H2) if each != WRITTEN]
    own = part == "ContainerSpec" and field in OF_CONTAINER
    inner = field in {"Resources", "RestartPolicy", "Placement", "EndpointSpec"} and part in {"Spec", "TaskTemplate"}
    if field in TOLD and not own:
        assert lost
    elif not inner:
        assert lost == []
        assert own or field in WITHOUT_MEANING or field in ELSEWHERE


@pytest.mark.parametrize("part", FIELDS)
def test_a_field_of_a_newer_docker_is_told(part: str) -> None:
    assert "its setting Invented" in not_kept(with_field(part, "Invented", 1), SPEC, H2)


def test_what_goes_without_saying_is_not_told() -> None:
    plain = service(
        constraints=("node.id==h2-id", "node.hostname==h2"),
        UpdateConfig={"Parallelism": 1, "FailureAction": "pause", "Monitor": 5_000_000_000, "Order": "stop-first"},
        RollbackConfig={"Parallelism": 1, "Order": "stop-first"},
        template={"RestartPolicy": {"Condition": "any", "Delay": 5_000_000_000, "MaxAttempts": 0}},
    )
    assert not_kept(plain, SPEC, H2) == (WRITTEN,)
    elsewhere = service(constraints=("node.hostname!=h3", "node.id==h2-id"))
    assert not_kept(elsewhere, SPEC, node("h3"))[:2] == (
        "the constraint node.hostname!=h3",
        "the constraint node.id==h2-id",
    )


def test_values_are_not_told() -> None:
    said = service(container={"Env": ["TOKEN={{.Task.ID}}hidden"]}, Labels={"team": "hidden"})
    lost = not_kept(said, SPEC, H2)
    assert "hidden" not in " ".join(lost)
    assert lost[:2] == ("the template in its environment variable TOKEN", "the service's label team")


def test_the_container_stops_and_restarts_as_the_service_did() -> None:
    said = service(
        container={"StopGracePeriod": 30_500_000_000},
        template={"RestartPolicy": {"Condition": "on-failure", "MaxAttempts": 3}},
    )
    made = as_container(said, SPEC, {})
    assert made.config["StopTimeout"] == 31, "Docker counts whole seconds, and less than it had is too little"
    assert made.host_config["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_the_container_joins_what_it_may_and_chooses_no_address() -> None:
    mesh = NetworkAttachment(NetworkSpec("mesh", "overlay", scope="swarm", attachable=True), ipv4="10.0.1.7")
    closed = NetworkAttachment(NetworkSpec("closed", "overlay", scope="swarm"), ipv4="10.0.2.7")
    ingress = NetworkAttachment(NetworkSpec("ingress", "overlay", scope="swarm", ingress=True))
    was = replace(SPEC, networks=(closed, ingress, mesh))
    made = as_container(service(), was, {"mesh": ("db",)})
    assert made.networks == (replace(mesh, ipv4="", aliases=("db",)),)
    assert made.network_mode == "mesh"
    assert not_kept(service(), was, H2) == ("the network closed, which only services may join,", WRITTEN)
    assert as_container(service(), replace(SPEC, network_mode="host"), {}).network_mode == "host"


def test_ports_of_every_node_become_the_nodes_own() -> None:
    ports = [{"TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"}, {"TargetPort": 81, "Protocol": "udp"}]
    said = service(EndpointSpec={"Ports": ports})
    bound = as_container(said, SPEC, {}).host_config["PortBindings"]
    assert bound == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
        "81/udp": [{"HostIp": "", "HostPort": ""}],
    }
    assert not_kept(said, SPEC, H2)[:2] == (
        "the port 8080 on every other node",
        "the port that Swarm chose for its port 81 on every other node",
    )
