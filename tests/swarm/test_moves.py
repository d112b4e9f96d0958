"""Services move between the nodes of a real swarm."""

import signal

import pytest

from tests.swarm.conftest import PORT, SERVES, Cluster, wait_for
from transship.metrics.downtime import Probe
from transship.swarm.record import CLAIM, PIN

pytestmark = pytest.mark.lab

UPDATE = ("docker", "service", "inspect", "--format", "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}")
PROBE = ("--probe", f"http:{PORT}/")


def test_a_constraint_brings_a_service_to_a_node_and_unpin_takes_it_away_again(cluster: Cluster) -> None:
    cluster.web()
    before = cluster.spec("web")
    done = cluster.move("web", "h3", *PROBE)
    assert done.code == 0, done.err
    assert cluster.nodes_of("web") == ["h3"]
    after = cluster.spec("web")
    (pin,) = set(after["TaskTemplate"]["Placement"]["Constraints"]) - {"node.role==worker"}
    assert pin.startswith("node.id==")
    assert set(after["Labels"]) == {PIN}
    assert after["UpdateConfig"] == before["UpdateConfig"]
    spans = {each["name"]: each for each in done.result["spans"]}
    assert {"stop", "start", "monitor"} <= spans.keys()
    assert spans["monitor"]["seconds"] >= 4.5
    assert done.result["client"]["answers"]["h3"] > 0

    task = cluster.h1.output(["docker", "service", "ps", "-q", "--filter", "desired-state=running", "web"])
    assert cluster.transship("swarm", "unpin", "web", *cluster.reach[:2]).code == 0
    assert cluster.spec("web")["TaskTemplate"]["Placement"]["Constraints"] == ["node.role==worker"]
    assert cluster.spec("web")["Labels"] == {}
    assert task == cluster.h1.output(["docker", "service", "ps", "-q", "--filter", "desired-state=running", "web"])


def test_start_first_fails_no_request_and_the_update_settings_come_back(cluster: Cluster) -> None:
    cluster.create(
        "web",
        f"mkdir -p /www; echo here > /www/index.html; {SERVES}",
        *("--publish", f"mode=host,target=80,published={PORT}", "--update-delay", "20s"),
        *("--update-failure-action", "rollback"),
    )
    (source,) = cluster.nodes_of("web")
    before = cluster.spec("web")
    done = cluster.move("web", "h3" if source == "h2" else "h2", "--fast", "--start-first", "--unpin", *PROBE)
    assert done.code == 0, done.err
    assert done.result["client"]["outages"] == []
    assert done.result["gap_s"] < 0
    assert cluster.spec("web") == before
    assert cluster.nodes_of("web") != [source]


def test_a_drain_moves_it_or_leads_back_and_the_node_comes_back(cluster: Cluster) -> None:
    cluster.create("web", SERVES, "--publish", f"mode=host,target=80,published={PORT}")
    (source,) = cluster.nodes_of("web")
    target = "h3" if source == "h2" else "h2"
    cluster.create("neighbour", SERVES, "--constraint", f"node.hostname=={source}")
    before = cluster.spec("web")
    refused = cluster.move("web", target, "--method", "drain")
    assert refused.code == 3
    assert "neighbour can run nowhere else" in refused.err
    assert cluster.spec("web") == before

    cluster.lab.hosts[target].output(["docker", "image", "prune", "--all", "--force"])
    failed = cluster.move("web", target, "--method", "drain", "--image", "pull", "--yes")
    assert (failed.code, "a task of web rejected on its new node" in failed.err) == (4, True), failed.err
    node = cluster.lab.hosts[source]
    assert cluster.availability(node) == ("active", {})
    assert (cluster.spec("web"), cluster.nodes_of("web")) == (before, [source])
    wait_for(lambda: cluster.nodes_of("neighbour") == [source])

    done = cluster.move("web", target, "--method", "drain", "--yes")
    assert done.code == 0, done.err
    assert cluster.nodes_of("web") == [target]
    assert cluster.availability(node) == ("active", {})
    assert cluster.spec("web") == before
    wait_for(lambda: cluster.nodes_of("neighbour") == [source])


def test_a_task_that_does_not_come_up_leads_back_and_what_was_brought_goes_but_for_its_data(cluster: Cluster) -> None:
    picky = f"test $NODE = h2 || exit 3; {SERVES}"
    cluster.create("web", picky, "--constraint", "node.hostname==h2", "--env", "NODE={{.Node.Hostname}}",
                   "--mount", "type=volume,source=data,target=/data")  # fmt: skip
    before = cluster.spec("web")
    done = cluster.move("web", "h3")
    assert done.code == 4, done.err
    assert "non-zero exit (3)" in done.err
    assert cluster.spec("web") == before
    assert cluster.nodes_of("web") == ["h2"]
    assert "the volume data on h3, in which it may have written there, stays" in done.err
    assert cluster.h3.output(["docker", "volume", "ls", "-q"]).split() == ["data"]
    assert cluster.h3.output(["docker", "image", "ls", "-q"]).split() == []


