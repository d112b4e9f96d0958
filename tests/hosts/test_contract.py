"""What every host must do, the one in memory like the real ones."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from transship.errors import CommandError, ConflictError, DockerError, NotFoundError, TransferError
from transship.hosts.address import UnixAddress
from transship.hosts.base import Completed, Docker, Host
from transship.hosts.fake import FakeHost
from transship.hosts.fake_images import FakeImages, chunks, digest, full_name, pack, unpack
from transship.hosts.local import LocalHost
from transship.hosts.open import open_host
from transship.lab import Lab

REAL = ("root", "docker-group", "dial-stdio", "socket")
ways = pytest.mark.parametrize(
    "way", ["fake", *(pytest.param(way, marks=pytest.mark.lab) for way in REAL)], scope="module", indirect=True
)
real_ways = pytest.mark.parametrize(
    "way", [pytest.param(way, marks=pytest.mark.lab) for way in REAL], scope="module", indirect=True
)


@dataclass
class Bench:
    """A host under test, an image of two layers on it, and names that are taken away afterwards."""

    host: Host
    image: str
    store: FakeImages
    made: list[tuple[str, str]] = field(default_factory=list)

    @property
    def docker(self) -> Docker:
        return self.host.docker

    def name(self, kind: str) -> str:
        name = f"contract-{secrets.token_hex(4)}"
        self.made.append((kind, name))
        return name

    def container(self, **body: Any) -> str:
        name = self.name("container")
        self.docker.create_container(name, {"Image": self.image, **body})
        return name

    def clean(self) -> None:
        for kind in ("container", "image", "network", "volume"):
            for made, name in self.made:
                if made == kind == "container":
                    self.docker.remove_container(name, volumes=True)
                elif made == kind:
                    getattr(self.docker, f"remove_{kind}")(name)
        self.made.clear()


def _open(way: str, lab: Lab | None) -> Host:
    if lab is None:
        return FakeHost()
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    address = {"root": h1.ssh_alias, "docker-group": f"mover@{h1.ssh_alias}", "dial-stdio": h2.ssh_alias}
    if way == "socket":
        return LocalHost("h1", UnixAddress(f"/proc/{h1.pid}/root/run/docker.sock"))
    return open_host(f"ssh://{address[way]}", ssh_config=lab.ssh_config)


@pytest.fixture(scope="module")
def way(request: pytest.FixtureRequest) -> Iterator[Bench]:
    lab: Lab | None = None if request.param == "fake" else request.getfixturevalue("hosts_lab")
    program = (lab.hosts["h1"].root / "bin/busybox").read_bytes() if lab else b"a program"
    store = FakeImages()
    name = f"contract/{request.param}:1"
    layers = [pack({"bin/busybox": program}), pack({"etc/motd": b"moved\n", "etc/large": bytes(300_000)})]
    config = {"Cmd": ["/bin/busybox", "sleep", "1000"], "Env": ["A=image"], "StopSignal": "SIGKILL"}
    store.add(layers, config, name=name)
    with _open(request.param, lab) as host:
        host.docker.load(chunks(store.save([name])))
        yield Bench(host, name, store)
        host.docker.remove_image(name)


@pytest.fixture
def bench(way: Bench) -> Iterator[Bench]:
    yield way
    way.clean()


@ways
def test_daemon_tells_what_it_is(bench: Bench) -> None:
    bench.docker.ping()
    assert bench.docker.version()["ApiVersion"] >= "1.41"
    assert bench.docker.info()["Driver"]


@ways
def test_sizes_are_told(bench: Bench) -> None:
    docker, volume = bench.docker, bench.name("volume")
    docker.create_volume({"Name": volume})
    assert docker.volume_sizes()[volume] == 0
    image = bench.name("image")
    docker.import_image([pack({"etc/large": bytes(300_000)})], image)
    (only,) = docker.history(image)
    assert only["Size"] >= 300_000
    assert docker.layer_size(bench.container()) == 0
    with pytest.raises(NotFoundError):
        docker.layer_size("none-of-that-name")


@ways
def test_a_daemon_without_plugins_lists_none(bench: Bench) -> None:
    assert bench.docker.plugins() == []


@ways
def test_created_container_is_there_and_not_started(bench: Bench) -> None:
    name = bench.container(Env=["B=own"], Labels={"a": "b"})
    seen = bench.docker.inspect_container(name)
    assert seen["Name"] == f"/{name}"
    assert seen["State"]["Status"] == "created"
    assert seen["Image"] == bench.docker.inspect_image(bench.image)["Id"]
    assert sorted(seen["Config"]["Env"]) == ["A=image", "B=own"]
    assert seen["Config"]["Labels"] == {"a": "b"}
    assert bench.docker.changes(name) == []
    listed = {entry["Id"]: entry for entry in bench.docker.containers()}[seen["Id"]]
    assert (listed["Names"], listed["State"]) == ([f"/{name}"], "created")


@ways
def test_container_starts_and_stops_and_twice_is_fine(bench: Bench) -> None:
    name = bench.container()
    for wanted, act in (
        ("running", bench.docker.start),
        ("exited", bench.docker.stop),
        ("running", bench.docker.start),
    ):
        act(name)
        act(name)
        assert bench.docker.inspect_container(name)["State"]["Status"] == wanted
    bench.docker.stop(name, grace=0)
    assert bench.docker.inspect_container(name)["State"]["Status"] == "exited"


@ways
def test_a_frozen_container_goes_on_or_is_killed(bench: Bench) -> None:
    name = bench.container(HostConfig={"RestartPolicy": {"Name": "no"}})
    for act in (bench.docker.pause, bench.docker.unpause, bench.docker.kill):
        with pytest.raises(DockerError):
            act(name)
    bench.docker.start(name)
    with pytest.raises(DockerError):
        bench.docker.unpause(name)
    bench.docker.pause(name)
    with pytest.raises(ConflictError):
        bench.docker.pause(name)
    assert bench.docker.inspect_container(name)["State"]["Paused"]
    bench.docker.unpause(name)
    assert bench.docker.inspect_container(name)["State"]["Status"] == "running"
    bench.docker.pause(name)
    bench.docker.kill(name)
    ended = bench.docker.inspect_container(name)["State"]
    assert (ended["Status"], ended["Paused"], ended["ExitCode"]) == ("exited", False, 137)


@ways
def test_container_found_by_name_id_and_short_id(bench: Bench) -> None:
    name = bench.container()
    identity = bench.docker.inspect_container(name)["Id"]
    assert bench.docker.inspect_container(identity)["Name"] == f"/{name}"
    assert bench.docker.inspect_container(identity[:12])["Name"] == f"/{name}"


@ways
def test_name_of_a_container_is_taken_once(bench: Bench) -> None:
    name, other = bench.container(), bench.container()
    with pytest.raises(ConflictError, match="in use"):
        bench.docker.create_container(name, {"Image": bench.image})
    with pytest.raises(ConflictError, match="in use"):
        bench.docker.rename(other, name)
    renamed = bench.name("container")
    bench.docker.rename(other, renamed)
    assert bench.docker.inspect_container(renamed)["Name"] == f"/{renamed}"
    with pytest.raises(NotFoundError):
        bench.docker.inspect_container(other)


@ways
def test_restart_policy_is_set(bench: Bench) -> None:
    name = bench.container(HostConfig={"RestartPolicy": {"Name": "always"}})
    assert bench.docker.inspect_container(name)["HostConfig"]["RestartPolicy"]["Name"] == "always"
    bench.docker.set_restart_policy(name, {"Name": "on-failure", "MaximumRetryCount": 3})
    policy = bench.docker.inspect_container(name)["HostConfig"]["RestartPolicy"]
    assert policy == {"Name": "on-failure", "MaximumRetryCount": 3}


@ways
def test_removing_what_is_gone_is_fine_and_running_is_removed(bench: Bench) -> None:
    name = bench.container()
    bench.docker.start(name)
    for _ in range(2):
        bench.docker.remove_container(name)
        bench.docker.remove_volume("contract-never-there")
        bench.docker.remove_network("contract-never-there")
        bench.docker.remove_image("contract-never-there:1")
    with pytest.raises(NotFoundError):
        bench.docker.inspect_container(name)


@ways
def test_container_that_removes_itself_is_gone_after_stop(bench: Bench) -> None:
    name = bench.container(HostConfig={"AutoRemove": True})
    bench.docker.start(name)
    bench.docker.stop(name)
    bench.docker.remove_container(name)
    with pytest.raises(NotFoundError):
        bench.docker.inspect_container(name)


@ways
def test_anonymous_volume_goes_only_when_asked(bench: Bench) -> None:
    for volumes in (False, True):
        name = bench.container(Volumes={"/data": {}})
        (mount,) = bench.docker.inspect_container(name)["Mounts"]
        bench.made.append(("volume", mount["Name"]))
        bench.docker.remove_container(name, volumes=volumes)
        if volumes:
            with pytest.raises(NotFoundError):
                bench.docker.inspect_volume(mount["Name"])
        else:
            assert bench.docker.inspect_volume(mount["Name"])["Driver"] == "local"


@ways
@pytest.mark.parametrize(
    "method", ["inspect_container", "start", "stop", "pause", "kill", "changes", "inspect_image", "inspect_volume"]
)
@pytest.mark.parametrize("ref", ["contract-nothing", "../images/json", "a/b"])
def test_unknown_name_is_not_found(bench: Bench, method: str, ref: str) -> None:
    with pytest.raises(NotFoundError):
        getattr(bench.docker, method)(ref)


@ways
def test_container_of_an_unknown_image_is_refused(bench: Bench) -> None:
    with pytest.raises(NotFoundError):
        bench.docker.create_container(bench.name("container"), {"Image": "contract/nothing:1"})


@ways
def test_port_is_taken_once_and_the_loser_stays_created(bench: Bench) -> None:
    body = {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}}
    winner, loser = bench.container(**body), bench.container(**body)
    bench.docker.start(winner)
    with pytest.raises(ConflictError):
        bench.docker.start(loser)
    assert bench.docker.inspect_container(loser)["State"]["Status"] == "created"
    (port,) = {each["PublicPort"] for entry in bench.docker.containers() for each in entry["Ports"] or ()}
    assert port == 18080


@ways
def test_networks_are_made_joined_and_removed(bench: Bench) -> None:
    network = bench.name("network")
    identity = bench.docker.create_network(
        {"Name": network, "Labels": {"a": "b"}, "IPAM": {"Config": [{"Subnet": "10.203.0.0/24"}]}}
    )
    seen = bench.docker.inspect_network(network)
    assert (seen["Id"], seen["Labels"], seen["IPAM"]["Config"][0]["Subnet"]) == (identity, {"a": "b"}, "10.203.0.0/24")
    listed = {each["Name"]: each["IPAM"]["Config"] for each in bench.docker.networks()}
    assert listed[network][0]["Subnet"] == "10.203.0.0/24"
    with pytest.raises(ConflictError):
        bench.docker.create_network({"Name": network})
    with pytest.raises(ConflictError):
        bench.docker.create_network({"Name": bench.name("network"), "IPAM": {"Config": [{"Subnet": "10.203.0.0/24"}]}})
    container = bench.container()
    bench.docker.connect(network, container, {"Aliases": ["alias"]})
    assert "alias" in bench.docker.inspect_container(container)["NetworkSettings"]["Networks"][network]["Aliases"]
    bench.docker.start(container)
    with pytest.raises(ConflictError):
        bench.docker.remove_network(network)
    bench.docker.stop(container)
    bench.docker.remove_network(network)
    bench.docker.remove_network(network)


@ways
def test_volumes_are_made_used_and_removed(bench: Bench) -> None:
    volume = bench.name("volume")
    for _ in range(2):
        bench.docker.create_volume({"Name": volume, "Labels": {"a": "b"}})
    assert bench.docker.inspect_volume(volume)["Labels"] == {"a": "b"}
    container = bench.container(HostConfig={"Mounts": [{"Type": "volume", "Source": volume, "Target": "/data"}]})
    (mount,) = bench.docker.inspect_container(container)["Mounts"]
    assert (mount["Name"], mount["Destination"], mount["RW"]) == (volume, "/data", True)
    with pytest.raises(ConflictError):
        bench.docker.remove_volume(volume)
    bench.docker.remove_container(container, volumes=True)
    assert bench.docker.inspect_volume(volume)["Name"] == volume
    bench.docker.remove_volume(volume)
    bench.docker.remove_volume(volume)


@ways
def test_names_of_images_come_and_go(bench: Bench) -> None:
    name = f"{bench.name('image')}:2"
    bench.made.append(("image", name))
    bench.docker.tag(bench.image, name)
    seen = bench.docker.inspect_image(name)
    assert {name, bench.image} <= set(seen["RepoTags"])
    listed = {entry["Id"]: entry for entry in bench.docker.list_images()}
    assert {name, bench.image} <= set(listed[seen["Id"]]["RepoTags"])
    assert (seen["Architecture"], seen["Os"], seen["Config"]["Env"]) == ("amd64", "linux", ["A=image"])
    bench.docker.remove_image(name)
    with pytest.raises(NotFoundError):
        bench.docker.inspect_image(name)
    assert bench.docker.inspect_image(bench.image)["Id"] == seen["Id"]
    with pytest.raises(NotFoundError):
        bench.docker.tag("contract/nothing:1", name)


@ways
def test_image_in_use_is_not_removed(bench: Bench) -> None:
    bench.docker.start(bench.container())
    with pytest.raises(ConflictError):
        bench.docker.remove_image(bench.docker.inspect_image(bench.image)["Id"])


@ways
def test_image_keeps_its_identity_through_save_and_load(bench: Bench) -> None:
    before = bench.docker.inspect_image(bench.image)
    assert before["RootFS"]["Layers"] == bench.store.find(bench.image).diff_ids
    archive = b"".join(bench.docker.save([bench.image]))
    bench.docker.remove_image(bench.image)
    bench.docker.load([archive])
    after = bench.docker.inspect_image(bench.image)
    assert (after["Id"], after["RootFS"], after["RepoTags"]) == (before["Id"], before["RootFS"], before["RepoTags"])


@ways
def test_saved_archive_tells_config_and_layers(bench: Bench) -> None:
    members = unpack(b"".join(bench.docker.save([bench.image])))
    (entry,) = json.loads(members["manifest.json"])
    assert entry["RepoTags"] == [full_name(bench.image)]
    config = json.loads(members[entry["Config"]])
    assert [digest(members[path]) for path in entry["Layers"]] == config["rootfs"]["diff_ids"]


@ways
def test_layer_that_is_there_may_be_missing_from_an_archive(bench: Bench) -> None:
    members = unpack(b"".join(bench.docker.save([bench.image])))
    (entry,) = json.loads(members["manifest.json"])
    short = {path: content for path, content in members.items() if path not in entry["Layers"]}
    bench.docker.load([pack(short)])
    assert bench.docker.inspect_image(bench.image)["RootFS"]["Layers"] == bench.store.find(bench.image).diff_ids


@ways
def test_archive_that_lacks_an_unknown_layer_is_refused(bench: Bench) -> None:
    store = FakeImages()
    name = f"{bench.name('image')}:1"
    store.add([pack({"unknown": secrets.token_bytes(9)})], name=name)
    members = unpack(store.save([name]))
    (entry,) = json.loads(members["manifest.json"])
    del members[entry["Layers"][0]]
    with pytest.raises(DockerError):
        bench.docker.load([pack(members)])
    with pytest.raises(NotFoundError):
        bench.docker.inspect_image(name)


@ways
def test_rubbish_is_no_image(bench: Bench) -> None:
    with pytest.raises(DockerError):
        bench.docker.load([b"rubbish" * 1000])
    with pytest.raises(DockerError):
        bench.docker.import_image([b"rubbish" * 1000], f"{bench.name('image')}:1")


@ways
def test_exported_filesystem_becomes_a_flat_image(bench: Bench) -> None:
    exported = b"".join(bench.docker.export(bench.container()))
    assert unpack(exported)["etc/motd"] == b"moved\n"
    name = f"{bench.name('image')}:flat"
    bench.made.append(("image", name))
    identity = bench.docker.import_image(chunks(exported), name)
    seen = bench.docker.inspect_image(name)
    assert seen["Id"] == identity
    assert len(seen["RootFS"]["Layers"]) == 1


@ways
def test_error_of_what_is_sent_comes_out_as_it_was(bench: Bench) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(100_000)
        raise TransferError("the source is gone")

    def broken_disk() -> Iterator[bytes]:
        yield bytes(100_000)
        raise OSError("a disk that is not the daemon's")

    with pytest.raises(TransferError, match="the source is gone"):
        bench.docker.load(broken())
    with pytest.raises(OSError, match="not the daemon's"):
        bench.docker.load(broken_disk())
    bench.docker.ping()


@ways
def test_stream_may_be_left_before_its_end(bench: Bench) -> None:
    container = bench.container()
    for _ in range(5):
        stream = bench.docker.export(container)
        assert next(iter(stream))
        stream.close()  # type: ignore[attr-defined]
    bench.docker.ping()


@ways
def test_many_threads_may_ask_at_once(bench: Bench) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(bench.docker.inspect_image, bench.image) for _ in range(60)]
        assert len({answer.result()["Id"] for answer in answers}) == 1


@real_ways
def test_program_gets_its_words_and_input_and_its_end_is_told(bench: Bench) -> None:
    words = ["a b", "$HOME", "'", '"', "\\", "*", "", "-x", ";false", "\n", "ü"]
    done = bench.host.run(["sh", "-c", 'printf "%s|" "$@"; cat; echo no >&2; exit 7', "sh", *words], stdin=b"\x00in")
    assert done == Completed(7, "|".join(words).encode() + b"|\x00in", b"no\n")
    assert bench.host.run(["sh", "-c", "exit 255"]).status == 255


@real_ways
def test_program_that_takes_too_long_is_cut_off(bench: Bench) -> None:
    with pytest.raises(CommandError, match="did not end"):
        bench.host.run(["sleep", "60"], timeout=0.2)


@real_ways
def test_large_input_and_output_pass(bench: Bench) -> None:
    content = secrets.token_bytes(3_000_000)
    assert bench.host.run(["cat"], stdin=content).stdout == content


@real_ways
def test_more_programs_than_channels_wait_for_their_turn(bench: Bench) -> None:
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda word: bench.host.run(["echo", str(word)]), range(30)))
    assert [each.stdout for each in done] == [f"{word}\n".encode() for word in range(30)]


@real_ways
def test_program_with_pipes_talks_while_it_runs(bench: Bench) -> None:
    with bench.host.popen(["cat"]) as process:
        assert process.stdin
        assert process.stdout
        for word in (b"one\n", b"two\n"):
            process.stdin.write(word)
            process.stdin.flush()
            assert process.stdout.readline() == word
        process.stdin.close()
        assert process.wait(10) == 0
