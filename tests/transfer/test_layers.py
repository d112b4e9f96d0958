import gzip
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.custody import moving
from tests.plan.observed import FACTS, SEEN
from tests.transfer import saved
from transship.agent.faults import AgentError
from transship.agent.image_filter import AS_IT_IS, Edit, contents, shorten
from transship.agent.squeeze import Squeeze
from transship.errors import DockerError, NoSpaceError, TransferError
from transship.hosts.base import Docker
from transship.hosts.fake import FakeHost
from transship.plan.steps import Move
from transship.spec.extract import image_ref
from transship.spec.model import ImageRef
from transship.strategies.image import ends_of, image_findings, providing
from transship.transfer import layers
from transship.transfer.archive import read_here
from transship.transfer.image import Ends, ProvideImage, remove_image

BASE, MIDDLE, TOP = (saved.layer(name, name.encode() * 1000) for name in ("base", "middle", "top"))
LAYOUTS = {"folders": saved.old_layout, "blobs": saved.blobs}
layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
GRAPHDRIVERS = Ends("graphdriver", "graphdriver", named_layers=True, source_python=False, target_python=False)


def edited(archive: bytes, edit: Edit) -> dict[str, bytes]:
    out = io.BytesIO()
    shorten(io.BytesIO(archive), out, edit)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as short:
        return {each.name: cast("IO[bytes]", short.extractfile(each)).read() for each in short if each.isfile()}


def seen(archive: bytes) -> layers.Contents:
    return layers.Contents.from_json(json.loads(json.dumps(contents(io.BytesIO(archive)))))


def image(*tars: bytes) -> ImageRef:
    config = saved.config_of(tars)
    diff_ids = tuple(saved.digest(each) for each in tars)
    return ImageRef("web", saved.digest(config), "linux/amd64", diff_ids, (), (), config={"Cmd": ["sh"]})


@layouts
def test_contents_tell_where_each_layer_is(layout: Callable[[list[bytes]], bytes]) -> None:
    found = seen(layout([BASE, TOP]))
    paths = found.paths(image(BASE, TOP).diff_ids)
    assert list(paths.values()) == [saved.digest(BASE), saved.digest(TOP)]
    assert {found.members[path] for path in paths} == {(len(BASE), ""), (len(TOP), "")}
    assert found.config in found.members


def test_contents_tell_how_a_layer_is_packed() -> None:
    found = seen(saved.blobs([BASE], packed=True)).blobs([saved.digest(BASE)])[saved.digest(BASE)]
    assert found.packing == "gzip"
    assert found.digest == saved.digest(gzip.compress(BASE, mtime=0))


@layouts
def test_what_is_dropped_is_missing_and_the_rest_is_as_it_was(layout: Callable[[list[bytes]], bytes]) -> None:
    archive = layout([BASE, TOP])
    (base, top) = seen(archive).layers
    before, after = edited(archive, AS_IT_IS), edited(archive, layers.without([base]))
    assert before.keys() - after.keys() == {base}
    assert after == {path: content for path, content in before.items() if path != base}
    assert after[top] == TOP


def test_a_link_to_a_layer_is_kept_with_it() -> None:
    archive = saved.old_layout([BASE, TOP, BASE])
    paths = seen(archive).paths(image(BASE, TOP, BASE).diff_ids)
    out = io.BytesIO()
    report = shorten(
        io.BytesIO(archive), out, layers.without(path for path in paths if paths[path] != saved.digest(BASE))
    )
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as short:
        assert {each.name: each.linkname for each in short if each.issym()} == {
            f"{2:064x}/layer.tar": f"../{0:064x}/layer.tar"
        }
    assert (report.dropped, report.dropped_bytes) == (1, len(TOP))


def test_a_member_that_comes_twice_is_copied_once() -> None:
    archive = saved.blobs([BASE, TOP])
    with tarfile.open(fileobj=io.BytesIO(archive)) as whole:
        names = whole.getnames()
        files = {name: cast("IO[bytes]", whole.extractfile(name)).read() for name in names}
    twice = saved.tar(files, order=[*names, saved.blob(BASE)])
    out = io.BytesIO()
    assert shorten(io.BytesIO(twice), out, AS_IT_IS).dropped_bytes == len(BASE)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as short:
        assert sorted(short.getnames()) == sorted(names)


