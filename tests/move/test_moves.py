import pytest

from tests.move.conftest import PORT, Hosts, clean, count, image_id, run_web, serving, snapshot
from transship.lab import Lab
from transship.metrics.downtime import Probe

pytestmark = pytest.mark.lab

STRATEGIES = ("stop-start", "export-import")
USERS = ("root", "mover")


@pytest.fixture
def mixed(versions: Lab) -> Hosts:
    pair = Hosts(versions, versions.hosts["h1"], versions.hosts["h2"])
    for node in (pair.h1, pair.h2):
        clean(node)
        versions.load(node, "busybox")
    return pair


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_container_moves_to_another_docker_version_and_back(mixed: Hosts, strategy: str, user: str) -> None:
    run_web(mixed.h1)
    written = count(mixed.h1)

    there = mixed.move("web", "--strategy", strategy, "--probe", f"http:{PORT}/count", "--yes", "--json", user=user)
    assert there.code == 0, there.err
    result = there.result
    assert result["outcome"] == "moved"
    assert result["strategy"] == strategy
    assert (result["source"]["state"], result["target"]["state"]) == ("exited", "running")
    verified = {"stop-start": ["image", "spec"], "export-import": ["archive", "spec", "filesystem (meta)"]}
    assert result["verified"] == verified[strategy]
    assert 0 < result["downtime_s"] < result["total_s"]
    assert result["client"]["downtime_s"] > 0
    assert result["client"]["answers"][mixed.address(mixed.h2, user)] > 0
    if strategy == "export-import":
        assert count(mixed.h2) >= written
    assert mixed.h2.docker.inspect_container("web")["HostConfig"]["RestartPolicy"]["Name"] == "always"

    (kept,) = mixed.h1.docker.containers(all=True)
    assert kept["Names"][0].startswith("/web.moved-to.")
    assert mixed.h1.docker.inspect_container(kept["Id"])["HostConfig"]["RestartPolicy"]["Name"] in ("no", "")

    back = mixed.move("web", "--strategy", strategy, "--yes", "--json", "--source", "remove", user=user, back=True)
    assert back.code == 0, back.err
    assert Probe("http", PORT, "/count").answers(mixed.h1.address)
    assert mixed.h2.docker.containers(all=True) == []
    assert back.result["source"]["state"] == "absent"


def test_the_image_arrives_by_content_when_its_tag_has_moved_on(hosts: Hosts) -> None:
    run_web(hosts.h1)
    image = hosts.h1.docker.inspect_container("web")["Image"]
    hosts.h1.output(["docker", "tag", "busybox", "kept-by"])
    hosts.h1.output(["docker", "commit", "-c", "LABEL other=yes", "web", "busybox:latest"])

    moved = hosts.move("web", "--strategy", "stop-start", "--yes")
    assert moved.code == 0, moved.err
    assert hosts.h2.docker.inspect_container("web")["Image"] == image


def test_a_tag_that_means_another_image_on_the_target_is_left_alone(hosts: Hosts) -> None:
    run_web(hosts.h1)
    hosts.lab.load(hosts.h2, "busybox")
    hosts.h2.docker.create_container("busybox", name="seed")
    hosts.h2.output(["docker", "commit", "-c", "LABEL other=yes", "seed", "busybox:latest"])
    other = image_id(hosts.h2, "busybox")

    moved = hosts.move("web", "--strategy", "stop-start", "--yes", "--json")
    assert moved.code == 0, moved.err
    assert "tag-differs" in {finding["code"] for finding in moved.result["findings"]}
    assert image_id(hosts.h2, "busybox") == other
    assert hosts.h2.docker.inspect_container("web")["Image"] == image_id(hosts.h1, "busybox")


def test_auto_says_why_it_chose(hosts: Hosts) -> None:
    run_web(hosts.h1)
    moved = hosts.move("web", "--json")
    assert moved.code == 0, moved.err
    assert moved.result["strategy"] == "sync"
    assert "has written" in moved.result["reason"]


