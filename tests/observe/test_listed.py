from typing import Any

import pytest

from transship.observe.listed import alive, linking, name_of, networks_of, repository, volumes_of


def listed(**words: Any) -> dict[str, Any]:
    return {"Id": "a" * 64, "State": "running", **words}


def test_a_container_has_one_name_of_its_own_and_others_by_links() -> None:
    linked = listed(Names=["/proxy/web", "/web", "/cron/backend"])
    assert name_of(linked) == "web"
    assert linking(linked) == ("cron", "proxy")
    assert linking(listed(Names=["/web"])) == ()
    assert name_of(listed(Names=None)) == "a" * 12


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("watchtower", "watchtower"),
        ("containrrr/watchtower:1.7", "containrrr/watchtower"),
        ("ghcr.io/nicholas/watchtower@sha256:00", "nicholas/watchtower"),
        ("localhost:5000/portainer/agent:latest", "portainer/agent"),
        ("", ""),
    ],
)
def test_an_image_is_known_by_its_repository(image: str, wanted: str) -> None:
    assert repository(listed(Image=image)) == wanted


def test_what_a_container_uses_is_listed() -> None:
    one = listed(Mounts=[{"Name": "data"}, {"Type": "bind"}], NetworkSettings={"Networks": {"back": {}}})
    assert "data" in volumes_of(one)
    assert networks_of(one) == {"back"}
    assert networks_of(listed(NetworkSettings=None)) == frozenset()


def test_only_those_that_run_count_and_not_the_one_itself() -> None:
    others = [listed(Id="b"), listed(Id="c", State="exited"), listed(Id="d", State="paused"), listed()]
    assert [each["Id"] for each in alive(others, besides="a" * 64)] == ["b", "d"]
