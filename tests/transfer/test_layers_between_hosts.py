"""Images between real Docker hosts: both kinds of stores, three versions, both layouts of the archive."""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import own_name
from tests.custody import moving
from tests.transfer import saved
from transship.errors import TransshipError
from transship.hosts.base import Host
from transship.hosts.facts import Facts, observe_host
from transship.hosts.open import open_host
from transship.lab import HostOptions, Lab, LabOptions
from transship.lab.node import Node
from transship.metrics.events import Event
from transship.plan.steps import Move
from transship.spec.compare import same_image
from transship.spec.extract import image_ref
from transship.strategies.image import ends_of
from transship.transfer import layers
from transship.transfer.image import ProvideImage, remove_image

pytestmark = pytest.mark.lab

MEGABYTE = 1_000_000
KINDS = {
    "overlay2-26": HostOptions(suite="trixie"),
    "containerd-26": HostOptions(suite="trixie", store="containerd"),
    "overlay2-28": HostOptions(suite="sid"),
    "containerd-28": HostOptions(suite="sid", store="containerd"),
    "overlay2-20": HostOptions(suite="bookworm"),
}
PAIRS = [
    ("overlay2-26", "overlay2-28"),
    ("overlay2-28", "containerd-26"),
    ("containerd-26", "overlay2-28"),
    ("containerd-26", "containerd-28"),
    ("overlay2-20", "containerd-28"),
    ("overlay2-20", "overlay2-26"),
    ("containerd-28", "overlay2-20"),
    ("overlay2-28", "overlay2-20"),
]
pairs = pytest.mark.parametrize("pair", PAIRS, ids=["->".join(each) for each in PAIRS])
STORES = [("overlay2-26", "overlay2-28"), ("containerd-26", "containerd-28")]
stores = pytest.mark.parametrize("pair", STORES, ids=["->".join(each) for each in STORES])


@dataclass(frozen=True)
class End:
    """A lab host, how transship reaches it, and what it saw there."""

    node: Node
    host: Host
    facts: Facts

    def images(self) -> dict[str, list[str]]:
        return {str(each["Id"]): tags(each["RepoTags"]) for each in self.node.docker.images()}

    def chains(self) -> list[str]:
        """What a graphdriver store has layers for."""
        if self.facts.image_store == "containerd":
            return []
        return sorted(self.node.output(["ls", "/var/lib/docker/image/overlay2/layerdb/sha256"]).split())

    def clear(self) -> None:
        for each in self.images():
            self.node.output(["docker", "rmi", "--force", each])

    def load(self, archive: bytes) -> None:
        done = self.node.run(["docker", "load"], stdin=archive)
        assert done.status == 0, done.stderr

    def runs(self, reference: str) -> bool:
        return self.node.output(["docker", "run", "--rm", reference, "echo", "runs"]) == "runs\n"


def tags(listed: list[str] | None) -> list[str]:
    return sorted(each for each in listed or () if each != "<none>:<none>")


@dataclass(frozen=True)
class Hosts:
    """One host of each kind."""

    lab: Lab
    ends: dict[str, End]

    def load(self, end: End, reference: str, *megabytes: int) -> None:
        self.lab.load_synthetic(end.node, reference, megabytes)

    def between(self, pair: tuple[str, str]) -> tuple[End, End]:
        source, target = (self.ends[each] for each in pair)
        for each in (source, target):
            each.clear()
        return source, target


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(LabOptions(name=own_name(), hosts=tuple(KINDS.values()))))
        ends = {}
        for kind, node in zip(KINDS, lab.hosts.values(), strict=True):
            host: Host = open_host(f"ssh://root@{node.ssh_alias}", ssh_config=lab.ssh_config)
            stack.enter_context(host)
            ends[kind] = End(node, host, observe_host(host))
        yield Hosts(lab, ends)


def providing(source: End, target: End, reference: str) -> ProvideImage:
    found = source.host.docker.inspect_image(reference)
    image = image_ref(found, reference=reference, id=found["Id"])
    return ProvideImage(image, found["Size"], ends_of(source.facts, target.facts), pull=False)


