"""Names and references that somebody gives, and whatever a daemon answers to the requests for them."""

import io
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
import urllib3
from docker import APIClient
from requests.adapters import BaseAdapter

from tests.fuzz.fuzz import fuzz, refused
from tests.fuzz.mutations import Documents, data, text
from transship.errors import HostError, TransshipError
from transship.hosts.daemon_requests import Api
from transship.hosts.docker import ApiDocker

NAMES = ("web", "my_app.1-x", "0" * 64, "/web", "a", "web.moved-to.h2")
IMAGES = (
    "busybox", "busybox:latest", "registry.example:5000/team/app:1.2", "ghcr.io/x/y@sha256:" + "0" * 64,
    "sha256:" + "0" * 64, "localhost/a", "a/b:c", "10.0.0.1:5000/a",
)  # fmt: skip
ANSWERS = Documents(
    {"Id": "0" * 64, "Name": "/web", "Warnings": []},
    {"message": "No such container: web"},
    [{"Id": "0" * 64, "Names": ["/web"]}, {"Id": "1" * 64}],
    {"status": "Downloading", "id": "layer", "progressDetail": {"current": 1, "total": 2}},
    {"errorDetail": {"message": "no space left on device"}, "error": "no space left on device"},
    {"Version": "28.5.2", "ApiVersion": "1.51"},
    {"Volumes": [{"Name": "v"}], "LayersSize": 1, "Containers": None, "Plugins": []},
)


class Wire(BaseAdapter):
    """Answers whatever it is told to, and notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.body = 200, b""
        self.asked: list[str] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.asked.append(str(request.url))
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = self.status, request, str(request.url)
        answer.raw = urllib3.HTTPResponse(io.BytesIO(self.body), status=self.status, preload_content=False)
        return answer

    def close(self) -> None:
        """Nothing is open."""


class Way:
    """A way to that daemon."""

    name = "box"

    def __init__(self) -> None:
        self.wire = Wire()
        client = APIClient(base_url="http://docker:1", version="1.51")
        client.mount("http://", self.wire)
        self._api = Api(client, "1.51")

    def api(self) -> Api:
        return self._api

    def trouble(self) -> HostError | None:
        return None


@pytest.fixture(scope="module")
def way() -> Way:
    return Way()


def calls(docker: ApiDocker, name: str, image: str) -> Sequence[tuple[str, Callable[[], Any]]]:
    """Requests, each with the path that it is for but for the name in it."""
    return (
        ("/containers/{}/json", lambda: docker.inspect_container(name)),
        ("/containers/{}/start", lambda: docker.start(name)),
        ("/containers/{}/stop", lambda: docker.stop(name, grace=1)),
        ("/containers/{}/rename", lambda: docker.rename("web", name)),
        ("/containers/{}", lambda: docker.remove_container(name)),
        ("/containers/{}/changes", lambda: docker.changes(name)),
        ("/containers/create", lambda: docker.create_container(name, {"Image": image, "Env": ["A=b"]})),
        ("/images/{}/json", lambda: docker.inspect_image(image)),
        ("/images/{}", lambda: docker.remove_image(image)),
        ("/images/{}/tag", lambda: docker.tag(image, image)),
        ("/images/create", lambda: docker.pull(image, progress=lambda _done, _all: None)),
        ("/images/create", lambda: docker.import_image([b""], image)),
        ("/images/get", lambda: list(docker.save([image]))),
        ("/networks/{}", lambda: docker.inspect_network(name)),
        ("/networks/create", lambda: docker.create_network({"Name": name})),
        ("/volumes/{}", lambda: docker.remove_volume(name)),
        ("/containers/json", docker.containers),
        ("/version", docker.version),
    )


@fuzz(3_000)
def test_names_references_and_answers(random: Random, way: Way) -> None:
    name, image = text(random, NAMES), text(random, IMAGES)
    body = json.dumps(ANSWERS.draw(random)).encode()
    way.wire.body = data(random, (body, b"", b"[" * 5000, b"<html>")) if random.random() < 0.2 else body
    way.wire.status = random.choice((200, 200, 200, 201, 204, 301, 400, 404, 409, 500, 503))
    way.wire.asked.clear()
    template, call = random.choice(calls(ApiDocker(way), name, image))
    with refused(TransshipError):
        call()
    for url in way.wire.asked:
        check_path(url, template)


def check_path(url: str, template: str) -> None:
    """A name is one word of the path, and leads to no other request."""
    parts = urlsplit(url)
    words, wanted = parts.path.split("/")[2:], template.split("/")[1:]
    assert parts.fragment == ""
    assert len(words) == len(wanted) or words[-1] in {"json", "wait"}, url
    assert ".." not in [unquote(word) for word in words]
    assert all(word == want for word, want in zip(words, wanted, strict=False) if want != "{}") or words[-1] == "json"