@given(st.floats(0, 1, exclude_max=True))
def test_an_archive_that_was_cut_off_is_refused(part: float) -> None:
    archive = saved.blobs([BASE, TOP])
    with tarfile.open(fileobj=io.BytesIO(archive)) as whole:
        manifest = whole.getmember("manifest.json").offset  # what follows it, nobody would miss
    cut = archive[: int(part * manifest)]
    with pytest.raises(AgentError):
        shorten(io.BytesIO(cut), io.BytesIO(), AS_IT_IS)
    with pytest.raises(AgentError):
        contents(io.BytesIO(cut))


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{", b'[{"Layers": []}]', b"null"])
def test_a_manifest_that_is_none_is_refused(manifest: bytes) -> None:
    with pytest.raises(AgentError, match="no whole image archive"):
        contents(io.BytesIO(saved.tar({"manifest.json": manifest})))


def test_an_archive_of_another_image_is_not_taken_for_this_one() -> None:
    with pytest.raises(TransferError, match="2 layers"):
        seen(saved.blobs([BASE, TOP])).paths([saved.digest(BASE)])


@pytest.mark.parametrize(
    ("wanted", "there", "unneeded"),
    [
        ("abc", ["ab"], "ab"),
        ("abc", ["abc"], "abc"),
        ("abc", ["abx", "a"], "ab"),
        ("abc", ["b", "bc", "xab"], ""),
        ("abc", [], ""),
        ("abc", ["abcd"], "abc"),
        ("aba", ["ab"], "b"),
        ("aab", ["a"], ""),
        ("aab", ["aa"], "a"),
    ],
)
def test_a_chain_store_does_without_whole_chains_only(wanted: str, there: list[str], unneeded: str) -> None:
    stored = [ImageRef("", each, "", tuple(each), (), (), {}) for each in there]
    assert layers.layers_there(wanted, stored) == frozenset(unneeded)


def test_few_images_that_share_layers_are_looked_into() -> None:
    stored = [ImageRef("", each, "", tuple(each), (), (), {}) for each in ("xy", "a", "abq", "abqrs", "c")]
    assert [each.id for each in layers.sharing("abc", stored)] == ["abq", "c"]


@pytest.mark.parametrize("packed", [False, True])
@layouts
def test_an_archive_is_written_anew_in_the_words_of_the_targets_blobs(
    layout: Callable[[list[bytes]], bytes], packed: bool
) -> None:
    wanted, archive = image(BASE, MIDDLE, BASE, TOP), layout([BASE, MIDDLE, BASE, TOP])
    there = seen(saved.blobs([BASE], packed=packed)).blobs([saved.digest(BASE)])
    short = edited(archive, layers.as_blobs(wanted, seen(archive), there))

    (entry,) = json.loads(short["index.json"])["manifests"]
    manifest = json.loads(short[f"blobs/{entry['digest'].replace(':', '/')}"])
    assert saved.digest(short[f"blobs/{entry['digest'].replace(':', '/')}"]) == entry["digest"]
    assert (
        manifest["config"]["digest"]
        == wanted.id
        == saved.digest(short[saved.blob(saved.config_of([BASE, MIDDLE, BASE, TOP]))])
    )
    base = gzip.compress(BASE, mtime=0) if packed else BASE
    assert [each["digest"] for each in manifest["layers"]] == [saved.digest(each) for each in (base, MIDDLE, base, TOP)]
    assert manifest["layers"][0]["mediaType"].endswith("tar+gzip" if packed else "tar")
    assert {short[saved.blob(MIDDLE)], short[saved.blob(TOP)]} == {MIDDLE, TOP}
    assert saved.blob(base) not in short
    assert len(short) == 7  # config, two layers, manifest, index.json, manifest.json, oci-layout


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 600_000)), max_size=5))
def test_what_is_sent_is_gzip_of_what_was_written(parts: list[tuple[bool, int]]) -> None:
    written = [os.urandom(size) if noise else bytes(size) for noise, size in parts]
    with tempfile.TemporaryFile() as file:
        sink = Squeeze(file.fileno())
        assert [sink.write(each) for each in written] == [len(each) for each in written]
        sent = os.fstat(file.fileno()).st_size
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as whole:
            assert whole.read() == b"".join(written)
    assert sent <= sum(map(len, written)) * 1.001 + 100 * len(parts)


def pair(*there: bytes) -> tuple[FakeHost, FakeHost, ProvideImage]:
    """Two hosts in memory: the first with an image of three layers, the second with one of the layers `there`."""
    source, target = FakeHost("old"), FakeHost("new")
    source.docker.images.add([BASE, MIDDLE, TOP], {"Cmd": ["sh"]}, name="web:1")
    if there:
        target.docker.images.add(there, name="other:1")
    found = source.docker.inspect_image("web:1")
    wanted = image_ref(found, reference="web:1", id=found["Id"])
    return source, target, ProvideImage(wanted, found["Size"], GRAPHDRIVERS, pull=False)


def run(source: FakeHost, target: FakeHost, step: ProvideImage) -> Move:
    move = moving(source, target)
    step.run(move)
    return move


def undo(move: Move) -> None:
    remove_image(move.target.docker, move.recorder, move.made)


