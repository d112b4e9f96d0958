import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import docker.errors
import pytest
import requests
import urllib3.exceptions

from tests.conftest import MakeLab
from tests.hosts.daemon import Said, Script, lines, scripted
from transship.errors import (
    AccessDeniedError,
    ConflictError,
    DockerDownError,
    DockerError,
    HostError,
    NoSpaceError,
    NotFoundError,
    TransshipError,
)
from transship.hosts.address import UnixAddress
from transship.hosts.base import Docker
from transship.hosts.docker_errors import refusal, translated
from transship.hosts.fake_images import FakeImages, pack
from transship.hosts.local import LocalHost
from transship.hosts.open import open_host
from transship.lab import HostOptions, LabOptions


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    with scripted(tmp_path / "s") as script:
        yield script


@pytest.fixture
def daemon(script: Script, tmp_path: Path) -> Iterator[Docker]:
    with LocalHost("box", UnixAddress(str(tmp_path / "s"))) as host:
        yield host.docker


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, "No such container: web", NotFoundError),
        (409, "Conflict. The container name is already in use", ConflictError),
        (409, "anything", ConflictError),
        (403, "Pool overlaps with other one on this address space", ConflictError),
        (403, "network n has active endpoints", ConflictError),
        (500, "Bind for 0.0.0.0:80 failed: port is already allocated", ConflictError),
        (500, "failed to bind host port for 0.0.0.0:80: address already in use", ConflictError),
        (500, "write /var/lib/docker/x: no space left on device", NoSpaceError),
        (500, "disk quota exceeded", NoSpaceError),
        (404, "pull access denied for x, repository does not exist or may require 'docker login'", NotFoundError),
        (404, "manifest for x:1 not found: manifest unknown: manifest unknown", NotFoundError),
        (500, "no matching manifest for linux/arm64 in the manifest list entries", NotFoundError),
        (500, "unauthorized: authentication required", DockerError),
        (400, "invalid reference format", DockerError),
        (500, "", DockerError),
    ],
)
def test_refusal_has_the_class_that_fits(status: int, message: str, kind: type[DockerError]) -> None:
    error = refusal("do it", "box", message, status)
    assert type(error) is kind
    assert str(error).startswith("Docker on box cannot do it: ")


@pytest.mark.parametrize("message", ["unauthorized: authentication required", "pull access denied for x"])
def test_refusal_by_a_registry_says_how_to_log_in(message: str) -> None:
    assert "docker login" in refusal("pull x", "box", message, 500).hint


class _Way:
    name = "box"

    def __init__(self, trouble: HostError | None = None) -> None:
        self._trouble = trouble

    def trouble(self) -> HostError | None:
        return self._trouble


FOREIGN = [
    requests.ConnectionError("x"),
    requests.ReadTimeout("x"),
    requests.ConnectTimeout("x"),
    requests.exceptions.ChunkedEncodingError("x"),
    requests.exceptions.ContentDecodingError("x"),
    requests.exceptions.InvalidHeader("x"),
    requests.exceptions.InvalidURL("x"),
    requests.exceptions.JSONDecodeError("x", "", 0),
    urllib3.exceptions.ProtocolError("x"),
    urllib3.exceptions.ReadTimeoutError(None, "/", "x"),  # type: ignore[arg-type]
    urllib3.exceptions.LocationParseError("x"),
    docker.errors.DockerException("x"),
    docker.errors.InvalidRepository("x"),
    docker.errors.TLSParameterError("x"),
    json.JSONDecodeError("x", "", 0),
    ssl.SSLError("x"),
    BrokenPipeError("x"),
    ConnectionResetError("x"),
    FileNotFoundError("x"),
    UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda error: type(error).__name__)
def test_no_foreign_error_gets_out(foreign: Exception) -> None:
    with pytest.raises((DockerError, DockerDownError)) as raised, translated(_Way(), "do it"):
        raise foreign
    assert raised.value.__cause__ is foreign
    trouble = AccessDeniedError("no")
    with pytest.raises(AccessDeniedError), translated(_Way(trouble), "do it"):
        raise foreign


def test_our_own_errors_pass() -> None:
    with pytest.raises(TransshipError, match="ours"), translated(_Way(), "do it"):
        raise TransshipError("ours")


def test_stream_that_breaks_off_is_not_taken_for_whole(daemon: Docker, script: Script) -> None:
    script.on("GET /containers/web/export", Said(body=b"half of it", cut=True))
    stream = daemon.export("web")
    assert next(stream) == b"half of it"
    with pytest.raises(DockerError, match="ended the stream early"):
        next(stream)


