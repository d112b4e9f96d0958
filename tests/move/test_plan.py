"""What `transship plan` says of real hosts, and whether moves keep to it."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.move.conftest import Hosts, run_web, snapshot
from transship.hosts.facts_script import Listener
from transship.hosts.open import open_host
from transship.lab.node import Node
from transship.observe import observe
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions

pytestmark = pytest.mark.lab


def observed(hosts: Hosts, container: str, options: MoveOptions | None = None) -> Observation:
    addresses = [hosts.address(node) for node in (hosts.h1, hosts.h2)]
    source, target = (open_host(address, ssh_config=hosts.lab.ssh_config) for address in addresses)
    with source, target:
        return observe(source, target, container, options or MoveOptions())


def events(hosts: Hosts, since: float) -> list[Any]:
    """What the daemons have done since then: whatever is made, started, changed or removed is an event."""
    until = int(time.time()) + 1
    return [
        event
        for node in (hosts.h1, hosts.h2)
        for event in node.docker.events(since=int(since), until=until, decode=True)
    ]


def kept(node: Node) -> bytes:
    """What transship itself keeps on a host."""
    return node.run(["find", "/run/transship", "/var/lib/transship"]).stdout


def settled() -> float:
    """The begin of a second in which nothing has happened yet: Docker counts events by whole seconds."""
    begin = int(time.time()) + 1
    while time.time() < begin:
        time.sleep(begin - time.time())
    return float(begin)


def test_a_plan_touches_nothing_on_either_host(hosts: Hosts) -> None:
    run_web(hosts.h1, options=("-v", "data:/data", "-v", "/srv/page:/page"))
    before = [(snapshot(node), kept(node)) for node in (hosts.h1, hosts.h2)]
    since = settled()
    ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
    for words in (("--binds", "copy"), ("--json",), ("--strategy", "export-import")):
        hosts.transship("plan", "web", *ends, *words)
    assert events(hosts, since) == []
    assert [(snapshot(node), kept(node)) for node in (hosts.h1, hosts.h2)] == before


def test_a_plan_tells_machines_what_it_tells_people(hosts: Hosts) -> None:
    run_web(hosts.h1)
    ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
    text, machine = (hosts.transship("plan", "web", *ends, *words) for words in ((), ("--json",)))
    assert (text.code, machine.code) == (0, 0)
    told = machine.result
    assert told["strategy"] == "sync"
    assert {each["strategy"]: each["verdict"] for each in told["strategies"]} == {
        "stop-start": "lossy",
        "export-import": "possible",
        "sync": "chosen",
    }
    assert "stop-start leaves behind" in told["strategies"][0]["fact"]
    for each in told["strategies"]:
        assert each["strategy"] in text.out
        for name in ("total_s", "downtime_s", "wire_bytes"):
            assert 0 <= each["predicted"][name]["low"] <= each["predicted"][name]["high"]
    assert told["predicted"] == told["strategies"][2]["predicted"]
    # The two plans were measured one after the other, and the container writes.
    reason, said = (re.sub(r"\d+ paths?", "some paths", each) for each in (told["reason"], text.out.replace("\n", " ")))
    assert reason.partition(". ")[0] in said


def test_what_the_container_is_like_is_seen(hosts: Hosts) -> None:
    hosts.h1.output(["mkdir", "-p", "/srv/there"])
    hosts.h1.output(["sh", "-c", "mkdir -p /srv/page && head -c 5000 /dev/zero > /srv/page/index"])
    options = ("-v", "data:/data", "-v", "/srv/page:/page", "-v", "/srv/there:/there")
    run_web(hosts.h1, options=options)
    hosts.h1.output(["docker", "exec", "web", "sh", "-c", "head -c 70000 /dev/zero > /data/a; ln /data/a /data/b"])
    seen = observed(hosts, "web", MoveOptions(binds="copy"))
    data, page = seen.state.sizes["data"], seen.state.sizes["/srv/page"]
    assert (data.names, data.complete, page.names, page.size) == (2, True, 1, 5000)
    assert 70_000 <= data.size < 80_000, "a hard link is no second file"
    assert seen.state.paths is not None
    assert seen.there.paths is not None
    assert (seen.state.paths["/srv/page"].kind, seen.state.paths["/srv/page"].empty) == ("folder", False)
    assert (seen.state.paths["/srv/there"].kind, seen.state.paths["/srv/there"].empty) == ("folder", True)
    assert seen.there.paths["/srv/page"].kind == "missing"
    assert seen.state.stop_heard is True
    assert sum(seen.state.image_layers) == pytest.approx(seen.state.image_bytes, rel=0.2)
    assert seen.link is not None
    assert seen.link > 100_000


def test_a_program_that_does_not_handle_the_signal_is_seen(hosts: Hosts) -> None:
    hosts.h1.output(["docker", "run", "-d", "--name", "deaf", "busybox", "sleep", "1000"])
    hosts.h1.output(["docker", "run", "-d", "--init", "--name", "init", "busybox", "sleep", "1000"])
    assert observed(hosts, "deaf").state.stop_heard is False
    assert observed(hosts, "init").state.stop_heard is True


def test_ports_of_a_container_on_the_network_of_its_host_are_seen(hosts: Hosts) -> None:
    command = ("docker", "run", "-d", "--network", "host", "busybox", "httpd", "-f", "-p", "8099")
    hosts.h1.output([*command[:3], "--name", "web", *command[3:]])
    seen = observed(hosts, "web")
    assert seen.state.listeners is not None
    assert {each.port for each in seen.state.listeners} == {8099}
    hosts.lab.load(hosts.h2, "busybox")
    hosts.h2.output(list(command))
    ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
    refused = hosts.transship("plan", "web", *ends, "--json")
    assert refused.code == 3
    assert "port-taken" in {each["code"] for each in refused.result["findings"]}
    assert Listener("tcp", "::", 8099) in (observed(hosts, "web").target.listeners or ())


@pytest.fixture
def unit(hosts: Hosts) -> Iterator[str]:
    """A systemd unit on h1 that runs the container `web`."""
    path = "/etc/systemd/system/shop.service"
    hosts.h1.output(["mkdir", "-p", "/etc/systemd/system"])
    hosts.h1.run(["tee", path], stdin=b"[Service]\nExecStart=/usr/bin/docker start -a web\n")
    yield "shop.service"
    hosts.h1.output(["rm", path])


def test_who_has_to_do_with_the_container_is_seen(hosts: Hosts, unit: str) -> None:
    hosts.h1.output(["docker", "network", "create", "back"])
    run_web(hosts.h1, options=("--network", "back", "-v", "data:/data"))
    for name in ("db", "watchtower"):
        hosts.h1.output(["docker", "tag", "busybox", f"some/{name}"])
        hosts.h1.output(["docker", "run", "-d", "--name", name, "--network", "back", f"some/{name}", "sleep", "1000"])
    hosts.h1.output(["docker", "run", "-d", "--name", "sharer", "--volumes-from", "web", "busybox", "sleep", "1000"])
    company = observed(hosts, "web").state.company
    assert company.peers == {"back": ("db", "watchtower")}
    assert company.updaters == ("watchtower",)
    assert company.volume_users == {"data": ("sharer",)}
    assert company.units == (unit,)
    assert observed(hosts, "sharer").state.volumes_from == ("web",)


def test_a_bind_mount_whose_source_is_no_folder_and_no_file_is_refused_before_anything_is_touched(hosts: Hosts) -> None:
    hosts.h1.output(["mkfifo", "/srv/pipe"])
    run_web(hosts.h1, options=("-v", "/srv/pipe:/pipe"))
    moved = hosts.move("web", "--binds", "copy", "--strategy", "sync", "--json")
    assert moved.code == 3
    assert "neither a folder nor a file" in moved.result["error"]


@pytest.mark.parametrize("strategy", ["sync", "export-import", "stop-start"])
def test_a_real_move_lies_within_what_was_predicted(hosts: Hosts, strategy: str) -> None:
    options = ("-v", "data:/data") if strategy == "sync" else ()
    run_web(hosts.h1, options=options)
    if strategy == "sync":
        files = "for i in $(seq 300); do head -c 50000 /dev/urandom > /data/$i; done"
        hosts.h1.output(["docker", "exec", "web", "sh", "-c", files])
        hosts.h2.set_rate("80mbit")
    try:
        moved = hosts.move("web", "--strategy", strategy, "--probe", "http:8080/count", "--yes", "--json")
    finally:
        hosts.h2.set_rate(None)
    assert moved.code == 0, moved.err
    result = moved.result
    predicted = result["predicted"]
    wire = sum(each["wire"] for each in result["bytes"].values())
    for name, value in (("total_s", result["total_s"]), ("downtime_s", result["downtime_s"]), ("wire_bytes", wire)):
        told = json.dumps({name: predicted[name], "was": value})
        assert predicted[name]["low"] <= value <= predicted[name]["high"], told