def names(docker: Docker) -> list[list[str]]:
    return sorted(each["RepoTags"] for each in docker.list_images())


def test_only_the_missing_layers_cross() -> None:
    whole, short = run(*pair()), run(*pair(BASE, MIDDLE))
    assert whole.measured.bytes["image"] - short.measured.bytes["image"] >= len(BASE) + len(MIDDLE)
    assert short.measured.sizes["image"] == len(BASE) + len(MIDDLE) + len(TOP)
    assert names(short.target.docker) == [["other:1"], ["web:1"]]
    assert short.measured.verified == ["image"]


def test_an_image_that_is_there_without_a_name_is_taken() -> None:
    source, target, step = pair()
    target.docker.images.add([BASE, MIDDLE, TOP], {"Cmd": ["sh"]})
    assert run(source, target, step).measured.bytes == {"image": 0}
    assert names(target.docker) == [["web:1"]]


def test_a_short_archive_that_is_refused_is_followed_by_the_whole_one_and_that_is_said() -> None:
    source, target, step = pair(BASE)
    target.docker.fail("load", DockerError("no such layer"))
    move = run(source, target, step)
    (said,) = (phase.detail for phase in move.recorder.phases if phase.name == "missing-layers")
    assert "the whole image is sent" in said
    assert "no such layer" in said
    assert names(target.docker) == [["other:1"], ["web:1"]]


def test_a_full_disk_is_not_tried_with_more() -> None:
    source, target, step = pair(BASE)
    target.docker.fail("load", NoSpaceError("no space left"))
    with pytest.raises(NoSpaceError):
        run(source, target, step)
    assert target.docker.calls.count("load") == 1


@pytest.mark.parametrize("method", ["load", "list_images", "tag"])
def test_nothing_is_left_of_an_image_whose_move_was_cut_off(method: str) -> None:
    source, target, step = pair(BASE)
    move = moving(source, target)
    target.docker.fail(method, KeyboardInterrupt(), when="after", skip=int(method == "list_images"))
    with pytest.raises(KeyboardInterrupt):
        step.run(move)
    undo(move)
    undo(move)
    assert names(target.docker) == [["other:1"]]
    assert names(source.docker) == [["web:1"]]


def test_what_was_there_without_a_name_before_is_not_undone() -> None:
    source, target, step = pair()
    target.docker.images.add([BASE, MIDDLE, TOP], {"Cmd": ["sh"]})
    move = run(source, target, step)
    target.docker.tag(move.made.image, "kept:1")
    undo(move)
    assert names(target.docker) == [["kept:1"]]


def test_an_archive_that_breaks_while_it_is_read_here_is_an_error() -> None:
    source, _, step = pair()
    source.docker.fail("save", DockerError("the daemon went away"), when="middle")
    with pytest.raises(DockerError, match="went away"):
        b"".join(read_here(source.docker, step.image.id, AS_IT_IS))


def test_reading_here_can_be_given_up() -> None:
    source, _, _ = pair()
    source.docker.images.add([saved.layer("large", bytes(10 << 20))], name="large:1")
    chunks = read_here(source.docker, "large:1", AS_IT_IS)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize(
    ("source", "target", "codes"),
    [
        ({}, {}, []),
        ({}, {"python_path": None}, []),
        ({"python_path": None}, {}, ["image-filtered-here"]),
        ({"python_version": "3.7.3"}, {}, ["image-filtered-here"]),
        ({"can_run": False}, {}, ["image-filtered-here"]),
        ({"python_path": None, "api_version": "1.43"}, {}, ["image-sent-whole"]),
        ({"python_path": None, "image_store": "containerd"}, {}, ["image-sent-whole"]),
        ({"python_path": None}, {"image_store": "containerd"}, ["image-sent-whole"]),
        ({}, {"python_path": None, "image_store": "containerd"}, ["image-sent-whole"]),
        ({"image_store": "containerd"}, {"image_store": "containerd"}, []),
    ],
)
def test_what_crosses_without_need_is_said(source: dict[str, Any], target: dict[str, Any], codes: list[str]) -> None:
    observed = replace(SEEN, source=replace(FACTS, **source), target=replace(FACTS, **target))
    assert [each.code for each in image_findings(observed)] == codes


def test_only_a_strategy_that_wants_it_asks_a_registry() -> None:
    steps = [providing(SEEN, SEEN.spec, pull=pull) for pull in (True, False)]
    assert [isinstance(step, ProvideImage) and step.pull for step in steps] == [True, False]


def test_docker_since_25_names_layers_by_their_diff_ids() -> None:
    ends = [ends_of(replace(FACTS, api_version=version), FACTS) for version in ("1.43", "1.44", "1.51")]
    assert [each.named_layers for each in ends] == [False, True, True]
