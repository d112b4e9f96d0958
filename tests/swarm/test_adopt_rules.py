from dataclasses import replace
from typing import Any

import pytest

from tests.plan.observed import SPEC
from transship.errors import PreflightError
from transship.hosts.fake import FakeHost
from transship.swarm.adopt import _by_digest, _notes, _running
from transship.swarm.exchange import begins_s, by_lasting_name


def host_with(**body: Any) -> FakeHost:
    host = FakeHost("h2")
    host.docker.images.add([b""], name="web:1")
    host.docker.start(host.docker.create_container("web", {"Image": "web:1", **body}))
    return host


def test_a_container_that_is_gone_when_it_stops_is_not_adopted() -> None:
    with pytest.raises(PreflightError, match="started with --rm"):
        _running(host_with(HostConfig={"AutoRemove": True}), "web")


def test_a_container_that_does_not_run_or_is_a_task_or_not_there_is_not_adopted() -> None:
    host = host_with()
    host.docker.stop("web")
    with pytest.raises(PreflightError, match="does not run"):
        _running(host, "web")
    with pytest.raises(PreflightError, match="has no container 'nothing'"):
        _running(host, "nothing")
    with pytest.raises(PreflightError, match="is a service's task already"):
        _running(host_with(Labels={"com.docker.swarm.task": ""}), "web")


@pytest.mark.parametrize(
    ("reference", "digests", "named"),
    [
        ("web:1", (), "web:1"),
        ("web:1", ("web@sha256:d",), "web:1@sha256:d"),
        ("web:1", ("other@sha256:d",), "web:1"),
        ("docker.io/library/web:1", ("web@sha256:d",), "docker.io/library/web:1@sha256:d"),
        ("host:5000/web", ("web@sha256:e", "host:5000/web@sha256:d"), "host:5000/web@sha256:d"),
        ("web@sha256:d", ("web@sha256:d",), "web@sha256:d"),
    ],
)
def test_an_image_is_named_so_that_no_task_gets_another_one(
    reference: str, digests: tuple[str, ...], named: str
) -> None:
    """A node pulls a name without a digest anew for each task."""
    spec = _by_digest(replace(SPEC, image=replace(SPEC.image, reference=reference, digests=digests)))
    assert spec.image.reference == named
    assert bool(list(_notes(spec))) is ("@" not in named)


def test_a_name_that_means_another_image_by_now_is_not_used() -> None:
    host = host_with()
    id_ = str(host.docker.inspect_image("web:1")["Id"])
    spec = replace(SPEC, image=replace(SPEC.image, reference="web:1", id=id_))
    assert by_lasting_name(host.docker, spec) == spec
    host.docker.images.add([b"", b"newer"], name="web:1")
    for reference in ("web:1", "gone:1"):
        found = by_lasting_name(host.docker, replace(spec, image=replace(spec.image, reference=reference)))
        assert found.image.reference == id_
        assert list(_notes(found)) == []


def test_a_health_check_may_take_its_time_to_begin() -> None:
    of_image = replace(SPEC.image, config={"Healthcheck": {"Test": ["CMD", "x"], "StartPeriod": 90 * 10**9}})
    assert begins_s(SPEC) == 0.0
    assert begins_s(replace(SPEC, image=of_image)) == 90.0
    assert begins_s(replace(SPEC, image=of_image, config={"Healthcheck": {"StartPeriod": 10**9}})) == 1.0
