"""The agent on real hosts: started as root in each of the three ways, and gone without a trace."""

import secrets
from collections.abc import Iterator

import pytest

from transship.errors import CommandError
from transship.hosts import agent as agent_module
from transship.hosts.address import SshAddress
from transship.hosts.agent import start_agent
from transship.hosts.facts import RootAccess
from transship.hosts.fake import FakeHost
from transship.hosts.ssh import SshHost
from transship.lab import Lab, Node
from transship.transfer.relay import AgentPair
from transship.transfer.tree import TreePaths, TreeSync

WAYS: list[tuple[str, RootAccess]] = [("root", "root"), ("admin", "sudo"), ("mover", "docker")]

# Where programs leave things: what Docker itself writes for a container is not of this kind.
LEFTOVERS = ["find", "/", "-xdev", "-iname", "*transship*", "-not", "-path", "/proc/*"]


@pytest.fixture
def folder(lab: Lab) -> Iterator[str]:
    """A folder on both hosts that only root may see."""
    path = f"/var/lib/docker/volumes/{secrets.token_hex(8)}"
    for node in lab.hosts.values():
        node.output(["mkdir", "-p", "-m", "700", f"{path}/tree"])
    yield path
    for node in lab.hosts.values():
        node.output(["rm", "-r", path])


def reached(lab: Lab, node: Node, user: str) -> SshHost:
    """The host as `user` reaches it, who may be one that Docker does not listen to."""
    return SshHost(node.name, SshAddress(node.ssh_alias, user), config=lab.ssh_config)


def listing(node: Node, path: str) -> str:
    """Names, attributes and digests of contents."""
    return node.output(["find", path, "-printf", "%P %y %m %U %G %T@ %l\n"]) + node.output(
        ["sh", "-c", 'find "$1" -type f -exec sha256sum {} + | sort', "sh", path]
    )


def leftovers(node: Node) -> tuple[str, str, str]:
    return (
        node.output(LEFTOVERS),
        node.output(["docker", "ps", "--all", "--quiet"]),
        node.output(["docker", "images", "--all", "--quiet"]),
    )


@pytest.mark.lab
@pytest.mark.parametrize(("user", "way"), WAYS, ids=[way for _, way in WAYS])
def test_agent_moves_a_tree_as_root_in_every_way_and_leaves_nothing(
    lab: Lab, folder: str, user: str, way: RootAccess
) -> None:
    one, two = lab.hosts["h1"], lab.hosts["h2"]
    one.output(["sh", "-c", f"cd {folder}/tree && cp -a /etc . && mknod null c 1 3 && chown 42:4343 etc/passwd"])
    before = leftovers(one), leftovers(two)
    with (
        reached(lab, one, user) as source,
        reached(lab, two, user) as target,
        start_agent(source, way) as reader,
        start_agent(target, way) as writer,
    ):
        paths = TreePaths("data", f"{folder}/tree", f"{folder}/tree", devices=True)
        tree = TreeSync(AgentPair(reader, writer), 0, paths)
        tree.open()
        tree.round()
        one.output(["sh", "-c", f"cd {folder}/tree && echo changed > etc/hostname && rm etc/passwd"])
        report = tree.round(last=True)
        assert report.deleted == 1
        assert report.bytes_logical < 100
        tree.verify(full=True)
    assert listing(one, f"{folder}/tree") == listing(two, f"{folder}/tree")
    assert (leftovers(one), leftovers(two)) == before


@pytest.mark.lab
def test_an_agent_ends_with_its_connection(lab: Lab, folder: str) -> None:
    node = lab.hosts["h1"]
    with reached(lab, node, "root") as host:
        agent = start_agent(host, "root")
        agent.call("open", tree=0, path=f"{folder}/tree".encode().hex())
        assert "memfd_create" in node.output(["ps", "-eo", "args"])
        agent.close()
        assert "memfd_create" not in node.output(["ps", "-eo", "args"])


@pytest.mark.lab
def test_a_host_whose_python_is_missing_is_an_error_that_names_the_way_out(lab: Lab) -> None:
    node = lab.hosts["h2"]
    with reached(lab, node, "root") as host:
        python = node.output(["readlink", "-f", "/usr/bin/python3"]).strip()
        node.output(["mv", python, f"{python}.away"])
        try:
            with pytest.raises(CommandError, match="does not start on") as refused:
                start_agent(host, "root")
        finally:
            node.output(["mv", f"{python}.away", python])
        assert "export-import" in refused.value.hint


def test_without_a_way_to_root_there_is_no_agent() -> None:
    with pytest.raises(CommandError, match="become root"):
        start_agent(FakeHost(), "none")


@pytest.mark.lab
def test_what_a_killed_coordinator_left_is_swept_by_the_next(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    node = lab.hosts["h1"]
    for name in ("transship-agent:left", "transship-agents:of-somebody-else"):
        node.output(["sh", "-c", 'head -c 1024 /dev/zero | docker import - "$1"', "sh", name])
    monkeypatch.setattr(agent_module, "LEFT_BEHIND_S", -60.0)
    try:
        with reached(lab, node, "mover") as host, start_agent(host, "docker"):
            pass
        named = node.output(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"]).split()
        assert "transship-agent:left" not in named
        assert "transship-agents:of-somebody-else" in named
    finally:
        node.output(["docker", "rmi", "transship-agents:of-somebody-else"])