def provide(source: End, target: End, reference: str, step: ProvideImage | None = None) -> Move:
    """Run the step, and see that what arrived is the image."""
    step = step or providing(source, target, reference)
    move = moving(source.host, target.host)
    step.run(move)
    arrived = target.host.docker.inspect_image(move.made.image)
    assert same_image(step.image, image_ref(arrived, reference=reference, id=arrived["Id"]))
    return move


def undo(move: Move) -> None:
    remove_image(move.target.docker, move.recorder, move.made)


def fell_back(move: Move) -> bool:
    return "whole-image" in {phase.name for phase in move.recorder.phases}


@pairs
def test_only_the_missing_layers_cross(hosts: Hosts, pair: tuple[str, str]) -> None:
    source, target = hosts.between(pair)
    hosts.load(source, "web:1", 4, 2)
    hosts.load(target, "base:1", 4)
    before = source.images(), target.images(), target.chains()

    move = provide(source, target, "web:1")
    assert not fell_back(move), move.recorder.phases
    assert 2 * MEGABYTE < move.measured.bytes["image"] < 2.1 * MEGABYTE
    assert sorted(map(tuple, target.images().values())) == [("base:1",), ("web:1",)]
    assert target.runs("web:1")
    if source.facts.image_store == target.facts.image_store == "containerd":
        assert move.made.image == source.host.docker.inspect_image("web:1")["Id"]

    undo(move)
    assert (source.images(), target.images(), target.chains()) == before
    assert target.runs("base:1")


@stores
def test_nothing_there_and_all_there(hosts: Hosts, pair: tuple[str, str]) -> None:
    source, target = hosts.between(pair)
    hosts.load(source, "web:1", 3, 1)
    whole = provide(source, target, "web:1")
    assert fell_back(whole)
    assert 4 * MEGABYTE < whole.measured.bytes["image"] < 8 * MEGABYTE

    source.node.output(["docker", "create", "--name", "changed", "web:1"])
    source.node.output(["docker", "commit", "-c", "LABEL other=yes", "changed", "relabelled:1"])
    source.node.output(["docker", "rm", "changed"])
    short = provide(source, target, "relabelled:1")
    assert not fell_back(short), short.recorder.phases
    assert short.measured.bytes["image"] < 0.1 * MEGABYTE
    assert target.runs("relabelled:1")


@pytest.mark.parametrize("pair", [("overlay2-20", "containerd-26"), ("overlay2-20", "overlay2-28")])
def test_layers_of_the_same_content_cross_once(hosts: Hosts, pair: tuple[str, str], tmp_path: Path) -> None:
    source, target = hosts.between(pair)
    hosts.load(target, "base:1", 1)
    hosts.load(source, "base:1", 1)
    base = source.node.run(["docker", "save", "base:1"]).stdout
    busybox, noise = (member(base, path) for path in saved_layers(base))
    repeated = saved.layer("repeated", tmp_path.name.encode() * 100_000)
    source.load(saved.blobs([busybox, noise, repeated, noise, repeated], reference="twice:1"))

    move = provide(source, target, "twice:1")
    assert not fell_back(move), move.recorder.phases
    assert move.measured.bytes["image"] < (
        2.2 * MEGABYTE if target.facts.image_store == "graphdriver" else 0.2 * MEGABYTE
    )
    assert target.runs("twice:1")


@pytest.mark.parametrize("pair", [("overlay2-26", "containerd-28"), ("overlay2-20", "containerd-26")])
def test_layers_that_a_target_pulled_compressed_do_not_cross(hosts: Hosts, pair: tuple[str, str]) -> None:
    source, target = hosts.between(pair)
    hosts.load(source, "base:1", 3)
    hosts.load(source, "web:1", 3, 1)
    base = source.node.run(["docker", "save", "base:1"]).stdout
    target.load(saved.blobs([member(base, path) for path in saved_layers(base)], packed=True, reference="base:1"))

    move = provide(source, target, "web:1")
    assert not fell_back(move), move.recorder.phases
    assert MEGABYTE < move.measured.bytes["image"] < 1.1 * MEGABYTE
    assert target.runs("web:1")
    target.node.output(["docker", "rmi", "base:1"])
    again = target.node.run(["docker", "save", "web:1"])
    assert again.status == 0, again.stderr
    assert len(again.stdout) > 4 * MEGABYTE


