"""What Docker tells, and what was stored: the documents that real daemons wrote, changed."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.fuzz import fuzz, refused
from tests.fuzz.mutations import Documents, data, text
from tests.fuzz.test_words import GATHERED
from transship import api
from transship.errors import TransshipError
from transship.hosts.base import Completed, Docker, Host
from transship.hosts.facts import Facts, observe_host
from transship.hosts.fake import FakeDocker, FakeHost
from transship.hosts.readiness import readiness
from transship.plan.options import MoveOptions, StrategyName
from transship.spec.compare import differences
from transship.spec.extract import Surroundings, extract, network_names, unknown_fields, volume_names
from transship.spec.model import ContainerSpec
from transship.spec.render import connections, create_body, lost_fields, network_body, volume_body

FOLDER = Path(__file__).parents[1] / "spec" / "recorded"
RECORDED: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
INSPECTED = Documents(*RECORDED)
SECRET = "TOKEN=secret"


def spec_of(document: dict[str, Any]) -> ContainerSpec:
    around = Surroundings(host_name="h1", api_version=(1, 45))
    return extract(document["container"], document["image"], document["networks"], document["volumes"], around=around)


SPECS = [spec_of(document) for document in RECORDED]
STORED = Documents(*(json.loads(spec.to_json()) for spec in SPECS))


@fuzz(2_000)
def test_inspect_documents(random: Random) -> None:
    document = INSPECTED.draw(random)
    if not (isinstance(document, dict) and document.keys() >= {"container", "image", "networks", "volumes"}):
        return
    with refused(TransshipError):
        network_names(document["container"])
        volume_names(document["container"])
        unknown_fields(document["container"])
        use(spec_of(document))


def use(spec: ContainerSpec) -> None:
    """Whatever can be read can be stored, and the bodies of requests be made of it."""
    assert ContainerSpec.from_json(spec.to_json()) == spec
    assert SECRET not in repr(spec)
    for version in ((1, 41), (1, 51)):
        create_body(spec, image="x", api_version=version, flat=version > (1, 44))
        connections(spec, version)
        lost_fields(spec, version)
    for attachment in spec.networks:
        network_body(attachment.network)
    for volume in spec.volumes:
        volume_body(volume)
    for difference in differences(SPECS[0], spec):
        assert SECRET not in str(difference)
    assert spec.published_ports is not None


@fuzz(1_500)
def test_stored_specs(random: Random) -> None:
    stored = json.dumps(STORED.draw(random), ensure_ascii=random.random() < 0.9)
    raw = stored.encode("utf-8", "surrogatepass")
    with refused(TransshipError):
        use(ContainerSpec.from_json(data(random, (raw, b"", b"[" * 9999)) if random.random() < 0.2 else raw))


class OddDocker:
    """A daemon that answers as `docker` does, but for a change here and there: the same for the same question."""

    def __init__(self, docker: Docker, seed: str) -> None:
        self._docker, self._seed = docker, seed

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._docker, name)

        def call(*args: Any, **words: Any) -> Any:
            answer, random = method(*args, **words), Random(f"{self._seed} {name} {args}")  # noqa: S311
            if not answer or not isinstance(answer, (dict, list)) or random.random() < 0.7:
                return answer
            odd = Documents(answer).draw(random)
            kept = isinstance(odd, list) and all(isinstance(each, dict) for each in odd)
            return odd if isinstance(odd, dict) or kept else answer

        return call


class RecordedDocker(FakeDocker):
    """A daemon with the recorded container on it."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__()
        self._document = document

    def containers(self) -> list[dict[str, Any]]:
        container = self._document["container"]
        ports = [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]  # noqa: S104
        network = {"NetworkMode": "container:" + container["Id"]}
        mounts = [{"Type": "volume", "Name": "named"}]
        other = {"Id": "e" * 64, "Names": ["/other"], "State": "running", "Ports": ports, "HostConfig": network}
        return [{"Id": container["Id"], "Names": ["/everything"], "State": "running"}, {**other, "Mounts": mounts}]

    def inspect_container(self, ref: str) -> dict[str, Any]:
        return {**self._document["container"], "State": {"Status": "running", "Running": True}}

    def inspect_image(self, ref: str) -> dict[str, Any]:
        return {"Size": 4096, **self._document["image"]}

    def changes(self, ref: str) -> list[dict[str, Any]]:
        return [{"Path": "/srv", "Kind": 0}, {"Path": "/srv/file", "Kind": 1}]

    def inspect_network(self, ref: str) -> dict[str, Any]:
        found: dict[str, Any] = self._document["networks"].get(ref) or super().inspect_network(ref)
        return found

    def inspect_volume(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {"Mountpoint": f"/v/{name}", **self._document["volumes"][name]}
        return found

    def networks(self) -> list[dict[str, Any]]:
        return [*super().networks(), *self._document["networks"].values()]


STRATEGIES: tuple[StrategyName, ...] = ("auto", "stop-start", "export-import", "sync")


def odd_host(name: str, docker: Docker, random: Random) -> Host:
    """A host that may say anything."""
    said = text(random, GATHERED) if random.random() < 0.3 else GATHERED[0]
    path_test = text(random, ("missing /srv\0occupied /etc\0", ""))

    def programs(argv: Sequence[str], stdin: bytes) -> Completed:
        gathers = b"MemAvailable" in stdin
        return Completed(0, (said if gathers else path_test).encode("utf-8", "surrogatepass"), b"")

    seed = f"{name} {random.random()}"
    return FakeHost(name, docker=OddDocker(docker, seed), programs=programs)  # type: ignore[arg-type]


DAEMONS = [RecordedDocker(document) for document in RECORDED]


@fuzz(1_500)
def test_what_is_observed_of_a_host(random: Random) -> None:
    with refused(TransshipError):
        facts = observe_host(odd_host("odd", DAEMONS[0], random))
        readiness(facts)
        assert Facts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


@fuzz(1_000)
def test_plans_for_odd_hosts(random: Random) -> None:
    hosts = {name: odd_host(name, random.choice(DAEMONS), random) for name in ("here", "there")}
    journey = api.Journey(text(random, ("everything",)), "there", "here", opener=hosts.__getitem__)
    with refused(TransshipError):
        made = api.plan(journey, MoveOptions(strategy=random.choice(STRATEGIES), without_volumes=True, binds="skip"))
        assert made.strategy
        for step in (*made.prepare, *made.cutover, *made.retire):
            assert SECRET not in step.describe()
        for finding in made.findings:
            assert SECRET not in finding.message
