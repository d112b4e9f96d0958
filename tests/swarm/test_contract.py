"""What every swarm keeps to: the one in memory, and a real one."""

from collections.abc import Iterator

import pytest

from tests.swarm.conftest import Cluster, wait_for
from tests.swarm.told import service_told
from transship.errors import DockerError, NotFoundError
from transship.hosts.open import open_host
from transship.swarm.base import Swarm
from transship.swarm.docker import ApiSwarm
from transship.swarm.edits import available, constrained, drained, labelled
from transship.swarm.fake import FakeSwarm
from transship.swarm.model import Node, Service, Task


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.lab)])
def swarm(request: pytest.FixtureRequest) -> Iterator[Swarm]:
    if request.param == "fake":
        yield FakeSwarm({"h1": "h1-id", "h2": "h2-id", "h3": "h3-id"})
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    with open_host(cluster.address(cluster.h1), ssh_config=cluster.lab.ssh_config) as host:
        yield ApiSwarm(host)


def created(swarm: Swarm, name: str, where: str) -> Service:
    """A service with one task that runs on the node of that name."""
    told = service_told(name, container={"Args": ["sleep", "1000"], "StopGracePeriod": 0})["Spec"]
    id_ = swarm.create_service(constrained(told, [f"node.hostname=={where}"]))
    wait_for(lambda: [task.state for task in running(swarm, id_)] == ["running"])
    return Service.read(swarm.service(id_))


def running(swarm: Swarm, service: str) -> list[Task]:
    return [task for task in map(Task.read, swarm.tasks(service)) if task.wanted]


def test_it_tells_of_itself_its_nodes_and_its_services(swarm: Swarm) -> None:
    assert swarm.info()["Swarm"]["ControlAvailable"]
    nodes = {node.name: node for node in map(Node.read, swarm.nodes())}
    assert nodes.keys() == {"h1", "h2", "h3"}
    assert nodes["h1"].role == "manager"
    assert swarm.services() == []
    assert swarm.tasks() == []
    for ask in (swarm.node, swarm.service):
        with pytest.raises(NotFoundError):
            ask("nothing")


def test_tasks_are_told_apart_by_service_and_run_where_constraints_lead(swarm: Swarm) -> None:
    one, other = created(swarm, "one", "h1"), created(swarm, "other", "h2")
    nodes = {node.id: node.name for node in map(Node.read, swarm.nodes())}
    assert [nodes[task.node] for task in running(swarm, one.id)] == ["h1"]
    assert [nodes[task.node] for task in running(swarm, other.id)] == ["h2"]
    assert len([task for task in map(Task.read, swarm.tasks()) if task.wanted]) == 2


def test_a_change_made_from_an_old_version_is_refused(swarm: Swarm) -> None:
    service = created(swarm, "web", "h2")
    swarm.update_service(service.id, service.version, labelled(service.spec, "first", "1"))
    with pytest.raises(DockerError, match="out of sequence"):
        swarm.update_service(service.id, service.version, labelled(service.spec, "second", "1"))
    assert swarm.service(service.id)["Spec"]["Labels"] == {"first": "1"}


def test_a_label_restarts_no_task_and_a_constraint_that_is_fulfilled_neither(swarm: Swarm) -> None:
    service = created(swarm, "web", "h2")
    (before,) = running(swarm, service.id)
    swarm.update_service(service.id, service.version, labelled(service.spec, "a", "b"))
    now = Service.read(swarm.service(service.id))
    swarm.update_service(now.id, now.version, constrained(now.spec, [*now.constraints, f"node.id=={before.node}"]))
    assert [task.id for task in running(swarm, service.id)] == [before.id]


def test_a_drained_node_loses_its_tasks_and_comes_back(swarm: Swarm) -> None:
    service = created(swarm, "web", "h2")
    node = next(each for each in map(Node.read, swarm.nodes()) if each.name == "h2")
    swarm.update_node(node.id, node.version, drained(node.spec, "0a1b2c3d"))
    wait_for(lambda: not any(task.running for task in running(swarm, service.id)))
    away = Node.read(swarm.node(node.id))
    assert away.availability == "drain"
    swarm.update_node(away.id, away.version, available(away.spec, "active"))
    assert Node.read(swarm.node(node.id)).spec == node.spec
    wait_for(lambda: [task.state for task in running(swarm, service.id)] == ["running"])


def test_removing_what_is_not_there_is_fine(swarm: Swarm) -> None:
    service = created(swarm, "web", "h2")
    swarm.remove_service(service.id)
    swarm.remove_service(service.id)
    assert swarm.services() == []