def test_a_stopped_container_arrives_stopped(hosts: Hosts) -> None:
    hosts.h1.output(["docker", "create", "--name", "idle", "busybox", "true"])
    moved = hosts.move("idle", "--json")
    assert moved.code == 0, moved.err
    assert moved.result["target"]["state"] == "created"
    assert moved.result["downtime_s"] == 0


def test_networks_and_aliases_come_along_and_volumes_are_made_empty_only_on_request(hosts: Hosts) -> None:
    hosts.h1.output(["docker", "network", "create", "--subnet", "10.99.0.0/24", "--label", "who=me", "back"])
    options = ("--network", "back", "--ip", "10.99.0.7", "--network-alias", "db", "-v", "data:/data")
    run_web(hosts.h1, options=options)

    before = snapshot(hosts.h2)
    refused = hosts.move("web", "--strategy", "stop-start", "--yes")
    assert refused.code == 3
    assert "volume data" in refused.err
    assert snapshot(hosts.h2) == before

    moved = hosts.move("web", "--strategy", "stop-start", "--yes", "--without-volumes")
    assert moved.code == 0, moved.err
    endpoint = hosts.h2.docker.inspect_container("web")["NetworkSettings"]["Networks"]["back"]
    assert endpoint["IPAMConfig"]["IPv4Address"] == "10.99.0.7"
    assert "db" in endpoint["Aliases"]
    assert hosts.h2.docker.inspect_network("back")["Labels"] == {"who": "me"}
    assert hosts.h1.docker.inspect_volume("data")["Name"] == "data"


def test_a_network_whose_subnet_is_in_use_gets_another_one(hosts: Hosts) -> None:
    hosts.h1.output(["docker", "network", "create", "--subnet", "172.29.0.0/24", "back"])
    hosts.h2.output(["docker", "network", "create", "--subnet", "172.29.0.0/16", "other"])
    run_web(hosts.h1, options=("--network", "back"))
    moved = hosts.move("web", "--yes", "--json")
    assert moved.code == 0, moved.err
    assert "network-subnet" in {finding["code"] for finding in moved.result["findings"]}
    (pool,) = hosts.h2.docker.inspect_network("back")["IPAM"]["Config"]
    assert not pool["Subnet"].startswith("172.29.")


def test_a_health_check_is_waited_for(hosts: Hosts) -> None:
    check = ("--health-cmd", "test -e /www/count", "--health-interval", "1s")
    run_web(hosts.h1, options=check)
    moved = hosts.move("web", "--json")
    assert moved.code == 0, moved.err
    assert hosts.h2.docker.inspect_container("web")["State"]["Health"]["Status"] == "healthy"


def test_a_container_that_does_not_serve_on_the_target_goes_back(hosts: Hosts) -> None:
    run_web(hosts.h1)
    written = count(hosts.h1)
    before = snapshot(hosts.h2)
    failed = hosts.move(
        "web", "--yes", "--strategy", "stop-start", "--probe", "tcp:9", "--health-timeout", "500ms", "--json"
    )
    assert failed.code == 4
    assert failed.result["outcome"] == "rolled-back"
    assert "tcp:9 did not answer" in failed.err
    assert snapshot(hosts.h2) == before
    assert count(hosts.h1) >= written
    assert hosts.h1.docker.inspect_container("web")["HostConfig"]["RestartPolicy"]["Name"] == "always"


def test_plan_touches_nothing_and_lists_the_steps(hosts: Hosts) -> None:
    run_web(hosts.h1)
    before = snapshot(hosts.h1), snapshot(hosts.h2)
    with serving(hosts.h1) as prober:
        ends = ("--from", hosts.address(hosts.h1), "--to", hosts.address(hosts.h2))
        text = hosts.transship("plan", "web", *ends)
        machine = hosts.transship("plan", "web", *ends, "--json")
    assert text.code == machine.code == 0
    assert text.out.index("stop the source") < text.out.index("start the container on the target")
    assert machine.result["steps"]["cutover"][1] == "stop the source"
    assert (snapshot(hosts.h1), snapshot(hosts.h2)) == before
    assert prober.report().outages == ()