def test_ctrl_c_and_a_node_that_cannot_pull_lead_back(cluster: Cluster) -> None:
    cluster.web()
    before = cluster.spec("web")
    with cluster.start("swarm", "move", "web", "--to", "h3", *cluster.reach) as process:
        cluster.await_phase(process, "arrive")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert (process.returncode, "interrupted; web runs as before" in said) == (4, True), said
    assert (cluster.spec("web"), cluster.nodes_of("web")) == (before, ["h2"])
    assert cluster.h3.output(["docker", "image", "ls", "-q"]).split() == [], "what was brought is gone"

    done = cluster.move("web", "h3", "--image", "pull", "--yes")
    assert (done.code, "a task of web rejected on its new node" in done.err) == (4, True), done.err
    assert done.result["bytes"] == {}
    assert (cluster.spec("web"), cluster.nodes_of("web")) == (before, ["h2"])


def test_what_failed_before_the_move_is_no_failure_of_it(cluster: Cluster) -> None:
    words = ("--detach", "--no-resolve-image", "--name", "web", "--constraint", "node.hostname==h3")
    cluster.h1.output(["docker", "service", "create", *words, "busybox", "sh", "-c", SERVES])
    states = ["docker", "service", "ps", "web", "--format", "{{.CurrentState}}"]
    wait_for(lambda: "Rejected" in cluster.h1.output(states))
    away = ("--constraint-rm", "node.hostname==h3", "--constraint-add", "node.hostname==h2")
    cluster.h1.output(["docker", "service", "update", "--detach", *away, "web"])
    wait_for(lambda: cluster.nodes_of("web") == ["h2"])
    wait_for(lambda: cluster.h1.output([*UPDATE, "web"]).strip() != "updating")
    done = cluster.move("web", "h3", "--fast")
    assert done.code == 0, done.err
    assert cluster.nodes_of("web") == ["h3"]


def test_a_volume_of_200_megabytes_comes_along(cluster: Cluster) -> None:
    writes = "trap 'exit 0' TERM; while :; do date +%s%N > /data/now; sleep 0.05 & wait $!; done"
    cluster.create("db", writes, "--constraint", "node.hostname==h2", "--mount", "type=volume,source=data,target=/data")
    blob = "/var/lib/docker/volumes/data/_data/blob"
    cluster.h2.output(["dd", "if=/dev/urandom", f"of={blob}", "bs=1M", "count=200"])
    digest, before = cluster.h2.output(["sha256sum", blob]), cluster.spec("db")
    done = cluster.move("db", "h3", "--verify", "full")
    assert done.code == 0, done.err
    assert cluster.nodes_of("db") == ["h3"]
    assert cluster.h3.output(["sha256sum", blob]) == digest
    assert "volume data (full)" in done.result["verified"]
    assert done.result["bytes"]["volumes"] >= 200 << 20
    refused = cluster.transship("swarm", "unpin", "db", *cluster.reach[:2])
    assert (refused.code, "could start on h2, and leave its volume data" in refused.err) == (3, True), refused.err
    back = cluster.move("db", "h2", "--replace-data", "--unpin", "--yes")
    assert back.code == 0, back.err
    assert cluster.spec("db") == before, "its own constraint is back, which keeps it with its data"
    assert back.result["bytes"]["volumes"] < 50 << 20


def test_the_image_is_there_before_swarm_needs_it(cluster: Cluster) -> None:
    image = cluster.lab.push(cluster.h1, cluster.lab.load_synthetic(cluster.h1, "own:1", [8]))
    options = ("--detach", "--name", "web", "--constraint", "node.hostname==h2")
    cluster.h1.output(["docker", "service", "create", *options, image, "sleep", "1000"])
    wait_for(lambda: cluster.nodes_of("web") == ["h2"])
    named = cluster.spec("web")["TaskTemplate"]["ContainerSpec"]["Image"]
    assert "@sha256:" in named
    done = cluster.move("web", "h3", "--fast")
    assert done.code == 0, done.err
    assert done.result["bytes"]["image"] > 8_000_000
    phases = {each["name"]: each["start_s"] for each in done.result["phases"]}
    assert phases["digest"] < phases["change"], "the node's own look for it finds it there"
    assert named.partition("@")[2] in cluster.h3.output(["docker", "image", "ls", "--digests"])


