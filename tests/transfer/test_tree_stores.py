"""Writable layers of Docker's own: what a running container deletes, replaces and renames is seen by another one."""

import pytest

from tests.conftest import MakeLab
from transship.hosts.agent import Agent, start_agent
from transship.hosts.open import open_host
from transship.lab import HostOptions, LabOptions
from transship.lab.node import Node
from transship.lab.options import Store
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

pytestmark = pytest.mark.lab

IMAGE = """\
mkdir -p /var/spool /home/below
for n in /var/gone /var/spool/old /home/below/file /var/kept; do echo $n > $n; done
"""
ROUNDS = (
    "rm /var/gone; rm -r /var/spool; mkdir /var/spool; : > /var/spool/new; mv /home /moved; chmod 700 /var/kept",
    "rm -r /var/spool; rm -r /moved; : > /moved; echo again > /var/gone; mv /var/kept /var/renamed",
)
LIST = "cd /; find . -xdev ! -path './etc/*' -exec stat -c '%n %F %a %u %g' {} + | sort"


@pytest.mark.parametrize("store", ["overlay2", "containerd"])
def test_what_a_running_container_did_to_its_image_is_seen_by_another_one(make_lab: MakeLab, store: Store) -> None:
    lab = make_lab(LabOptions(hosts=(HostOptions(store=store),)))
    (node,) = lab.nodes
    lab.load(node, "busybox")
    node.output(["docker", "run", "--name", "made", "busybox", "sh", "-c", IMAGE])
    node.output(["docker", "commit", "made", "image"])
    source = node.output(["docker", "run", "-d", "image", "sleep", "1000"]).strip()
    target = node.output(["docker", "create", "image", "sleep", "1000"]).strip()
    with (
        open_host(f"ssh://{node.ssh_alias}", ssh_config=lab.ssh_config) as host,
        AgentPair(start_agent(host, "root"), start_agent(host, "root")) as pair,
    ):
        before, after = (upper(node, pair.source, container) for container in (source, target))
        tree = TreeSync(pair, 0, TreePaths("layer", before, after, devices=True))
        tree.open(empty=False)
        tree.adopt(contents=False)
        tree.round()
        for changes in ROUNDS:
            node.output(["docker", "exec", source, "sh", "-c", changes])
            tree.round()
        tree.round(last=True)
        tree.verify(full=True)
    node.output(["docker", "start", target])
    assert "./var/gone regular file 644 0 0" in seen(node, source)
    assert seen(node, target) == seen(node, source)


def upper(node: Node, agent: Agent, container: str) -> str:
    """Where the store keeps what a container writes."""
    known = node.docker.inspect_container(container)
    where = (known.get("GraphDriver") or {}).get("Data")
    if where:
        return str(where["UpperDir"])
    return str(agent.call("layer", container=container, pid=known["State"]["Pid"])["path"])


def seen(node: Node, container: str) -> list[str]:
    """All names in a container with their attributes, but those that Docker mounts there."""
    return node.output(["docker", "exec", container, "sh", "-c", LIST]).splitlines()
