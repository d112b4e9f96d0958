from typing import Any

from transship.observe.target import _published


def listed(name: str, state: str) -> dict[str, Any]:
    ports = [{"IP": "0.0.0.0", "PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"}]  # noqa: S104 - as Docker says it
    return {"Names": [f"/{name}"], "State": state, "Ports": ports}


def test_who_has_ended_has_no_port_whatever_docker_still_says_of_it() -> None:
    """Seen where dockerd was killed while the container was frozen: the list has its ports until it is removed."""
    assert _published([listed("old", "exited")]) == {}
    assert _published([listed("old", "exited"), listed("web", "paused")]) == {("0.0.0.0", "8080/tcp"): "web"}  # noqa: S104