def test_the_tasks_of_one_node_move_and_the_others_stay(cluster: Cluster) -> None:
    cluster.lab.load(cluster.h3, "busybox")
    cluster.create("web", SERVES, "--replicas", "2", "--replicas-max-per-node", "1")
    running = ("docker", "service", "ps", "--filter", "desired-state=running", "--filter", "node=h2", "-q", "web")
    stays = cluster.h1.output(list(running))
    refused = cluster.move("web", "h1", "--from", "h3")
    assert (refused.code, "node.role==worker of web excludes h1" in refused.err) == (3, True), refused.err
    cluster.h1.output(["docker", "service", "update", "--detach", "--constraint-rm", "node.role==worker", "web"])
    wait_for(lambda: cluster.nodes_of("web") == ["h2", "h3"] or cluster.nodes_of("web") == ["h3", "h2"])
    done = cluster.move("web", "h1", "--from", "h3", "--fast")
    assert done.code == 0, done.err
    assert sorted(cluster.nodes_of("web")) == ["h1", "h2"]
    assert cluster.h1.output(list(running)) == stays


def test_what_cannot_be_is_refused_and_nothing_is_touched(cluster: Cluster) -> None:
    cluster.web()
    cluster.h2.output(["docker", "run", "--name", "made", "busybox", "true"])
    cluster.h2.output(["docker", "commit", "--change", "VOLUME /data", "made", "own:1"])
    cluster.create("db", SERVES, "--constraint", "node.hostname==h2", image="own:1")
    before = cluster.spec("web")
    worker = ("--manager", cluster.address(cluster.h2))
    asked = {
        "is a worker of the swarm": ("swarm", "move", "web", "--to", "h3", *worker),
        "has no service 'nothing'": ("swarm", "move", "nothing", "--to", "h3", *cluster.reach),
        "has no node 'h9'": ("swarm", "move", "web", "--to", "h9", *cluster.reach),
        "is not the node h3": ("swarm", "move", "web", "--to", "h3", *cluster.reach, "--at",
                               f"h3={cluster.address(cluster.h1)}"),
        "the image of db keeps /data in a volume without a name": ("swarm", "move", "db", "--to", "h3", *cluster.reach),
        "run on h2 already": ("swarm", "move", "web", "--to", "h2", *cluster.reach),
        "no move has left a constraint": ("swarm", "unpin", "web", *cluster.reach[:2]),
    }  # fmt: skip
    for reason, words in asked.items():
        done = cluster.transship(*words)
        assert (done.code, reason in done.err) == (3, True), done.err
    wrong = cluster.transship("swarm", "move", "web", "--to", "h3", "--method", "drain", "--fast")
    assert (wrong.code, "a drain is none" in wrong.err) == (2, True), wrong.err
    assert cluster.spec("web") == before


def test_a_service_that_somebody_else_claims_or_changes_is_left_alone(cluster: Cluster) -> None:
    cluster.web()
    cluster.h1.output(["docker", "service", "update", "--detach", "--label-add", f"{CLAIM}=somebody", "web"])
    done = cluster.move("web", "h3")
    assert done.code == 3
    assert "a move of it is under way" in done.err
    assert cluster.spec("web")["Labels"] == {CLAIM: "somebody"}


def test_eight_clients_inside_the_swarm_get_every_answer_with_start_first(cluster: Cluster) -> None:
    cluster.h1.output(["docker", "network", "create", "--driver", "overlay", "--attachable", "mesh"])
    words = ("--network", "mesh", "--endpoint-mode", "dnsrr", "--constraint", "node.hostname==h2")
    cluster.create("web", f"mkdir -p /www; echo here > /www/index.html; {SERVES}", *words)
    asks = "while :; do wget -q -T 5 -O /dev/null http://web/ && echo answered || echo failed; sleep 0.02; done"
    options = ("--detach", "--name", "client", "--network", "mesh")
    cluster.h1.output(
        ["docker", "run", *options, "busybox", "sh", "-c", f"for each in 1 2 3 4 5 6 7 8; do ({asks}) & done; wait"]
    )

    def answers() -> list[str]:
        return cluster.h1.output(["docker", "logs", "client"]).split()

    wait_for(lambda: "answered" in answers())
    asked = len(answers())
    done = cluster.move("web", "h3", "--fast", "--start-first")
    assert done.code == 0, done.err
    served = len(answers())
    wait_for(lambda: len(answers()) > served)
    assert "failed" not in answers()[asked:]
    assert served - asked > 50
    cluster.h1.output(["docker", "rm", "--force", "client"])
    cluster.h1.output(["docker", "service", "rm", "web"])
    wait_for(lambda: not cluster.h3.output(["docker", "ps", "-q"]).split())
    cluster.h1.output(["docker", "network", "rm", "mesh"])


def test_a_kernel_without_ipvs_is_told_beforehand(cluster: Cluster) -> None:
    program = f"mkdir -p /www; echo here > /www/index.html; {SERVES}"
    cluster.create("web", program, "--constraint", "node.hostname==h2", "--publish", "8081:80")
    done = cluster.move("web", "h3", "--plan")
    assert done.code == 0, done.err
    ingress = Probe("http", 8081)
    if "no-ipvs" in {each["code"] for each in done.result["findings"]}:
        assert not ingress.answers(cluster.h2.address)
    else:
        wait_for(lambda: ingress.answers(cluster.h2.address))