def saved_layers(archive: bytes) -> list[str]:
    found: list[str] = json.loads(member(archive, "manifest.json"))[0]["Layers"]
    return found


def member(archive: bytes, path: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        content = tar.extractfile(path)
        assert content is not None
        return content.read()


@stores
def test_names_arrive_as_they_were(hosts: Hosts, pair: tuple[str, str]) -> None:
    source, target = hosts.between(pair)
    hosts.load(source, "web:1", 1)
    hosts.load(target, "taken:1", 2)
    taken = target.host.docker.inspect_image("taken:1")["Id"]
    source.node.output(["docker", "tag", "web:1", "web:stable"])
    source.node.output(["docker", "tag", "web:1", "taken:1"])

    provide(source, target, "web:1")
    assert sorted(map(tuple, target.images().values())) == [("taken:1",), ("web:1", "web:stable")]
    assert target.host.docker.inspect_image("taken:1")["Id"] == taken


@stores
def test_an_image_without_a_name_arrives_without_one(hosts: Hosts, pair: tuple[str, str]) -> None:
    source, target = hosts.between(pair)
    hosts.load(source, "web:1", 1)
    image = source.host.docker.inspect_image("web:1")["Id"]
    source.node.output(["docker", "create", "--name", "user", image])
    hosts.load(source, "other:1", 2)
    source.node.output(["docker", "tag", "other:1", "web:1"])
    try:
        move = provide(source, target, image)
        assert list(target.images().values()) == [[]]
        assert target.runs(move.made.image)
        undo(move)
        assert target.images() == {}
    finally:
        source.node.output(["docker", "rm", "user"])


def test_a_refused_short_archive_is_followed_by_the_whole_one(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = hosts.between(("overlay2-26", "overlay2-28"))
    hosts.load(source, "web:1", 5, 7)
    monkeypatch.setattr(layers, "layers_there", lambda diff_ids, _stored: frozenset(diff_ids))
    move = provide(source, target, "web:1")
    (said,) = (phase.detail for phase in move.recorder.phases if phase.name == "missing-layers")
    assert said.startswith("the whole image is sent, because this failed")
    assert list(target.images().values()) == [["web:1"]]
    assert target.runs("web:1")


@pytest.mark.parametrize("pair", [("overlay2-26", "overlay2-28"), ("overlay2-26", "containerd-28")])
def test_without_python_beside_the_source_the_image_arrives_too(hosts: Hosts, pair: tuple[str, str]) -> None:
    source, target = hosts.between(pair)
    hosts.load(source, "web:1", 3, 1)
    hosts.load(target, "base:1", 3)
    step = providing(source, target, "web:1")
    step = replace(step, ends=replace(step.ends, source_python=False))
    move = provide(source, target, "web:1", step)
    filtered = target.facts.image_store == "graphdriver"
    assert (move.measured.bytes["image"] < 1.1 * MEGABYTE) is filtered
    assert target.runs("web:1")


@stores
def test_nothing_is_left_of_a_load_that_was_cut_off(hosts: Hosts, pair: tuple[str, str]) -> None:
    source, target = hosts.between(pair)
    hosts.load(source, "web:1", 4, 20)
    hosts.load(target, "base:1", 4)
    before = source.images(), target.images(), target.chains()

    def interrupt(event: Event) -> None:
        if event.phase == "transfer" and event.bytes > 8 * MEGABYTE:
            raise KeyboardInterrupt

    step = providing(source, target, "web:1")
    move = moving(source.host, target.host, interrupt)
    with pytest.raises((KeyboardInterrupt, TransshipError)):
        step.run(move)
    undo(move)
    assert (source.images(), target.images(), target.chains()) == before
    assert temporary(target) == temporary(source) == []
    assert b"transship_agent" not in source.node.run(["ps", "-ef"]).stdout

    assert not fell_back(provide(source, target, "web:1"))
    assert target.runs("web:1")


def temporary(end: End) -> list[str]:
    """What load and save put aside, once the daemon has seen that nobody listens."""
    folder = "/var/lib/docker/tmp"
    wait = f"for i in $(seq 100); do ls {folder} | grep -q docker- || exit 0; sleep 0.1; done; ls {folder}"
    return end.node.output(["sh", "-c", wait]).split()
