"""What is easy to get wrong when a container is made again, on real daemons."""

from collections.abc import Callable

import pytest

from tests.spec.daemon import Daemon, Document
from transship.spec.compare import differences
from transship.spec.model import ContainerSpec

pytestmark = pytest.mark.lab

Case = Callable[[Daemon], str]


def started(daemon: Daemon, name: str = "web", **body: object) -> str:
    container = daemon.container(name, {"Image": "plain", **body})
    daemon.api.start(container)
    return container


def peer(daemon: Daemon) -> str:
    binds = ["shared:/shared:ro", "/srv:/srv:rslave"]
    return started(daemon, "peer", Hostname="peer1", HostConfig={"Binds": binds, "IpcMode": "shareable"})


def on_new_network(daemon: Daemon, **definition: object) -> str:
    daemon.network({"Name": "new", **definition})
    return started(daemon, HostConfig={"NetworkMode": "new"})


def another_containers_network(daemon: Daemon) -> str:
    owner = peer(daemon)
    modes = dict.fromkeys(("NetworkMode", "PidMode", "IpcMode"), f"container:{owner}")
    return started(daemon, HostConfig=modes)


def another_containers_volumes(daemon: Daemon) -> str:
    peer(daemon)
    return started(daemon, HostConfig={"VolumesFrom": ["peer"]})


def legacy_link(daemon: Daemon) -> str:
    peer(daemon)
    return started(daemon, HostConfig={"Links": ["peer:database"]})


def hosts_network(daemon: Daemon) -> str:
    return started(daemon, HostConfig={"NetworkMode": "host"})


def hosts_name(daemon: Daemon) -> str:
    return started(daemon, HostConfig={"UTSMode": "host"})


def no_network(daemon: Daemon) -> str:
    return started(daemon, HostConfig={"NetworkMode": "none"})


def disconnected(daemon: Daemon) -> str:
    container = started(daemon)
    daemon.api.disconnect_container_from_network(container, "bridge")
    return container


def moved_to_another_network(daemon: Daemon) -> str:
    daemon.network({"Name": "new"})
    container = started(daemon)
    daemon.connect(container, "new", {"Aliases": ["www"]})
    daemon.api.disconnect_container_from_network(container, "bridge")
    return container


def network_by_id(daemon: Daemon) -> str:
    daemon.network({"Name": "new"})
    return started(daemon, HostConfig={"NetworkMode": daemon.api.inspect_network("new")["Id"]})


def network_with_chosen_subnet(daemon: Daemon) -> str:
    return on_new_network(daemon, IPAM={"Config": [{"Subnet": "10.203.0.0/24"}]})


def network_with_chosen_ipv6(daemon: Daemon) -> str:
    return on_new_network(daemon, EnableIPv6=True, IPAM={"Config": [{"Subnet": "fd00:203::/64"}]})


def internal_network(daemon: Daemon) -> str:
    return on_new_network(daemon, Internal=True)


def volume_without_name_in_binds(daemon: Daemon) -> str:
    return started(daemon, HostConfig={"Binds": ["/anonymous"]})


def path_not_clean(daemon: Daemon) -> str:
    return started(daemon, HostConfig={"Binds": ["/srv:/binds/../data/"], "Tmpfs": {"/scratch/": ""}})


def unlimited_swap(daemon: Daemon) -> str:
    return started(daemon, HostConfig={"Memory": 67108864, "MemorySwap": -1, "NanoCpus": 500000000})


def ports_without_binding(daemon: Daemon) -> str:
    return started(daemon, HostConfig={"PortBindings": {"80/tcp": None, "81/tcp": []}})


CASES = [
    another_containers_network,
    another_containers_volumes,
    legacy_link,
    hosts_network,
    hosts_name,
    no_network,
    disconnected,
    moved_to_another_network,
    network_by_id,
    network_with_chosen_subnet,
    network_with_chosen_ipv6,
    internal_network,
    volume_without_name_in_binds,
    path_not_clean,
    unlimited_swap,
    ports_without_binding,
]


def made_again(source: Daemon, target: Daemon, case: Case) -> tuple[ContainerSpec, ContainerSpec]:
    for daemon in (source, target):
        daemon.load_image("plain", {"Cmd": ["/bin/busybox", "sleep", "1d"], "Volumes": {"/from-image": {}}})
    spec = source.spec_of(case(source))
    if "peer" in f"{spec.network_mode} {spec.host_config}":
        peer(target)
    copy = target.recreate(spec)
    target.api.start(copy)
    return spec, target.spec_of(copy)


@pytest.mark.parametrize("case", CASES)
def test_made_again_it_is_the_same(daemons: dict[str, Daemon], case: Case) -> None:
    spec, again = made_again(daemons["sid"], daemons["trixie"], case)
    assert [str(difference) for difference in differences(spec, again)] == []
    assert not set(spec.config) & {"Hostname", "Domainname"}


def test_an_image_mount_is_made_again(daemons: dict[str, Daemon]) -> None:
    """Only Docker 28 and later know it, so both are the same daemon."""
    sid = daemons["sid"]
    mount: Document = {"Type": "image", "Source": "plain", "Target": "/image", "ImageOptions": {"Subpath": "bin"}}
    sid.load_image("plain", {"Cmd": ["/bin/busybox", "sleep", "1d"]})
    spec = sid.spec_of(started(sid, HostConfig={"Mounts": [mount]}))
    sid.clear()
    assert differences(spec, sid.spec_of(sid.recreate(spec))) == ()
    assert spec.mounts[0].options == {"ImageOptions": {"Subpath": "bin"}}