@pytest.mark.parametrize("answer", [Said(body=b"not JSON"), Said(nothing=True), Said(body=b'{"a":', cut=True)])
def test_answer_that_is_none_is_an_error(daemon: Docker, script: Script, answer: Said) -> None:
    script.on("GET /info", answer)
    with pytest.raises(DockerError, match="Docker on box cannot describe itself"):
        daemon.info()


def test_full_disk_while_loading_is_told_though_the_status_was_good(daemon: Docker, script: Script) -> None:
    message = "write /var/lib/docker/tmp/x: no space left on device"
    script.on(
        "POST /images/load", Said(body=lines({"stream": "x"}, {"errorDetail": {"message": message}, "error": message}))
    )
    with pytest.raises(NoSpaceError):
        daemon.load([b"one", b"two"])
    assert script.bodies[-1] == b"onetwo"


def test_import_that_fails_in_its_stream_is_an_error(daemon: Docker, script: Script) -> None:
    script.on("POST /images/create", Said(body=lines({"error": "unexpected EOF"})))
    with pytest.raises(DockerError, match="unexpected EOF"):
        daemon.import_image([b"x"], "a:b")


def test_pull_tells_how_far_it_is(daemon: Docker, script: Script) -> None:
    def downloading(layer: str, current: int) -> dict[str, object]:
        return {"id": layer, "status": "Downloading", "progressDetail": {"current": current, "total": 10}}

    script.on("POST /images/create", Said(body=lines(downloading("a", 5), downloading("b", 1), downloading("a", 10))))
    heard: list[tuple[int, int]] = []
    daemon.pull("a/b:c", progress=lambda done, total: heard.append((done, total)))
    assert heard == [(5, 10), (6, 20), (11, 20)]


def test_pull_uses_the_credentials_of_this_machine_and_tells_nobody(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = base64.b64encode(b"me:s3cret").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example:5000": {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    script.on("POST /images/create", Said(500, b'{"message": "unauthorized: incorrect username or password"}'))
    with LocalHost("box", UnixAddress(str(tmp_path / "s"))) as host, pytest.raises(DockerError) as raised:
        host.docker.pull("registry.example:5000/a:b")
    sent = json.loads(base64.urlsafe_b64decode(script.headers[-1]["X-Registry-Auth"]))
    assert (sent["username"], sent["password"]) == ("me", "s3cret")
    assert "s3cret" not in str(raised.value) + raised.value.hint


def test_environment_and_labels_do_not_show_in_an_error(daemon: Docker, script: Script) -> None:
    script.on("POST /containers/create", Said(400, b'{"message": "bad: TOKEN=s3cret, label hidden, s3cret"}'))
    with pytest.raises(DockerError) as raised:
        daemon.create_container("web", {"Image": "x", "Env": ["TOKEN=s3cret"], "Labels": {"a": "hidden"}})
    assert str(raised.value) == "Docker on box cannot create container web: bad: ***, label ***, ***"
    assert raised.value.__cause__ is None


def test_removal_that_is_under_way_is_waited_for(daemon: Docker, script: Script) -> None:
    script.on("DELETE /containers/web", Said(409, b'{"message": "removal of container web is already in progress"}'))
    daemon.remove_container("web")
    assert script.asked[-1] == "POST /containers/web/wait"


def test_socket_that_is_missing_or_closed_to_us_is_told(tmp_path: Path) -> None:
    with pytest.raises(DockerDownError, match="no daemon answers"):
        open_host(f"unix://{tmp_path}/missing")
    (tmp_path / "file").write_text("")
    with pytest.raises(DockerDownError):
        open_host(f"unix://{tmp_path}/file")
    with pytest.raises(DockerDownError):
        open_host("tcp://127.0.0.1:9")


@pytest.mark.lab
def test_full_disk_and_missing_images_of_a_real_daemon(make_lab: MakeLab) -> None:
    lab = make_lab(LabOptions(hosts=(HostOptions(disk="1G"),), registry="insecure"))
    node = lab.hosts["h1"]
    store = FakeImages()
    store.add([pack({"large": bytes(40_000_000)})], name="large:1")
    with open_host(f"ssh://{node.ssh_alias}", ssh_config=lab.ssh_config) as host:
        with pytest.raises(NotFoundError, match="nothing"):
            host.docker.pull(f"{lab.registry}/nothing:1")
        node.fill_disk(leave=10_000_000)
        with pytest.raises(NoSpaceError):
            host.docker.load([store.save(["large:1"])])
        with pytest.raises(NoSpaceError):
            host.docker.import_image([pack({"large": bytes(40_000_000)})], "large:2")
        node.free_disk()
        host.docker.load([store.save(["large:1"])])
